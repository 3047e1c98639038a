"""Where each operator of a plan will run, and why: the rule of `cost.placement`, applied line by line.

The lines are followed as they run: branches are joined, and loops gone through until nothing changes. What a variable holds
when a function starts, or when code that was compiled late does, is taken to be where a new matrix of its size would be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gramian.backends.local.choice import DENSE, DISK
from gramian.backends.spark.ways import serves
from gramian.cost.flops import FREE
from gramian.cost.memory import bytes_text, total, value_bytes
from gramian.cost.placement import CLUSTER, DRIVER, LATER, Place, Placement, beside, placement_for
from gramian.explain.model import Explanation, Operator, Section
from gramian.ir.fused import is_sink, role_of
from gramian.ir.node import CALL, Node, walk
from gramian.ir.types import Kind, Type
from gramian.settings import Settings

MAKERS = frozenset({"rand", "seq", "matrix", "read", "readMM"})
VIEWS = frozenset({"t", "as.matrix", "compress", "decompress"})  # give what they get, as it is or turned
LOOPS = ("for", "parfor", "while")
TURNS = 4  # through a loop at most: each can only make more of its variables unknown

Values = dict[str, str]  # where the values of variables are: DRIVER, CLUSTER or LATER


def add_places(explanation: Explanation, settings: Settings) -> None:
    """Say of each operator where it will run."""
    explanation.with_cluster = True
    for section in (*explanation.sections, *explanation.late):
        Places(placement_for(settings), settings.cell_bytes).section(section)


def joined(one: Values, other: Values) -> Values:
    """Where values are after one of two ways; a variable that only one of them has is where that one says."""
    names = {**one, **other}
    return {n: there if one.get(n, there) == other.get(n, there) else LATER for n, there in names.items()}


class Places:
    """Goes through the lines of a function. `values` says where its variables are at the line that has been reached."""

    def __init__(self, placement: Placement, cell: int) -> None:
        self.placement = placement
        self.cell = cell
        self.values: Values = {}
        self.results: dict[Operator, str] = {}

    # -- control flow -----------------------------------------------------------------------------------------------

    def section(self, section: Section) -> None:
        if section.role not in LOOPS:
            self.body(section)
            return
        for _ in range(TURNS):
            before = dict(self.values)
            self.body(section)
            self.values = joined(before, self.values)
            if self.values == before:
                return

    def body(self, section: Section) -> None:
        for operator in section.operators:
            self.operator(operator)
        for at, inner in enumerate(section.sections):
            if inner.role == "if":
                following = section.sections[at + 1 : at + 2]
                self.branches(inner, following if following and following[0].role == "else" else ())
            elif inner.role != "else":
                self.section(inner)

    def branches(self, first: Section, others: Sequence[Section]) -> None:
        """An `if` and perhaps its `else`: both begin with what was there before."""
        before = dict(self.values)
        self.body(first)
        after, self.values = self.values, before
        for section in others:
            self.body(section)
        self.values = joined(after, self.values)

    # -- operators --------------------------------------------------------------------------------------------------

    def operator(self, operator: Operator) -> None:
        """The place of an operator, and where its results are then."""
        there, unknown = self.operands(operator)
        if there and (operator.pipeline is not None or (operator.node is not None and is_at_home(operator.node))):
            results = operator.pipeline.results if operator.pipeline is not None else [operator]
            found = [(result, self.size(result), self.result(result)) for result in results]
            operator.place = beside(there[0], [(size, where) for r, size, where in found if may_be_there(r.types)])
            for result, _, where in found:
                self.settle(result, where)
        elif operator.pipeline is not None:
            operator.place = self.elsewhere(operator, unknown)
            for result in operator.pipeline.results:
                self.settle(result, operator.place.where if may_be_there(result.types) else DRIVER)
        else:
            operator.place, where = self.alone(operator, there, unknown)
            self.settle(operator, where if may_be_there(operator.types) else DRIVER)
        if operator.place is not None and operator.place.on_cluster and operator.kernel == DISK:
            operator.kernel = DENSE

    def alone(self, operator: Operator, there: list[str], unknown: list[str]) -> tuple[Place | None, str]:
        """The place of an operator in no pipeline that brings no operand to the cluster, and where its result is."""
        node = operator.node
        if node is None or node.is_var or is_look(node):  # another name, a list, or a look at one
            return None, CLUSTER if there and not unknown else LATER if there or unknown else DRIVER
        if node.op is CALL:
            return None, self.new(node.type)
        if not (may_be_there(operator.types) or any(may_be_there([arg.type]) for arg in node.args)):
            return None, DRIVER
        if not any(may_be_there([arg.type]) for arg in node.args):
            place = self.maker(operator, node)
        elif node.op.name in VIEWS and (there or unknown):
            place = Place(CLUSTER if there else LATER, f"a view of {(there or unknown)[0]}")
        elif there:
            place = Place(DRIVER, f"{node.op.name} needs its input on the driver: {', '.join(there)} comes there")
        else:
            place = self.elsewhere(operator, unknown)
        return place, place.where

    def maker(self, operator: Operator, node: Node) -> Place:
        """The place of a matrix that is read, or made of numbers."""
        if node.op.name not in MAKERS:
            return Place(DRIVER, f"{node.op.name} makes its result there")
        if node.op.name == "matrix" and node.type.sparsity == 0:
            return Place(DRIVER, "zeros begin there")
        return self.placement.new(self.size(operator))

    def elsewhere(self, operator: Operator, unknown: list[str]) -> Place:
        """The place of an operator of which no operand is known to be on the cluster."""
        if unknown:
            return Place(LATER, f"where {unknown[0]} is, which the run will tell")
        size = self.size(operator)
        if size is not None and size > self.placement.room:
            return Place(DRIVER, f"its operands are there; its result of {bytes_text(size)} goes to disk")
        return Place(DRIVER, "its operands are there")

    def result(self, operator: Operator) -> str:
        """Where the result of an operator on the cluster is then."""
        if not may_be_there(operator.types):
            return DRIVER
        node = operator.node
        role = role_of(node) if node is not None else None
        sums = role is not None and is_sink(role)
        rows = {arg.type.rows for arg in node.args if arg.type.is_matrix} - {1, None} if node is not None else set()
        beside = not sums and operator.types[0].rows in rows
        return self.placement.result(self.size(operator), beside=beside, added_up=sums)

    def settle(self, operator: Operator, where: str) -> None:
        self.results[operator] = where
        for name in operator.targets:
            self.values[name] = where

    # -- operands ---------------------------------------------------------------------------------------------------

    def operands(self, operator: Operator) -> tuple[list[str], list[str]]:
        """The names of the operands on the cluster, and of those of which the run will tell."""
        found: dict[str, list[str]] = {DRIVER: [], CLUSTER: [], LATER: []}
        for source in operator.inputs:
            if isinstance(source, Operator):
                found[self.results.get(source, DRIVER)].append(next(iter(source.targets), "an operand"))
            else:
                found[self.variable(source, operator)].append(source)
        return found[CLUSTER], found[LATER]

    def variable(self, name: str, user: Operator) -> str:
        """Where the value of a variable is; of one that nothing here has made, as its size says."""
        if name not in self.values:
            types = [node.type for node in walk(user.covers) if node.is_var and node.name == name]
            self.values[name] = self.new(types[0]) if types else DRIVER
        return self.values[name]

    def new(self, type: Type) -> str:
        if not may_be_there([type]):
            return DRIVER
        return self.placement.new(value_bytes(type, self.cell)).where

    def size(self, operator: Operator) -> int | None:
        """The bytes of the results of an operator."""
        return total(value_bytes(type, self.cell) for type in operator.types)


def may_be_there(types: Iterable[Type]) -> bool:
    """May values of these types be on the cluster, or in it hold something that is?"""
    return any(type.is_matrix or type.kind in (Kind.FRAME, Kind.LIST, Kind.TUPLE) for type in types)


def is_look(node: Node) -> bool:
    """Does it only look at a value, or put it into a list?"""
    return node.op.name in FREE and node.op.name != "cell"


def is_at_home(node: Node) -> bool:
    """Does an operator run where its operands are?"""
    return bool(node.args) and not is_look(node) and node.op is not CALL and node.op.name not in VIEWS and serves(node)
