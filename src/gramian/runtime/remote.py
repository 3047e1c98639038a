"""Other machines that run parts of a program: what a backend offers, and how the code of a program gets there.

The code travels as it was generated here, so that workers run exactly this; what a function of the program compiles while
it runs, they compile for themselves. A worker keeps programs that it has loaded.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

from gramian.ir.node import op_named
from gramian.ir.op import Op

if TYPE_CHECKING:
    from gramian.ir.program import Program
    from gramian.runtime.backend import Backend
    from gramian.runtime.codegen import Generated
    from gramian.runtime.run import Execution
    from gramian.runtime.statistics import Counts, Statistics
    from gramian.settings import Settings


class Remote(Protocol):
    """Other machines, which run work beside this process."""

    @property
    def is_near(self) -> bool:
        """Is it there already, so that nobody waits for it to start?"""

    @property
    def cores(self) -> int:
        """How many parts it runs at a time."""

    @property
    def backend(self) -> Callable[[], Backend]:
        """Makes the backend of a worker, in the worker."""

    def holds(self, value: Any) -> bool:
        """Does a matrix live there, rather than here?"""

    def run(self, work: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
        """What work finds for each part that is not None; the machine of a part depends on its place alone.

        Large arrays are brought to each machine once, and must not change.
        """


@dataclass(frozen=True)
class Unit:
    """Generated code, with the program that it comes from and the name that Python knows it by."""

    program: Program
    generated: Generated
    file: str


@dataclass(frozen=True)
class Code:
    """A unit of a running program, for another process."""

    digest: str
    text: bytes = field(compare=False, repr=False)  # compressed: it travels with each job

    @classmethod
    def of(cls, execution: Execution, unit: Unit, remote: Remote) -> Code:
        settings = replace(
            execution.settings,
            parameters=dict(execution.settings.parameters),
            mode="local",
            master=None,
            memory=None,
            scratch=None,
            progress=False,
        )
        shipped = Shipped(execution.main, unit, settings, remote.backend, execution.statistics is not None)
        out = io.BytesIO()
        _Pickler(out, protocol=5).dump(shipped)
        return cls(blake2b(out.getvalue(), digest_size=16).hexdigest(), zlib.compress(out.getvalue(), 1))


class _Pickler(pickle.Pickler):
    """Operators are known by their names."""

    def reducer_override(self, value: Any) -> Any:
        return (op_named, (value.name,)) if isinstance(value, Op) else NotImplemented


@dataclass(frozen=True)
class Shipped:
    """What a worker needs to run functions of a unit: that, and the main unit, which functions by name belong to."""

    main: Unit
    unit: Unit
    settings: Settings
    backend: Callable[[], Backend]
    counts: bool  # is it asked what the run spends its time on?


@dataclass(frozen=True)
class Codes:
    """A unit of a running program, and its code for other machines, made when it is first wanted."""

    execution: Execution
    unit: Unit

    @property
    def remote(self) -> Remote | None:
        return self.execution.backend.remote

    @cached_property
    def code(self) -> Code:
        remote = self.remote
        assert remote is not None
        return Code.of(self.execution, self.unit, remote)


@dataclass(frozen=True)
class Loaded:
    """A unit in a worker."""

    execution: Execution
    unit: Unit
    namespace: dict[str, Any]
    statistics: Statistics | None

    def counted(self) -> Counts:
        return self.statistics.take() if self.statistics is not None else ({}, {})


@lru_cache(maxsize=16)
def loaded(code: Code) -> Loaded:
    import gramian.ir.fused
    import gramian.ops  # noqa: F401  registers the operators
    from gramian.runtime.run import Execution
    from gramian.runtime.statistics import Statistics

    shipped: Shipped = pickle.loads(zlib.decompress(code.text))
    statistics = Statistics() if shipped.counts else None
    main, unit = shipped.main, shipped.unit
    execution = Execution(main.program, shipped.backend(), shipped.settings, statistics, main=main)
    namespace = execution.namespace if unit.file == main.file else execution.load(unit)
    found = Loaded(execution, unit, namespace, statistics)
    found.counted()  # from now on, these units are known to the script's process
    return found
