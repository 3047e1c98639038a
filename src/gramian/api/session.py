"""Scripts from Python: values go in by name, and come out by name, with or without a Spark session.

with gramian.Session(spark=spark) as session:
    found = session.run("w = solve(t(X) %*% X, t(X) %*% y)", {"X": table, "y": y}, ["w"])
found["w"]           # a NumPy array
found.table("w")     # a DataFrame of Spark
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np

import gramian.ops
from gramian.api.script import backend_for, read_text
from gramian.budget import Budget, scratch_folder
from gramian.errors import OperationError, UsageError
from gramian.ir.disk import is_on_disk
from gramian.ir.frame import Frame
from gramian.ir.sparse import by_rows, is_sparse, settle
from gramian.ir.types import LIST, Kind, Type, frame, matrix, value_type_of
from gramian.ir.values import ListValue
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.passes.facts import Facts
from gramian.passes.pipeline import run_passes
from gramian.runtime.backend import Backend
from gramian.runtime.run import Execution, deep_recursion
from gramian.settings import MIXED, NO_BFLOAT16, Scalar, Settings
from gramian.source import Source

_ = gramian.ops  # registers the operators
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Session:
    """Runs scripts on values of Python, one after the other.

    With `spark`, a Spark session, classic or Connect, matrices live on its cluster where costs say so, or with mode `spark`
    of the settings all but small ones. `shared` is a folder that the driver and all workers see under this path, for the
    rows of DataFrames; without one it is the folder for temporary files, which is enough where all of them run on one
    machine. `settings` are those of a run, as of the command line.
    """

    def __init__(self, spark: Any = None, *, settings: Settings | None = None, shared: str | None = None) -> None:
        self.settings = settings or Settings()
        self.backend = _backend(spark, self.settings)
        parent = shared or self.settings.scratch or scratch_folder()
        if not os.path.isdir(parent):
            raise UsageError(f"'{parent}' is not a folder")
        self.folder = tempfile.mkdtemp(prefix="gramian-session-", dir=parent)
        os.chmod(self.folder, 0o755)
        self._end = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Removes what the session keeps. Results on the cluster, and DataFrames made of them, are then gone."""
        self.backend.end()
        self._end()

    def run(
        self,
        script: str | Path,
        inputs: Mapping[str, Any] = NOTHING,
        outputs: Sequence[str] = (),
        parameters: Mapping[str, Scalar] = NOTHING,
    ) -> Results:
        """Run a script, given as its text or as the path of its file.

        `inputs` are the values of its variables before it starts: numbers, texts, NumPy arrays, matrices of SciPy, frames
        of pandas or Arrow, DataFrames of Spark (as matrices; as frames if there are texts), lists and dictionaries of
        them. `outputs` are the names of the variables wanted, `parameters` the script's `$name` values.

        Raises:
            UsageError: an input is nothing of this, or the file cannot be read.
            ScriptError: the script is wrong, or something in it went wrong.
        """
        source = Source(str(script), read_text(str(script))) if isinstance(script, Path) else Source("<script>", script)
        values = {name: self._value(name, value) for name, value in inputs.items()}
        types = {name: _type(value) for name, value in values.items()}
        settings = _with_parameters(self.settings, parameters)
        with deep_recursion(), np.errstate(all="ignore"):
            program = run_passes(lower(source, parse, settings, types, outputs), Facts(types), settings.until)
        found = Execution(program, self.backend, settings).run(*values.values())
        return Results(self, dict(zip(outputs, found, strict=True)))

    def _value(self, name: str, value: Any) -> Any:
        """A value as scripts have it."""
        try:
            return self._converted(value)
        except OperationError as error:
            hint = f" ({error.hint})" if error.hint else ""
            raise UsageError(f"input '{name}': {error.message}{hint}") from None

    def _converted(self, value: Any) -> Any:
        if isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.bool_ | np.number) and np.isrealobj(value):
            return value.item()
        if isinstance(value, np.ndarray):
            return self._array(value)
        if type(value).__module__.startswith("scipy.sparse"):
            from scipy.sparse import csr_array

            return settle(csr_array(value, dtype=self._cells))
        if isinstance(value, Mapping):
            return ListValue([self._converted(item) for item in value.values()], [str(key) for key in value])
        if isinstance(value, list | tuple):
            return ListValue([self._converted(item) for item in value])
        return self._table(value)

    def _array(self, value: Any) -> Any:
        if value.ndim not in (1, 2) or value.dtype.kind not in "biuf":
            raise OperationError(f"a {value.ndim}-dimensional array of {value.dtype} is not a matrix of numbers")
        array = value.reshape(-1, 1) if value.ndim == 1 else value
        return np.ascontiguousarray(array, self._cells)

    def _table(self, value: Any) -> Any:
        import pyarrow

        if isinstance(value, pyarrow.Table):
            return Frame(value)
        if type(value).__module__.partition(".")[0] == "pandas":
            return Frame(pyarrow.Table.from_pandas(value, preserve_index=False))
        from gramian.backends.spark.frame_tables import frame_of_table, is_frame
        from gramian.backends.spark.tables import is_table, matrix_of_table

        if is_table(value):
            from gramian.backends.spark import SparkBackend

            if not isinstance(self.backend, SparkBackend):
                raise OperationError("a DataFrame of Spark needs Session(spark=...)")
            return (frame_of_table if is_frame(value) else matrix_of_table)(self.backend, value, self.folder)
        raise OperationError(f"a {type(value).__name__} is no value of a script")

    @property
    def _cells(self) -> Any:
        return np.dtype(f"f{self.settings.cell_bytes}")


