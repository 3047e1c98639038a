"""Operators over the same rows become row-panel pipelines, which read their large operands once.

>>> g = t(X) %*% (w * (X %*% v))      # one pass over X and w instead of two over X

Two operators belong together if one reads what the other makes, row by row, or if both read the same large matrix. What
is complete only after the last row, such as a column sum, ends a pass: operators have the number of the pass that they can
run in at the earliest, and only those of the same pass and the same number of rows are fused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from gramian.ir.certain import cannot_fail
from gramian.ir.fused import (
    Role,
    fuse_nodes,
    inputs_of,
    is_sink,
    panel_operands,
    panel_rows,
    role_of,
    whole_operands,
)
from gramian.ir.liveness import live_after
from gramian.ir.mapping import carry
from gramian.ir.node import ABSENT, Node, build, literal, rebuild, walk
from gramian.ir.program import (
    Assign,
    Block,
    For,
    Function,
    If,
    Item,
    Program,
    Region,
    Statement,
    While,
    item_roots,
    map_functions,
    map_regions,
)
from gramian.ir.stored import Cells, cells_of, driver, is_sparse_type
from gramian.passes.facts import Facts

SMALLEST = 1 << 16  # cells of the largest panel operand; below, single operators are as fast
SMALLEST_ALONE = 1 << 18  # the same for a single operator, where the only gain are the cores
FEWEST_ROWS = 64
LARGEST_WHOLE = 1 << 17  # cells of an operand that every panel needs: it must stay in the cache
LARGEST_PARTIAL = 1 << 20  # cells of a partial result, of which there are several
BLAS = 8  # columns of a product from which the library's own multiplication is best


def fuse(program: Program, facts: Facts) -> Program:
    return map_functions(program, _function)


def _function(function: Function) -> Function:
    live = live_after(function)

    def changed(region: Region) -> Region:
        return tuple(map_regions(_item(item, live[item]), changed) for item in region)

    return replace(function, body=changed(function.body))


def _item(item: Item, live: frozenset[str]) -> Item:
    roots = item_roots(item)
    if not any(n.type.is_matrix for root in roots for n in walk([root])):
        return item
    if isinstance(item, Block):
        item = without_dead_assignments(item, live)
        roots = item_roots(item)
    memo = fused_graph(roots)
    if all(memo[root] is root for root in roots):
        return item
    spans = carry(item.spans, memo)
    match item:
        case Block():
            return Block(tuple(replace(s, value=memo[s.value]) for s in item.statements), spans)
        case If() | While():
            return replace(item, test=memo[item.test], spans=spans)
        case For():
            step = None if item.step is None else memo[item.step]
            return replace(item, start=memo[item.start], stop=memo[item.stop], step=step, spans=spans)


def without_dead_assignments(block: Block, live: frozenset[str]) -> Block:
    """Without variables that nobody reads after the block: what only its other statements need may stay in a pipeline.

    Only those go whose computation cannot fail, since an error must come where the script has its cause.
    """
    kept: list[Statement] = []
    assigned: set[str] = set()
    for at, statement in reversed(list(enumerate(block.statements))):
        if isinstance(statement, Assign):
            dead = statement.target in assigned or statement.target not in live
            assigned.add(statement.target)
            if dead and has_sizes(statement.value):
                before = {s.value for s in block.statements[:at]}
                if all(map(cannot_fail, _beyond(before, statement.value))):
                    continue
        kept.append(statement)
    return block if len(kept) == len(block.statements) else replace(block, statements=tuple(reversed(kept)))


def _beyond(known: Set[Node], root: Node) -> Iterator[Node]:
    """The nodes below a root, itself included, as far as they are not known already."""
    stack, seen = [root], {root}
    while stack:
        node = stack.pop()
        if node not in known:
            yield node
            stack += [a for a in node.args if a not in seen]
            seen.update(node.args)


def fused_graph(roots: Sequence[Node]) -> dict[Node, Node]:
    """What stands for each node of a graph after fusion; nodes inside of pipelines are left out."""
    before: dict[Node, Node] = {}
    for node in walk(roots):
        args = tuple(before[a] for a in node.args)
        before[node] = as_sums(node if args == node.args else rebuild(node, args))
    tops = [before[root] for root in roots]
    groups = [g for g in Groups(tops, _clock(tops)).found() if is_worthwhile(g)]
    after = _replaced(tops, groups)
    return {node: after[new] for node, new in before.items() if new in after}


def _clock(tops: Sequence[Node]) -> dict[Node, int]:
    """How often the script has asked for the time before each node: what is between belongs there."""
    asked = 0
    found: dict[Node, int] = {}
    for top in tops:
        for node in walk([top]):
            found.setdefault(node, asked)
        asked += top.op.name == "time"
    return found


def as_sums(node: Node) -> Node:
    """Means and variances are sums: partial means of panels would not combine."""
    name = node.op.name
    if name in MEANS and (name != "mean" or node.args[1].op is ABSENT):
        x = node.args[0]
        count = _count(MEANS[name], x)
        return _mean(MEANS[name], x, count) if count else node
    if name in VARIANCES and not node.is_var:  # "var" is the variance, and what leaves are called
        x = node.args[0]
        count = _count(VARIANCES[name], x)
        if count and count > 1 and (x.type.cells or 0) >= SMALLEST_ALONE and not is_sparse_type(x.type):
            found = _variance(VARIANCES[name], x, count)
            return build("sqrt", (found,)) if name.lower().endswith("sds") or name == "sd" else found
    return node


MEANS = {"mean": "sum", "colMeans": "colSums"}
VARIANCES = {
    "var": "sum",
    "colVars": "colSums",
    "rowVars": "rowSums",
    "sd": "sum",
    "colSds": "colSums",
    "rowSds": "rowSums",
}


def _count(total: str, x: Node) -> int | None:
    """The number of cells in each sum; None if it is not known, or if there are none."""
    if not x.type.cells:
        return None
    return {"sum": x.type.cells, "colSums": x.type.rows, "rowSums": x.type.cols}[total]


def _mean(total: str, x: Node, count: int) -> Node:
    return build("/", (build(total, (x,)), literal(float(count))))


def _variance(total: str, x: Node, count: int) -> Node:
    """In two passes; the sum of the deviations, which rounding keeps from zero, corrects the second, as the kernels do."""
    deviations = build("-", (x, _mean(total, x, count)))
    rest = build(total, (deviations,))
    correction = build("/", (build("*", (rest, rest)), literal(float(count))))
    squares = build("-", (build(total, (build("*", (deviations, deviations)),)), correction))
    return build("/", (build("max", (squares, literal(0.0))), literal(float(count - 1))))


def _replaced(tops: Sequence[Node], groups: Sequence[Group]) -> dict[Node, Node]:
    """The graph rebuilt with a fused node for each group, operands first."""
    group_of = {node: group for group in groups for node in group.nodes}
    outside = _used_outside(tops, group_of)
    memo: dict[Node, Node] = {}
    stack = list(tops)
    while stack:
        node = stack[-1]
        group = group_of.get(node)
        operands = node.args if group is None else group.inputs
        todo = [] if node in memo else [a for a in operands if a not in memo]
        if todo:
            stack += todo
            continue
        stack.pop()
        if node in memo:
            continue
        if group is not None:
            results = [n for n in group.nodes if n in outside]
            memo |= fuse_nodes(group.nodes, results, group.rows, memo)
        else:
            args = tuple(memo[a] for a in node.args)
            memo[node] = node if args == node.args else rebuild(node, args)
    return memo


def _used_outside(tops: Sequence[Node], group_of: Mapping[Node, Group]) -> set[Node]:
    """The nodes whose values are needed by others than members of their own group."""
    found = set(tops)
    stack, seen = list(tops), set(tops)
    while stack:
        node = stack.pop()
        group = group_of.get(node)
        # Of `t(A) %*% B` a group reads A: the transpose is there only if somebody else needs it.
        args = node.args if group is None else inputs_of(node)
        found.update(a for a in args if group is None or group_of.get(a) is not group)
        stack += [a for a in args if a not in seen]
        seen.update(args)
    return found


# -- which operators belong together -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Group:
    """Operators of one pass over `rows` rows, operands first."""

    nodes: tuple[Node, ...]
    rows: int

    @property
    def inputs(self) -> list[Node]:
        found: dict[Node, None] = {}
        for node in self.nodes:
            for arg in inputs_of(node):
                if arg not in self.nodes:
                    found[arg] = None
        return list(found)


class Groups:
    """The groups of a graph."""

    def __init__(self, tops: Sequence[Node], clock: Mapping[Node, int]) -> None:
        self.clock = clock
        self.tops = set(tops)
        nodes = list(walk(tops))
        self.cells = cells_where_needed(nodes, self.tops)
        self.roles = {node: role for node in nodes if (role := self._role(node)) is not None}
        self.over_stored = {
            node
            for node in self.roles
            if self.cells.get(node) in LIMITED or any(is_sparse_type(a.type) for a in inputs_of(node))
        }
        crosses = {n for n, role in self.roles.items() if role is Role.CROSS}
        needed = self.tops.union(*(inputs_of(n) if n in crosses else n.args for n in nodes))
        self.nodes = [node for node in nodes if node in needed]
        self.rows = {node: panel_rows(node, role) or 0 for node, role in self.roles.items()}
        self.users: dict[Node, set[Node]] = {node: set() for node in self.nodes}
        for node in self.nodes:
            for arg in inputs_of(node) if node in self.roles else node.args:
                self.users[arg].add(node)
        self.passes: dict[Node, int] = {}
        for node in self.nodes:
            self.passes[node] = self._earliest(node)
        self._delay()

    def _role(self, node: Node) -> Role | None:
        return role_of(node) if node in self.cells else candidate_role(node)

    def found(self) -> list[Group]:
        leader = {node: node for node in self.roles}

        def top(node: Node) -> Node:
            while leader[node] is not node:
                node = leader[node]
            return node

        readers: dict[tuple[Node, int, int, int, bool], Node] = {}
        for node, role in self.roles.items():
            for arg in panel_operands(node, role):
                if self._joins(arg, node) and self.passes[arg] == self.passes[node]:
                    leader[top(arg)] = top(node)
                elif (arg.type.cells or 0) >= SMALLEST:
                    key = (arg, self.rows[node], self.passes[node], self.clock[node], node in self.over_stored)
                    leader[top(node)] = top(readers.setdefault(key, node))
        members: dict[Node, list[Node]] = {}
        for node in self.nodes:
            if node in leader:
                members.setdefault(top(node), []).append(node)
        return [Group(tuple(m), self.rows[m[0]]) for m in members.values() if self._is_uniform(m)]

    def _is_uniform(self, members: list[Node]) -> bool:
        """Can the members run in one pass: all over dense rows, or all over the stored cells of one matrix?"""
        if not any(is_sparse_type(a.type) for n in members for a in inputs_of(n)):
            return not any(self.cells.get(n) in LIMITED for n in members)
        if any(n not in self.cells for n in members):
            return False
        inside = set(members)
        outside = [n for n in members if n in self.tops or self.users[n] - inside]
        return driver(members, outside, self.cells) is not None and not any(
            self.cells[n] is Cells.SAMPLED for n in outside
        )

    def _joins(self, arg: Node, node: Node) -> bool:
        """Can the node read the rows of its operand as they are made?"""
        role = self.roles.get(arg)
        if role is None or is_sink(role) or self.clock[arg] != self.clock[node]:
            return False
        if (node in self.over_stored and arg not in self.cells) or (arg in self.over_stored and node not in self.cells):
            return False  # one runs through rows of cells, the other through stored cells
        if self.cells.get(arg) is Cells.DENSE:
            return False  # pipelines over stored cells only give such matrices
        return self.rows[arg] == self.rows[node]

    def _earliest(self, node: Node) -> int:
        role = self.roles.get(node)
        if role is None:
            return max((self.passes[a] + bool(a.args) for a in node.args), default=0)
        panels = panel_operands(node, role)
        after = [self.passes[a] + (bool(a.args) and not self._joins(a, node)) for a in panels]
        after += [self.passes[a] + bool(a.args) for a in whole_operands(node, role)]
        return max(after, default=0)

    def _delay(self) -> None:
        """What only later passes read is made there, so that it need not be kept."""
        latest: dict[Node, int] = {}
        for node in reversed(self.nodes):
            role = self.roles.get(node)
            if role is not None and not is_sink(role) and node not in self.tops and node in latest:
                self.passes[node] = max(self.passes[node], latest[node])
            for arg in inputs_of(node) if role is not None else node.args:
                joins = role is not None and self._joins(arg, node) and arg not in whole_operands(node, role)
                bound = self.passes[node] if joins else 0
                latest[arg] = min(latest.get(arg, bound), bound)


def candidate_role(node: Node) -> Role | None:
    """The node's role if its sizes are known and suit a pipeline."""
    role = role_of(node)
    if role is None:
        return None
    rows = panel_rows(node, role)
    if rows is None or rows < FEWEST_ROWS or (node.type.is_matrix and not node.type.cells):
        return None
    panels, whole = panel_operands(node, role), whole_operands(node, role)
    if any(not a.type.cells or a.type.rows != rows or is_sparse_type(a.type) for a in panels):
        return None
    if any(a.type.is_matrix and (not a.type.cells or a.type.cells > LARGEST_WHOLE) for a in whole):
        return None
    if any(is_sparse_type(a.type) for a in whole):
        return None
    if is_sink(role) and (node.type.cells or 1) > LARGEST_PARTIAL:
        return None
    return role


