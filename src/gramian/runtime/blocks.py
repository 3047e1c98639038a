"""The Python source of one block: its nodes in the order of its statements, shared nodes in temporaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gramian.ir.fused import FUSED, pipeline_of
from gramian.ir.node import ABSENT, CALL, OUTPUT, Node, literal_value, walk
from gramian.ir.op import Effect, Op, Trait
from gramian.ir.program import Assign, Block, Do, Item
from gramian.ir.scalar import INT_MAX, INT_MIN
from gramian.ir.types import BOOLEAN, DOUBLE, INT, NUMBER, STRING
from gramian.runtime.release import is_large

if TYPE_CHECKING:
    from gramian.runtime.codegen import FunctionWriter

RETAINING = ("list", "append", "listAssign")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
PLAIN = (BOOLEAN, INT, DOUBLE, NUMBER)

# Python's own parser limits how deep expressions may nest; every so many levels a value goes into a temporary.
DEPTH = 40


@dataclass(frozen=True, slots=True)
class Origin:
    """What a generated line comes from: its item and node, the nodes of expressions in it, and the names of others."""

    item: Item
    node: Node | None
    parts: Mapping[str, Node]
    names: Mapping[Node, str]


def is_update(node: Node) -> bool:
    """Does the node write into a region of a matrix?"""
    return node.op.name == "leftIndex" and node.type.is_matrix


def template_of(node: Node) -> str | None:
    """Python's own expression for an operator on these scalars, if there is one."""
    if node.op.scalar is None or not all(a.type.is_scalar for a in node.args):
        return None
    return node.op.scalar(*(a.type for a in node.args))


def is_inline(root: Node) -> bool:
    """Can the node be written as one Python expression, without temporaries?"""
    below = list(walk([root]))
    counts = Counter(arg for node in below for arg in node.args)
    return len(below) < DEPTH and all(_is_leaf(n) or (_is_expression(n) and counts[n] <= 1) for n in below)


def _is_leaf(node: Node) -> bool:
    return node.is_literal or node.is_var or node.op is ABSENT


def _is_expression(node: Node) -> bool:
    if not node.type.is_scalar or node.op.effect is not Effect.PURE or node.op is OUTPUT:
        return False
    template = template_of(node) or ""
    return all(_is_leaf(arg) or template.count(f"{{{at}}}") < 2 for at, arg in enumerate(node.args))


def _is_expression_for(node: Node, uses: Mapping[Node, int]) -> bool:
    """Is the node best written where it is used? Not if that keeps a large matrix waiting that is needed nowhere else."""
    if not node.type.is_scalar or uses[node] != 1 or node.op.effect is not Effect.PURE or node.op is OUTPUT:
        return False
    return not any(is_large(arg.type) and uses[arg] == 1 and not _is_leaf(arg) for arg in node.args)


def memory_root(node: Node) -> Node:
    """The node whose memory this one may share."""
    while node.op.has(Trait.SHARES) and node.args and not node.args[0].type.is_scalar:
        node = node.args[0]
    return node


def overflows(node: Node) -> bool:
    """May Python's arithmetic on the node's operands leave the range of 64 bits?"""
    return (
        node.op.has(Trait.OVERFLOWS)
        and node.type.is_scalar
        and node.type.value_type in (INT, NUMBER)
        and template_of(node) is not None
    )


