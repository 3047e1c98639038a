"""Nodes of the dataflow graph: immutable and interned, so that equal nodes are one object.

Common subexpressions therefore merge by construction, and tables beside the graph are plain dictionaries. Sizes are
computed when a node is built; a wrong one fails there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final
from weakref import WeakValueDictionary

from gramian.errors import OperationError, SizeError
from gramian.ir.estimate import estimated_sparsity
from gramian.ir.extent import INDEX, with_extent
from gramian.ir.op import REGISTRY, Effect, Op, Param, Trait
from gramian.ir.scalar import as_double_argument, as_int_argument, truth
from gramian.ir.types import MISSING, Kind, Known, ScalarValue, Type, type_of


class Node:
    """An operator applied to nodes. `attrs` are what is not a value: a variable's name, a literal, an order number."""

    __slots__ = ("__weakref__", "args", "attrs", "op", "type")

    op: Final[Op]  # type: ignore[misc]
    args: Final[tuple[Node, ...]]  # type: ignore[misc]
    attrs: Final[tuple[Any, ...]]  # type: ignore[misc]
    type: Final[Type]  # type: ignore[misc]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"nodes do not change: {name}")

    def __repr__(self) -> str:
        inside = ", ".join([*map(repr, self.attrs), *map(repr, self.args)])
        return f"{self.op.name}({inside})"

    def __reduce__(self) -> Any:
        """Nodes of the same program in another process are interned there; operators are known by their names."""
        return _again, (self.op.name, self.args, self.attrs, self.type)

    @property
    def is_literal(self) -> bool:
        return self.op is LITERAL

    @property
    def is_var(self) -> bool:
        return self.op is VAR

    @property
    def name(self) -> str:
        """The name of a variable that this node reads."""
        return str(self.attrs[0])


_INTERNED: WeakValueDictionary[tuple[Any, ...], Node] = WeakValueDictionary()


def intern(op: Op, args: tuple[Node, ...], attrs: tuple[Any, ...], type: Type) -> Node:
    key = (op.name, args, attrs, type)
    node = _INTERNED.get(key)
    if node is None:
        node = object.__new__(Node)
        for field, value in zip(("op", "args", "attrs", "type"), (op, args, attrs, type), strict=True):
            object.__setattr__(node, field, value)
        _INTERNED[key] = node
    return node


def _no_kernel(*_: object) -> Any:
    raise AssertionError("this operator is handled by the compiler")


def _leaf(name: str, doc: str) -> Op:
    return Op(name=name, params=(), infer=lambda *_: MISSING, kernel=_no_kernel, doc=doc, family="core", internal=True)


VAR = _leaf("var", "the value of a variable at the start of its block")
LITERAL = _leaf("literal", "a scalar constant")
ABSENT = _leaf("absent", "an optional argument that was not given")
OUTPUT = _leaf("output", "one of the results of an operator or function with several")
CALL = Op(
    name="call",
    params=(),
    infer=lambda *_: MISSING,
    kernel=_no_kernel,
    doc="a call of a function of the program",
    family="core",
    effect=Effect.ORDERED,
    internal=True,
)


# Operators of the compiler's own, which are not in the registry.
CORE = {op.name: op for op in (VAR, LITERAL, ABSENT, OUTPUT, CALL)}


def op_named(name: str) -> Op:
    return CORE.get(name) or REGISTRY[name]


def _again(name: str, args: tuple[Node, ...], attrs: tuple[Any, ...], type: Type) -> Node:
    return intern(op_named(name), args, attrs, type)


def var(name: str, type: Type) -> Node:
    return intern(VAR, (), (name,), type)


def literal(value: ScalarValue) -> Node:
    return intern(LITERAL, (), (Known(value),), type_of(value))


def absent() -> Node:
    return intern(ABSENT, (), (), MISSING)


def output(node: Node, index: int) -> Node:
    """Result number `index` (from 0) of a node with several results."""
    return intern(OUTPUT, (node,), (index,), node.type.items[index])


def call(function: str, args: tuple[Node, ...], order: int, result: Type) -> Node:
    """A call of a function of the program. `order` keeps it apart from equal calls."""
    return intern(CALL, args, (function, order), result)


def literal_value(node: Node) -> ScalarValue:
    value: ScalarValue = node.attrs[0].value
    return value