# Cells of a matrix that are computed only where a sparse matrix has stored ones.
LIMITED = (Cells.STORED, Cells.SAMPLED)


def cells_where_needed(nodes: Sequence[Node], tops: set[Node]) -> dict[Node, Cells]:
    """The nodes that pipelines over stored cells could compute, and which of their cells.

    A sampled matrix must not be needed as a whole anywhere.
    """
    users: dict[Node, list[Node]] = {}
    for node in nodes:
        for arg in inputs_of(node) if role_of(node) is not None else node.args:
            users.setdefault(arg, []).append(node)
    if not any(is_sparse_type(node.type) for node in nodes):
        return {}
    refused: set[Node] = set()
    while True:
        found: dict[Node, Cells] = {}
        for node in nodes:
            cells = cells_of(node, found) if node not in refused and has_sizes(node) else None
            if cells is not None:
                found[node] = cells
        wrong = {
            node
            for node, cells in found.items()
            if cells is Cells.SAMPLED and (node in tops or any(found.get(u) not in LIMITED for u in users[node]))
        }
        if not wrong:
            return found
        refused |= wrong


def has_sizes(node: Node) -> bool:
    """May the node be in a pipeline, with all sizes known and enough rows?"""
    role = role_of(node)
    if role is None or (panel_rows(node, role) or 0) < FEWEST_ROWS:
        return False
    operands = [a for a in inputs_of(node) if a.type.is_matrix]
    if is_sink(role) and (node.type.cells or 1) > LARGEST_PARTIAL:
        return False
    return all(a.type.cells for a in operands) and (not node.type.is_matrix or bool(node.type.cells))


def is_over_stored(group: Group) -> bool:
    return any(is_sparse_type(a.type) for n in group.nodes for a in inputs_of(n))


def is_worthwhile(group: Group) -> bool:
    """Is one pass better than the operators on their own?"""
    if is_over_stored(group):
        return len(group.nodes) > 1
    roles = {node: role_of(node) for node in group.nodes}
    largest = max(
        max([n.type.cells or 1, *(a.type.cells or 1 for a in panel_operands(n, role))])
        for n, role in roles.items()
        if role is not None
    )
    if len(group.nodes) > 1:
        return largest >= SMALLEST and not all(_is_for_blas(n) for n in group.nodes)
    return largest >= SMALLEST_ALONE and not _is_for_blas(group.nodes[0])


def _is_for_blas(node: Node) -> bool:
    """Is it a product of two matrices that are both too wide to be limited by reading them?"""
    if role_of(node) not in (Role.PRODUCT, Role.CROSS):
        return False
    a, b = node.args
    return min(a.type.rows or 0, a.type.cols or 0, b.type.cols or 0) > BLAS
