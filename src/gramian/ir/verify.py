"""What holds of every program between any two passes. Tests check it after each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gramian.errors import OperationError
from gramian.ir.fused import FUSED, expand, pipeline_of, role_of
from gramian.ir.node import ABSENT, CALL, LITERAL, OUTPUT, VAR, Node, build, walk
from gramian.ir.op import Effect, Trait
from gramian.ir.program import Block, Do, For, Function, Item, Program, assigned, item_roots, items
from gramian.ir.text import plan_text
from gramian.ir.types import NUMBER, STRING, UNKNOWN, Kind, Type, ValueType


def verify(program: Program, inputs: Iterable[str] = ()) -> None:
    """Check the invariants of a program; `inputs` are variables that have a value before it starts.

    Raises:
        AssertionError: one is broken; the message shows the plan.
    """
    wrong = next(violations(program, inputs), None)
    if wrong is not None:
        raise AssertionError(f"{wrong}\n\n{_shown(program)}")


def _shown(program: Program) -> str:
    try:
        return plan_text(program)
    except Exception as error:  # the program is broken, and so may be whatever looks at it
        return f"(the plan cannot be printed: {type(error).__name__}: {error})"


def violations(program: Program, inputs: Iterable[str] = ()) -> Iterator[str]:
    """What is wrong with the program."""
    for function in program.all_functions:
        # Passes may remove assignments that are never run, not variables.
        known = {p.name for p in function.params} | set(function.assigned) | assigned(function.body)
        known |= set(inputs) if function is program.main else set()
        for item in items(function.body):
            for wrong in _item(program, item, known):
                yield f"{function.title}: {wrong}"


def _item(program: Program, item: Item, known: set[str]) -> Iterator[str]:
    for node in walk(item_roots(item)):
        if node.is_var and node.name not in known:
            yield f"variable '{node.name}' is read but never assigned"
        yield from _node(program, node)
    if isinstance(item, Block):
        yield from _block(item)
        return
    for root in item_roots(item):
        yield from _test(root, "bound" if isinstance(item, For) else "test")


def _test(root: Node, what: str) -> Iterator[str]:
    if not root.type.is_scalar or root.type.value_type is STRING:
        yield f"a {what} is {root.type.describe()}: {root}"
    for node in walk([root]):
        if node.op.effect is Effect.ORDERED:
            yield f"a {what} has an effect: {node}"


def _block(block: Block) -> Iterator[str]:
    """Effects are listed, and before what needs their results; assigned values are single values."""
    if not block.statements:
        yield "a block is empty"
    done: set[Node] = set()
    for statement in block.statements:
        root = statement.value
        if isinstance(statement, Do):
            if root.op.effect is not Effect.ORDERED:
                yield f"a statement has neither target nor effect: {root}"
            done.add(root)
        elif root.type.kind in (Kind.TUPLE, Kind.MISSING):
            yield f"'{statement.target}' is assigned no single value: {root}"
        for node in walk([root]):
            if node.op.effect is Effect.ORDERED and node not in done:
                yield f"an effect is not listed before its result is used: {node}"
    yield from _repeated(block)


def _repeated(block: Block) -> Iterator[str]:
    """Effects are listed once."""
    listed: set[Node] = set()
    for statement in block.statements:
        if isinstance(statement, Do):
            if statement.value in listed:
                yield f"an effect is listed twice: {statement.value}"
            listed.add(statement.value)


# -- nodes -------------------------------------------------------------------------------------------------------------


def _node(program: Program, node: Node) -> Iterator[str]:
    for arg in node.args:
        if arg.type.kind is Kind.TUPLE and node.op is not OUTPUT:
            yield f"several results are used as one value: {node}"
    if node.op is OUTPUT:
        yield from _output(node)
    elif node.op is CALL:
        yield from _call(program, node)
    elif node.op is FUSED:
        yield from _fused(program, node)
    elif node.op not in (VAR, LITERAL, ABSENT):
        yield from _operator(node)


def _output(node: Node) -> Iterator[str]:
    source = node.args[0].type
    if source.kind is not Kind.TUPLE or not 0 <= node.attrs[0] < len(source.items):
        yield f"there is no such result: {node}"
    elif not compatible(node.type, source.items[node.attrs[0]]):
        yield f"a result has type {node.type}, but its call says {source.items[node.attrs[0]]}: {node}"


def _call(program: Program, node: Node) -> Iterator[str]:
    function: Function | None = program.functions.get(node.attrs[0])
    if function is None:
        yield f"function '{node.attrs[0]}' does not exist"
        return
    if len(node.args) != len(function.params):
        yield f"{function.title}() has {len(function.params)} parameters, and gets {len(node.args)}: {node}"
    for arg, param in zip(node.args, function.params, strict=False):
        if arg.type.kind is not param.type.kind:
            yield f"parameter '{param.name}' of {function.title}() gets {arg.type.describe()}"
    if node.type.kind is not Kind.TUPLE or len(node.type.items) != len(function.outputs):
        yield f"a call of {function.title}() has type {node.type}: {node}"


def _fused(program: Program, node: Node) -> Iterator[str]:
    """Results have the types that their expressions have, and these are no pipelines again."""
    for type, root in zip(node.type.items, expand(node), strict=True):
        if not compatible(type, root.type):
            yield f"a result of a pipeline has type {type}, but is {root.type}: {root}"
    for inner in pipeline_of(node).nodes:
        if role_of(inner) is None:
            yield f"this cannot be part of a pipeline: {inner}"
        yield from _node(program, inner)


def _operator(node: Node) -> Iterator[str]:
    if node.op.has(Trait.EXTERNAL):
        return
    try:
        found = build(node.op, node.args, node.attrs, lenient=True).type
    except OperationError:
        return  # certainly wrong code stays as it is until it fails
    if not compatible(node.type, found):
        yield f"a node has type {node.type}, but {found} follows from its arguments: {node}"


def compatible(a: Type, b: Type) -> bool:
    """Can one value be of both types?"""
    return (
        a.kind is b.kind
        and _value_types(a.value_type, b.value_type)
        and all(x is None or y is None or x == y for x, y in ((a.rows, b.rows), (a.cols, b.cols), (a.known, b.known)))
        and (a.kind is Kind.LIST or len(a.items) == len(b.items))
        and all(map(compatible, a.items, b.items))
    )


def _value_types(a: ValueType, b: ValueType) -> bool:
    if a is b or UNKNOWN in (a, b):
        return True
    return NUMBER in (a, b) and {a, b} <= {NUMBER, ValueType.INT, ValueType.DOUBLE}