class BlockWriter:
    """Writes the lines of a block, or of a test or loop bounds, into a function."""

    def __init__(self, parent: FunctionWriter, item: Item, roots: Iterable[Node]) -> None:
        self.parent = parent
        self.item = item
        self.spans = item.spans
        self.parts: dict[str, Node] = {}  # the expressions that go into the next line
        roots = list(roots)
        self.uses: Counter[Node] = Counter(roots)  # consumers that are still to be written
        self.names: dict[Node, str] = {}  # what holds a node that was written
        self.in_variable: dict[str, set[Node]] = {}  # the nodes that live in a variable
        self.temporaries: list[str] = []
        self.holders: dict[Node, set[str]] = {}  # the variables that hold the memory of a node
        self.sharers: dict[Node, list[Node]] = {}  # the nodes that see the memory of a node
        self.retained: set[Node] = set()  # nodes whose memory a list or call may keep
        self.deep: set[Node] = set()
        heights: dict[Node, int] = {}
        for node in walk(roots):
            self.uses.update(node.args)
            if node.is_var:
                self.names[node] = f"v_{node.name}"
                self.in_variable.setdefault(f"v_{node.name}", set()).add(node)
                parent.releases.note(f"v_{node.name}", node.type)
            if node.type.is_matrix and parent.updated:
                self.sharers.setdefault(memory_root(node), []).append(node)
            heights[node] = 1 + max((heights[a] for a in node.args), default=0)
            if heights[node] % DEPTH == 0:
                self.deep.add(node)

    @classmethod
    def write(cls, parent: FunctionWriter, block: Block) -> None:
        writer = cls(parent, block, block.roots)
        start = len(parent.out.lines)
        for statement in block.statements:
            parent.span = statement.span
            writer.prepare(statement.value)
            if isinstance(statement, Assign):
                writer.assign(statement)
            else:
                writer.effect(statement)
        parent.releases.in_block(start, block)
        writer.close()

    def close(self) -> None:
        """The temporaries may be used again by later blocks."""
        self.parent.free += self.temporaries
        self.parent.releases.forget(self.temporaries)

    def released(self, text: str) -> str:
        """The text of an expression for a line that the parent writes, where the temporaries hold nothing large any more."""
        large = [name for name in self.temporaries if name in self.parent.releases.large]
        if large:
            found = self.temporary()
            self.parent.line(f"{found} = {text}")
            self.parent.line(" = ".join([*large, "None"]))
            text = found
        self.close()
        return text

    def prepare(self, root: Node) -> None:
        """Write the deep inner nodes of a deep graph first, so that neither Python nor this writer recurses too far."""
        if self.deep:
            for node in walk([root]):
                if node in self.deep and node is not root and node not in self.names and node.op is not OUTPUT:
                    self.emit(node)

    def line(self, text: str, node: Node | None = None) -> None:
        outer = self.parent.span
        if node is not None:
            self.parent.span = self.spans.get(node, outer)
        self.parent.origin = self.origin(text, node)
        self.parent.line(text)
        self.parent.span = outer

    def origin(self, text: str, node: Node | None) -> Origin:
        """Where a line comes from. Expressions that are not part of it wait for a later one."""
        parts = {part: self.parts.pop(part) for part in list(self.parts) if part in text}
        return Origin(self.item, node, parts, self.names)

    def temporary(self) -> str:
        name = self.parent.temporary()
        self.temporaries.append(name)
        return name

    # -- statements -------------------------------------------------------------------------------------------------

    def effect(self, statement: Do) -> None:
        node = statement.value
        self.uses[node] -= 1
        if node in self.names:
            return
        if self.uses[node] > 0:
            self.emit(node)
        else:
            self.line(self.expression(node), node)

    def assign(self, statement: Assign) -> None:
        target, node = statement.target, statement.value
        name = f"v_{target}"
        if is_update(node) and node not in self.names and self.names.get(node.args[0]) == name:
            self.update(target, node)
            return
        fresh = node not in self.names and not _is_leaf(node)
        text = self.expression(node) if fresh else self.value(node)
        self.uses[node] -= 1
        self.bind(target, node, text)
        if fresh and overflows(node):
            self.check_overflow(name, node)

    def bind(self, target: str, node: Node, text: str) -> None:
        name = f"v_{target}"
        if text != name:
            self.vacate(name)
            self.line(f"{name} = {text}", node)
            self.parent.releases.note(name, node.type)
        self.hold(target, node)
        if node not in self.names and not _is_leaf(node):
            self.names[node] = name
            self.in_variable.setdefault(name, set()).add(node)

    def vacate(self, name: str) -> None:
        """The variable gets a new value: nodes that live in it and are still needed move to a temporary."""
        needed = [n for n in self.in_variable.pop(name, ()) if self.names.pop(n) and self.uses[n] > 0]
        if needed:
            temp = self.temporary()
            self.line(f"{temp} = {name}")
            self.parent.releases.note(temp, needed[0].type)
            self.names.update(dict.fromkeys(needed, temp))

    def check_overflow(self, name: str, node: Node) -> None:
        test = f"not {INT_MIN} <= {name} <= {INT_MAX}"
        if node.type.value_type is not INT:
            test = f"{name}.__class__ is int and {test}"
        with self.parent.indented(f"if {test}:"):
            self.line(f"check_int({name})", node)

    # -- left indexing, and who holds which memory ------------------------------------------------------------------

    def update(self, target: str, node: Node) -> None:
        """`target[...] = value`, in the matrix itself if no later node needs the old cells."""
        base, value, *bounds = node.args
        name = f"v_{target}"
        stored = self.operand(value)
        positions = [self.operand(bound) for bound in bounds]
        self.uses[base] -= 1
        self.uses[node] -= 1
        root = memory_root(base)
        if any(self.uses[n] > 0 for n in self.sharers[root]):
            text = f"{self.kernel(node.op)}({name}, {stored}, {', '.join(positions)})"
            self.bind(target, node, text)
            return
        with self.parent.indented(f"if not o_{target}:"):
            self.line(f"{name} = writable({name})")
            self.line(f"o_{target} = True")
        self.store(name, node, stored, positions)
        for known in self.in_variable.pop(name, ()):
            del self.names[known]
        self.names[node] = name
        self.in_variable[name] = {node}
        for held in self.holders.values():
            held.discard(target)
        self.holders[memory_root(node)] = {target}

    def store(self, name: str, node: Node, value: str, positions: list[str]) -> None:
        _, stored, row, row_end, column, column_end = node.args
        single = row_end.op is ABSENT and column_end.op is ABSENT and row.op is not ABSENT and column.op is not ABSENT
        ints = row.type.value_type is INT and column.type.value_type is INT
        if not (single and ints and stored.type.is_scalar and stored.type.value_type in PLAIN):
            self.line(f"store({name}, {value}, {', '.join(positions)})", node)
            return
        i, j = self.atom(positions[0]), self.atom(positions[2])
        with self.parent.indented(f"if 0 < {i} <= {name}.shape[0] and 0 < {j} <= {name}.shape[1]:"):
            self.line(f"{name}[{i} - 1, {j} - 1] = {value}", node)
        with self.parent.indented("else:"):
            self.line(f"raise out_of_range({name}.shape, {i}, {j})", node)

    def _holders(self, root: Node) -> set[str]:
        return self.holders.setdefault(root, {root.name} if root.is_var else set())

    def hold(self, target: str, node: Node) -> None:
        """`target` now holds the node's memory; it owns it if it is new and nobody else holds it."""
        if not self.parent.updated:
            return
        for held in self.holders.values():
            held.discard(target)
        if not node.type.is_matrix:
            return
        root = memory_root(node)
        holders = self._holders(root)
        holders.discard(target)
        self.disown(holders)
        # What comes out of calls, eval() included, may be held by others.
        new = not root.is_var and root.op.effect is not Effect.ORDERED
        new = new and (root.op is not OUTPUT or root.args[0].op is FUSED)
        owned = not holders and root.type.is_matrix and new
        holders.add(target)
        if target in self.parent.updated:
            owned = owned and root not in self.retained
            # Sparse matrices become dense at the first write, so they count as not owned.
            self.line(f"o_{target} = {f'v_{target}.__class__ is ndarray' if owned else False}")

    def retain(self, node: Node) -> None:
        """An operator such as list() keeps the memory of its arguments."""
        if self.parent.updated:
            for arg in node.args:
                if arg.type.is_matrix:
                    self.retained.add(memory_root(arg))
                    self.disown(self._holders(memory_root(arg)))

    def disown(self, holders: set[str]) -> None:
        for holder in sorted(holders & self.parent.updated):
            self.line(f"o_{holder} = False")

    # -- expressions ------------------------------------------------------------------------------------------------

    def truth(self, node: Node) -> str:
        text = self.operand(node)
        return text if node.type.value_type in PLAIN else f"truth({text})"

    def operand(self, node: Node, *, check: bool = True) -> str:
        """The node as a Python expression, for one consumer; what it needs is written before."""
        written = node in self.names
        text = self.value(node)
        self.uses[node] -= 1
        if check and not written and node not in self.names and overflows(node):
            text = f"{'check_int' if node.type.value_type is INT else 'check_number'}({text})"
            self.parts[text] = node
        return text

    def value(self, node: Node) -> str:
        if node in self.names:
            return self.names[node]
        if node.is_literal:
            return literal_text(node)
        if node.op is ABSENT:
            return "None"
        if _is_expression_for(node, self.uses):
            text = self.expression(node)
            return f"({text})" if template_of(node) else text
        self.emit(node)
        return self.names[node]

    def emit(self, node: Node) -> None:
        """Write the node as a line of its own, into a temporary."""
        if node.op is OUTPUT and len(node.args[0].type.items) == 1:
            self.names[node] = self.operand(node.args[0])
            return
        text = self.expression(node)
        temp = self.temporary()
        self.line(f"{temp} = {text}", node)
        self.parent.releases.note(temp, node.type)
        if overflows(node):
            self.check_overflow(temp, node)
        self.names[node] = temp

    def expression(self, node: Node) -> str:
        """The node's own operator applied to its operands."""
        text = self.application(node)
        self.parts[text] = node
        return text

    def application(self, node: Node) -> str:
        """The text of `expression`, for its use alone."""
        if node.op is OUTPUT:
            several = len(node.args[0].type.items) > 1
            return self.operand(node.args[0]) + (f"[{node.attrs[0]}]" if several else "")
        if node.op is CALL:
            operands = ", ".join([self.operand(arg) for arg in node.args])
            if not all(t.is_scalar for t in node.type.items):
                self.retain(node)
            return f"f_{node.attrs[0]}({operands})"
        if node.op is FUSED:
            return f"{self.pipeline(node)}({', '.join([self.operand(arg) for arg in node.args])})"
        if node.op.name == "exists":
            return f"('v_{node.attrs[0]}' in locals())"
        template = template_of(node)
        if template is not None:
            return self.from_template(node, template)
        args = [self.argument(node, at, arg) for at, arg in enumerate(node.args)]
        if node.op.name in RETAINING or node.op.functions:
            self.retain(node)
        if node.op.name == "list":
            return f"ListValue(({''.join(a + ', ' for a in args)}), {node.attrs[0]!r})"
        if node.op.functions:
            return f"{node.op.name}_function({', '.join(args)})"
        call = f"{self.kernel(node.op)}({', '.join(args)})"
        return f"expect({node.type.kind.value!r}, {call})" if node.op.has(Trait.EXTERNAL) else call

    def from_template(self, node: Node, template: str) -> str:
        # Sums and products are exact in Python: only what leaves a chain of them is checked for overflow.
        joins_text = any(arg.type.value_type is STRING for arg in node.args)
        exact = overflows(node) or (node.op.name in COMPARISONS and not joins_text)
        args = []
        for at, arg in enumerate(node.args):
            text = self.operand(arg, check=not exact)
            args.append(self.atom(text) if template.count(f"{{{at}}}") > 1 and not arg.is_literal else text)
        return template.format(*args)

    def atom(self, text: str) -> str:
        """A name or number with that value, for a place that needs it twice."""
        if text.isidentifier() or text.isdecimal():
            return text
        temp = self.temporary()
        self.line(f"{temp} = {text}")
        return temp

    def argument(self, node: Node, at: int, arg: Node) -> str:
        """An argument of a kernel, converted to the one scalar form that its parameter takes."""
        text = self.operand(arg)
        if not arg.type.is_scalar or not node.op.params:
            return text
        form = node.op.param(at).scalar_form
        if form == "int" and arg.type.value_type is not INT:
            return f"as_int_argument({text})"
        if form == "double" and arg.type.value_type is not DOUBLE:
            return f"as_double_argument({text})"
        if form == "boolean" and arg.type.value_type is not BOOLEAN:
            return f"truth({text})"
        return text

    def pipeline(self, node: Node) -> str:
        name = f"fused_{len(self.parent.out.pipelines) + 1}"
        self.parent.out.pipelines[name] = pipeline_of(node)
        return name

    def kernel(self, op: Op) -> str:
        name = "k_" + "".join(c if c.isalnum() else f"_{_SYMBOLS.get(c, 'x')}_" for c in op.name)
        self.parent.out.kernels[name] = op
        return name


_SYMBOLS = dict(
    zip(
        "+-*/^%<>=!&|.",
        ["add", "sub", "mul", "div", "pow", "mod", "lt", "gt", "eq", "not", "and", "or", "dot"],
        strict=True,
    )
)


def literal_text(node: Node) -> str:
    value = literal_value(node)
    text = repr(value)
    if isinstance(value, float) and text.lstrip("-") in ("inf", "nan"):
        text = {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}[text]
    return f"({text})" if text.startswith("-") else text