class Results(Mapping[str, Any]):
    """The outputs of a script by name: numbers, texts, NumPy arrays, sparse arrays of SciPy, Arrow tables, lists and
    dictionaries. A matrix or frame on the cluster comes here when it is asked for in this way.
    """

    def __init__(self, session: Session, values: Mapping[str, Any]) -> None:
        self._session = session
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return _given(self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def table(self, name: str, *, array: str | None = None, row: str | None = None) -> Any:
        """A matrix or frame as a DataFrame of Spark, without collecting it, in its order.

        The columns of a matrix are C1, C2, ..., or one of arrays that is called `array`; those of a frame have its names.
        One called `row` has the numbers of rows.
        """
        from gramian.backends.spark import SparkBackend
        from gramian.backends.spark.frame_tables import table_of_frame
        from gramian.backends.spark.tables import table_of

        value, backend = self._values[name], self._session.backend
        if not isinstance(backend, SparkBackend):
            raise UsageError("a DataFrame of Spark needs Session(spark=...)")
        if isinstance(value, Frame):
            if array is not None:
                raise UsageError(f"output '{name}' is a frame: its columns cannot become one of arrays")
            return table_of_frame(backend, value, row)
        if not (isinstance(value, np.ndarray) or is_on_disk(value) or is_sparse(value)):
            raise UsageError(f"output '{name}' is not a matrix or frame")
        return table_of(backend, value, array, row)


def _given(value: Any) -> Any:
    """A value of a script as Python has it."""
    if isinstance(value, ListValue):
        items = [_given(item) for item in value.items]
        return dict(zip(value.names, items, strict=True)) if None not in value.names and len(value) else items
    if isinstance(value, Frame):
        return value.table
    if not is_on_disk(value):
        return value
    found = value.load()
    # What a matrix keeps for later is not the caller's.
    return found.copy() if is_sparse(found) or not found.flags.writeable else found


def _type(value: Any) -> Type:
    """What the compiler may know of an input: sizes, but not numbers, so that plans serve for others as well."""
    if isinstance(value, ListValue):
        return LIST
    if isinstance(value, Frame):
        return frame(*value.shape)
    if is_sparse(value):
        rows, cols = value.shape
        return matrix(rows, cols, by_rows(value).nnz / max(1, rows * cols))
    if isinstance(value, np.ndarray) or is_on_disk(value):
        return matrix(value.shape[0], value.shape[1], 1.0)
    return Type(Kind.SCALAR, value_type_of(value))


def _backend(spark: Any, settings: Settings) -> Backend:
    if spark is None:
        return backend_for(settings)
    from gramian.backends.spark import SparkBackend
    from gramian.backends.spark.session import master_of
    from gramian.cost.placement import placement_for, tasks_of

    if settings.mode not in (*MIXED, "spark"):
        raise UsageError(f"a Spark session is for execution modes auto and spark, found mode '{settings.mode}'")
    if settings.precision == "bfloat16":
        raise UsageError(NO_BFLOAT16)
    budget = Budget(settings.memory, settings.scratch)
    placement = replace(placement_for(settings), tasks=tasks_of(master_of(spark)))
    return SparkBackend(partial(_same, spark), settings.precision, budget, placement=placement)


def _same(spark: Any) -> Any:
    return spark


def _with_parameters(settings: Settings, parameters: Mapping[str, Scalar]) -> Settings:
    return replace(settings, parameters={**settings.parameters, **parameters}) if parameters else settings
