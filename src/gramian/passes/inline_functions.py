"""Calls of straight-line functions without effects become the expressions of their bodies.

>>> sq = function(double x) return (double y) { y = x * x }
>>> a = sq(b)            # a = b * b

Small functions are inlined wherever they are called, larger ones if that makes the program not much larger: those that
are called at few places, such as the layers of a network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gramian.ir.join import is_barrier, join
from gramian.ir.node import CALL, OUTPUT, Node, output, rebuild, transform, var, walk
from gramian.ir.op import Effect
from gramian.ir.program import (
    Assign,
    Block,
    Do,
    Function,
    Item,
    Program,
    Region,
    Statement,
    calls,
    map_functions,
    map_regions,
)
from gramian.passes.facts import Facts
from gramian.source import Span

SMALL = 30  # nodes
LARGEST = 400  # nodes of all calls of a function together
DEEPEST = 4  # calls within calls


@dataclass(frozen=True)
class Body:
    """A function as expressions of its parameters: one node for each output, and the places of the nodes."""

    function: Function
    outputs: tuple[Node, ...]
    spans: Mapping[Node, Span]


def inline_functions(program: Program, facts: Facts) -> Program:
    for _ in range(DEEPEST):
        sites = Counter(n.attrs[0] for f in program.all_functions for n in calls(f))
        found = ((name, _as_expressions(program.functions[name], count)) for name, count in sites.items())
        bodies = {name: body for name, body in found if body is not None}
        if not bodies:
            break
        program = _inline(program, bodies)
    return program


def _inline(program: Program, bodies: Mapping[str, Body]) -> Program:
    return map_functions(program, lambda function: replace(function, body=_region(function.body, bodies)))


def _as_expressions(function: Function, sites: int) -> Body | None:
    blocks = [item for item in function.body if isinstance(item, Block)]
    if len(blocks) < len(function.body) or any(map(is_barrier, blocks)):
        return None
    values = {p.name: var(p.name, p.type) for p in function.params}
    spans: Mapping[Node, Span] = {}
    for block in [join(blocks)] if blocks else []:
        spans = block.spans
        for statement in block.statements:
            if isinstance(statement, Do):
                return None
            values[statement.target] = statement.value
    if not function.outputs or any(o.name not in values for o in function.outputs):
        return None
    outputs = tuple(values[o.name] for o in function.outputs)
    inside = list(walk(outputs))
    if len(inside) > max(SMALL, LARGEST // sites) or any(n.op.effect is not Effect.PURE for n in inside):
        return None
    return Body(function, outputs, spans)


def _region(region: Region, bodies: Mapping[str, Body]) -> Region:
    return tuple(map_regions(_item(item, bodies), lambda r: _region(r, bodies)) for item in region)


def _item(item: Item, bodies: Mapping[str, Body]) -> Item:
    if not isinstance(item, Block) or not any(_inlined(s.value, bodies) for s in item.statements):
        return item
    memo: dict[Node, Node] = {}
    spans = dict(item.spans)
    statements: list[Statement] = []
    for statement in item.statements:
        value = _expand(statement.value, bodies, memo, spans)
        if isinstance(statement, Assign) or not _inlined(statement.value, bodies):
            statements.append(replace(statement, value=value))
    return Block(tuple(statements), spans)


def _inlined(node: Node, bodies: Mapping[str, Body]) -> bool:
    return node.op is CALL and node.attrs[0] in bodies


def _expand(root: Node, bodies: Mapping[str, Body], memo: dict[Node, Node], spans: dict[Node, Span]) -> Node:
    for node in walk([root]):
        if node in memo:
            continue
        args = tuple(memo[a] for a in node.args)
        if node.op is OUTPUT and _inlined(node.args[0], bodies):
            call = node.args[0]
            memo[node] = _substitute(call, node.attrs[0], tuple(memo[a] for a in call.args), bodies, spans)
        elif node.op is OUTPUT:
            memo[node] = output(args[0], node.attrs[0])
        else:
            memo[node] = node if args == node.args else rebuild(node, args)
        if node in spans:
            spans.setdefault(memo[node], spans[node])
    return memo[root]


def _substitute(
    call: Node, index: int, args: tuple[Node, ...], bodies: Mapping[str, Body], spans: dict[Node, Span]
) -> Node:
    body = bodies[call.attrs[0]]
    given = {p.name: arg for p, arg in zip(body.function.params, args, strict=True)}
    inner: dict[Node, Node] = {}
    result = transform(body.outputs[index], lambda n: given[n.name] if n.is_var else n, inner)
    for old, new in inner.items():
        if old in body.spans and not old.is_var:
            spans.setdefault(new, _called(body.spans[old], body.function.title, spans[call]))
    return result


def _called(span: Span, title: str, place: Span) -> Span:
    """The span with one more call around those that it already stands in."""
    if span.caller is None:
        return replace(span, caller=(title, place))
    inner, where = span.caller
    return replace(span, caller=(inner, _called(where, title, place)))