def build(op: Op | str, args: Iterable[Node], attrs: tuple[Any, ...] = (), *, lenient: bool = False) -> Node:
    """The node of an operator applied to arguments, checked, with its type inferred.

    With `lenient`, sizes that do not fit are left for the run time to report: the code may never run.

    Raises:
        OperationError: an argument has a type that the operator does not accept.
        SizeError: the sizes do not fit.
    """
    record = REGISTRY[op] if isinstance(op, str) else op
    args = tuple(args)
    types = [a.type for a in args]
    check_arguments(record, types)
    try:
        result = record.infer(*types)
    except SizeError:
        if not lenient:
            raise
        result = record.infer(*(t.without_size() for t in types))
    if result.is_scalar and record.effect is Effect.PURE and not result.known:
        result = known_result(record, types, result)
    if record.name == INDEX and None in (result.rows, result.cols):
        result = with_extent(args, result)
    if result.is_matrix and result.sparsity is None:
        share = estimated_sparsity(record, types, result)
        result = result if share is None else replace(result, sparsity=share)
    return intern(record, args, attrs, result)


def known_result(op: Op, types: list[Type], result: Type) -> Type:
    """The result type with its value, if all arguments are known scalars; what fails is left to fail at run time."""
    if not types or not all(t.known for t in types if t.kind is not Kind.MISSING):
        return result
    try:
        return type_of(op.kernel(*(convert_argument(op.param(at), t.value) for at, t in enumerate(types))))
    except OperationError:
        return result


def convert_argument(param: Param, value: Any) -> Any:
    """An argument as the kernel takes it: a parameter that accepts one scalar form only gets that form."""
    if value is None or not isinstance(value, bool | int | float | str):
        return value
    match param.scalar_form:
        case "int":
            return as_int_argument(value)
        case "double":
            return as_double_argument(value)
        case "boolean":
            return truth(value)
    return value


def check_arguments(op: Op, types: list[Type]) -> None:
    for position, type in enumerate(types):
        param = op.param(position)
        if not param.accepts_type(type):
            raise OperationError(
                f"argument '{param.name}' of {describe_op(op)} must be {accepted_text(param.accepts)}, "
                f"found {type.describe()}"
            )


def describe_op(op: Op) -> str:
    return f"{op.name}()" if op.name[0].isalpha() else f"operator {op.name}"


_WORDS = {
    "int": "a number",
    "double": "a number",
    "number": "a number",
    "boolean": "a boolean",
    "string": "a string",
    "scalar": "a scalar",
    "matrix": "a matrix",
    "frame": "a frame",
    "list": "a list",
}


def accepted_text(accepts: frozenset[str]) -> str:
    words = list(dict.fromkeys(_WORDS[a] for a in _WORDS if a in accepts))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def rebuild(node: Node, args: tuple[Node, ...], *, lenient: bool = True) -> Node:
    """The same operator on other arguments; types follow."""
    if node.op is OUTPUT:
        return output(args[0], node.attrs[0])
    if not node.op.params or node.op.has(Trait.EXTERNAL):  # calls and pipelines say themselves what they give
        return intern(node.op, args, node.attrs, node.type)
    try:
        return build(node.op, args, node.attrs, lenient=lenient)
    except OperationError:
        if not lenient:
            raise
        # What is certainly wrong stays as it is: it fails if it is run.
        return intern(node.op, args, node.attrs, node.type)


def transform(root: Node, leave: Callable[[Node], Node], memo: dict[Node, Node], *, lenient: bool = True) -> Node:
    """Rebuild a graph from the leaves up. `leave` maps each node whose arguments are already transformed.

    Iterative, since plans of long scripts are deep.

    Raises:
        OperationError: types or sizes do not fit any more, unless `lenient`; `memo` holds what was done before.
    """
    stack = [root]
    while stack:
        node = stack[-1]
        if node in memo:
            stack.pop()
            continue
        todo = [a for a in node.args if a not in memo]
        if todo:
            stack.extend(todo)
            continue
        stack.pop()
        args = tuple(memo[a] for a in node.args)
        memo[node] = leave(node if args == node.args else rebuild(node, args, lenient=lenient))
    return memo[root]


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Every node below the roots once, arguments before their users."""
    done: set[Node] = set()
    for root in roots:
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready:
                done.add(node)
                yield node
                continue
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if a not in done)
