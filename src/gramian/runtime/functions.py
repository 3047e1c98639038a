"""Functions that are looked up by name while the script runs: eval() and evalList()."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any

from gramian.errors import OperationError, did_you_mean
from gramian.ir.frame import Frame
from gramian.ir.node import ABSENT, Node, convert_argument, literal_value
from gramian.ir.op import REGISTRY, Op
from gramian.ir.program import Function, Variable
from gramian.ir.scalar import as_double, as_int, as_logical, describe, text
from gramian.ir.sparse import densify
from gramian.ir.types import BOOLEAN, DOUBLE, INT, STRING, Kind
from gramian.ir.values import ListValue
from gramian.runtime.backend import Kernel
from gramian.runtime.remote import Codes

Entry = tuple[Function, Callable[..., Any]]

CONVERT: Mapping[Any, Callable[[Any], Any]] = {INT: as_int, DOUBLE: as_double, BOOLEAN: as_logical, STRING: text}

compiling = RLock()  # whoever compiles while a script runs, as one thread at a time may do


class FunctionTable:
    """The functions of a running program by the names that eval() accepts.

    `load` finds functions that the program does not name, those of the library, by name; `kernel` is that of an operator.
    """

    code: Codes | None = None  # of the program, for other machines

    def __init__(
        self, functions: Mapping[str, Entry], load: Callable[[str], Entry | None], kernel: Callable[[Op], Kernel]
    ) -> None:
        self.functions = dict(functions)
        self._load = load
        self._kernel = kernel

    def matrix(self, value: Any) -> Any:
        """A number or array as the matrix that the program may see, of the backend's precision."""
        return self._kernel(REGISTRY["as.matrix"])(value)

    def call_on_matrix(self, name: str, args: Sequence[Any]) -> tuple[Any, ...]:
        """All results of a function that a kernel calls with matrices of its own."""
        return self.call(name, [self.matrix(arg) for arg in args])

    def bind(self, function: Function, given: Sequence[Any], names: Sequence[str | None]) -> list[Any]:
        """The arguments of a function in the order of its parameters, converted as declared."""
        return [self.constant(value) if isinstance(value, Node) else value for value in bind(function, given, names)]

    def constant(self, node: Node) -> Any:
        """The value of a constant expression."""
        if node.is_literal:
            return literal_value(node)
        if node.op is ABSENT:
            return None
        args = (convert_argument(node.op.param(at), self.constant(arg)) for at, arg in enumerate(node.args))
        return self._kernel(node.op)(*args)

    def _find(self, name: str) -> Entry | None:
        if name not in self.functions and name not in REGISTRY:
            with compiling:
                found = self.functions.get(name) or self._load(name)
            if found is not None:
                self.functions[name] = found
        return self.functions.get(name)

    def function(self, caller: str, name: str) -> Entry:
        """A function of the program or the library.

        Raises:
            OperationError: there is no such function.
        """
        found = self._find(name)
        if found is None:
            hint = did_you_mean(name, self.functions)
            if "::" in name:
                hint = "a function of a file must be named by a constant, so that the file is compiled"
            raise OperationError(f"{caller}(): there is no DML function '{name}'", hint)
        return found

    def eval(self, name: str, *args: Any) -> Any:
        """The first result, as a matrix."""
        outputs = self.call(name, args)
        if not outputs:
            raise OperationError(f"eval(): function '{name}' has no result")
        first = outputs[0]
        if isinstance(first, bool | int | float):
            return self.matrix(first)
        if kind_of(first) is Kind.MATRIX:
            return first
        raise OperationError(f"eval(): function '{name}' gives {describe(first)}, not a matrix", "use evalList()")

    def eval_list(self, name: str, *args: Any) -> ListValue:
        outputs = self.call(name, args)
        names = [o.name for o in self.functions[name][0].outputs] if name in self.functions else None
        return ListValue(outputs, names)

    def call(self, name: str, args: Sequence[Any]) -> tuple[Any, ...]:
        """All results of a function of the program or of an operator."""
        given, names = _spread(args)
        found = self._find(name)
        if found is not None:
            function, run = found
            result = run(*self.bind(function, given, names))
            return result if len(function.outputs) > 1 else (result,) if function.outputs else ()
        op = REGISTRY.get(name)
        if op is None or op.internal:
            hint = did_you_mean(name, [*self.functions, *REGISTRY])
            raise OperationError(f"there is no function '{name}'", hint)
        result = self._kernel(op)(*map(densify, _bind_operator(op, given, names)))
        return result if isinstance(result, tuple) else (result,)


def _spread(args: Sequence[Any]) -> tuple[Sequence[Any], Sequence[str | None]]:
    """A single list stands for the arguments inside it."""
    if len(args) == 1 and isinstance(args[0], ListValue):
        return args[0].items, args[0].names
    return args, [None] * len(args)


def bind(function: Function, given: Sequence[Any], names: Sequence[str | None]) -> list[Any]:
    """The arguments of a function in the order of its parameters, converted as declared; defaults as expressions."""
    params = {p.name: p for p in function.params}
    positional = [value for value, name in zip(given, names, strict=True) if name is None]
    by_name = {name: value for value, name in zip(given, names, strict=True) if name is not None}
    unknown = [name for name in by_name if name not in params]
    if unknown:
        hint = did_you_mean(unknown[0], params)
        raise OperationError(f"{function.title}() has no argument '{unknown[0]}'", hint)
    free = [p for p in function.params if p.name not in by_name]
    if len(positional) > len(free):
        raise OperationError(f"{function.title}() takes at most {len(params)} arguments, found {len(given)}")
    by_name |= {p.name: value for p, value in zip(free, positional, strict=False)}
    return [_argument(function, p, by_name) for p in function.params]


def _argument(function: Function, param: Variable, given: Mapping[str, Any]) -> Any:
    if param.name not in given:
        if param.default is None:
            raise OperationError(f"{function.title}() misses its argument '{param.name}'")
        return param.default
    value = given[param.name]
    found = kind_of(value)
    if found is not param.type.kind:
        raise OperationError(
            f"parameter '{param.name}' of {function.title}() needs {param.type.describe()}, found {describe(value)}"
        )
    convert = CONVERT.get(param.type.value_type)
    return convert(value) if found is Kind.SCALAR and convert else value


def kind_of(value: Any) -> Kind:
    if isinstance(value, bool | int | float | str):
        return Kind.SCALAR
    if isinstance(value, ListValue):
        return Kind.LIST
    return Kind.FRAME if isinstance(value, Frame) else Kind.MATRIX


def expect(kind: str, value: Any) -> Any:
    """What was read, which must be of the kind that the compiler expected."""
    found = kind_of(value)
    if found.value != kind:
        raise OperationError(
            f"the file holds a {found.value}, but the script takes it for a {kind}",
            f'say data_type="{found.value}", since its name is not known before the script runs',
        )
    return value


def _bind_operator(op: Op, given: Sequence[Any], names: Sequence[str | None]) -> list[Any]:
    slots = op.bind(list(names))
    values = [given[slot] if slot is not None else op.params[at].default for at, slot in enumerate(slots)]
    return [convert_argument(op.param(at), value) for at, value in enumerate(values)]
