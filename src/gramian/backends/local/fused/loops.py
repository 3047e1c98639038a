"""The source of compiled loops for operators over the same rows.

The rows of a chunk are worked through in tiles that stay in the first-level cache. Inside of a tile, *sweeps* follow one
another: loops over its rows, and inside over the columns, for all operators that can share them. A sum over a row, say,
is complete only after the sweep over its columns, so that whoever needs it comes in a later sweep. What passes from one
sweep to a later one is kept in scratch memory of the size of a tile.

A sweep whose operators do not care where in a row a cell stands is *flat*: one loop over all cells of the tile. Short rows
hardly fill vector instructions, so that exp and the like get a flat sweep of their own there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from gramian.backends.local.fused.templates import (
    COLUMN_EXTREMES,
    EXTREMES,
    PLACES,
    ROWS,
    SUMMED,
    SUMS,
    TOTAL_EXTREMES,
    template,
)
from gramian.ir.fused import Role, inputs_of, panel_operands, role_of, whole_operands
from gramian.ir.node import ABSENT, Node, literal_value

LARGEST_IN_SOURCE = 4
COSTLY = ("exp", "log", "sigmoid", "tanh")
SHORT = 64  # columns of a row that is so short that costly functions are better off with all cells of a tile
SUMMED_ROWS = 1 << 13  # after so many rows sums of columns go into others, to keep rounding errors small
Place = tuple[int, int, bool]
UNROLLED = 32  # columns that are a constant in the source, so that the loop over so short rows is none
NARROW = 12  # products with at most so many columns become sums inside of the loops
NEAR = 1 << 10  # cells of a matrix that such a product reads again for every row: they stay in the first-level cache


def can_loop(node: Node) -> bool:
    """Is there a compiled loop for this operator?"""
    match role_of(node):
        case Role.CELLS:
            return template(node) is not None
        case Role.ROWS:
            return node.op.name in ROWS
        case Role.PRODUCT:
            return _is_narrow(width(inputs_of(node)[0]), width(node))
        case Role.CROSS:
            return _is_narrow(node.type.rows or 0, node.type.cols or 0)
        case Role.COMBINED:
            return True
    return False


def _is_narrow(left: int, right: int) -> bool:
    narrow = min(left, right)
    return narrow == 1 or (narrow <= NARROW and left * right <= NEAR)


@dataclass(frozen=True)
class Loops:
    """A function of a chunk.

    Its parameters are: the number of rows, the rows of a tile, then arrays for `panels`, `wholes`, `outs` and `partials`,
    and numbers for `scalars`, in that order. Columns and rows come as vectors, other matrices as they are, right sides of
    products transposed. `partials` are added to. `widths` are the columns of all that a row of a tile takes in the cache.
    """

    source: str
    panels: tuple[Node, ...]
    wholes: tuple[Node, ...]
    scalars: tuple[Node, ...]
    outs: tuple[Node, ...]
    partials: tuple[Node, ...]
    widths: tuple[int, ...]


def width(node: Node) -> int:
    return node.type.cols or 0


def loop_width(node: Node) -> int:
    """The number of columns that the loops of a node run over."""
    match role_of(node):
        case Role.CELLS:
            return width(node)
        case Role.CROSS:
            return max(width(a) for a in inputs_of(node))
    return width(node.args[0])


def wide_side(node: Node) -> Node:
    """The operand of `t(A) %*% B` whose columns the loops run along."""
    a, b = inputs_of(node)
    return a if width(a) >= width(b) else b


def narrow_side(node: Node) -> Node:
    a, b = inputs_of(node)
    return b if width(a) >= width(b) else a


def is_cells(node: Node) -> bool:
    return role_of(node) is Role.CELLS


@dataclass
class Sweep:
    """Operators that share the loops over `width` columns."""

    width: int
    nodes: list[Node] = field(default_factory=list)


class Writer:
    """Writes the function for some nodes, operands first; `kept` are those that are needed outside."""

    def __init__(self, nodes: Sequence[Node], kept: Sequence[Node]) -> None:
        self.nodes = list(nodes)
        self.inside = set(nodes)
        self.kept = set(kept)
        self.lines: list[str] = []
        self.names: dict[Node, str] = {}
        self.panels: list[Node] = []
        self.wholes: list[Node] = []
        self.whole_names: dict[Node, str] = {}  # beside `names`: a panel may be needed as a whole as well
        self.scalars: list[Node] = []
        self.partials = [n for n in self.nodes if role_of(n) in (Role.CROSS, Role.COMBINED)]
        self.outs = [n for n in self.nodes if n in self.kept and n not in self.partials]
        # Sums of columns that may have so many rows in a chunk that rounding errors would grow.
        self.long_sums = [n for n in self.partials if 1 < loop_width(n) <= SHORT and not n.type.is_scalar]
        self.long_sums = [n for n in self.long_sums if n.op.name not in COLUMN_EXTREMES]
        self._name()
        self.vectors = self._vectors()
        self.sweep_of: dict[Node, int] = {}
        for node in self.nodes:
            self.sweep_of[node] = self._sweep(node)
        self._delay()
        self.flat: set[Node] = set()  # arrays that some sweep sees as vectors
        self.stored = {n for n in self.nodes if n not in self.partials and self._is_stored(n)}

    # -- names and places -------------------------------------------------------------------------------------------

    def _name(self) -> None:
        for node in self.nodes:
            role = role_of(node) or Role.CELLS
            for arg in panel_operands(node, role):
                if arg not in self.inside and arg not in self.panels:
                    self.panels.append(arg)
            for arg in whole_operands(node, role):
                group = self.scalars if is_number(arg) else self.wholes
                if arg.op is not ABSENT and not _is_in_source(arg) and arg not in group:
                    group.append(arg)
        for prefix, group in (("p", self.panels), ("s", self.scalars)):
            self.names |= {node: f"{prefix}{at}" for at, node in enumerate(group)}
        self.whole_names = {node: f"w{at}" for at, node in enumerate(self.wholes)}
        self.names |= {node: f"a{at}" for at, node in enumerate(self.partials)}
        self.names |= {node: f"o{at}" for at, node in enumerate(self.outs)}
        inner = [n for n in self.nodes if n not in self.names]
        self.names |= {node: f"t{at}" for at, node in enumerate(inner)}

    def _vectors(self) -> set[Node]:
        """Costly functions of short rows, with the operators around them that can be in a flat sweep as well."""
        found = {n for n in self.nodes if n.op.name in COSTLY and 1 < width(n) <= SHORT and may_be_flat(n)}
        for node in self.nodes:
            if may_be_flat(node) and any(a in found for a in panel_operands(node, role_of(node) or Role.CELLS)):
                found.add(node)
        for node in reversed(self.nodes):
            users = [u for u in self.nodes if node in inputs_of(u)]
            if may_be_flat(node) and node not in self.kept and users and all(u in found for u in users):
                found.add(node)
        return found

    def place(self, node: Node) -> Place:
        """Which sweep the node is in."""
        return self.sweep_of[node], loop_width(node), node in self.vectors

    def _sweep(self, node: Node) -> int:
        return max((self._after(arg, node) for arg in inputs_of(node) if arg in self.inside), default=0)

    def _delay(self) -> None:
        """Cells that only later sweeps need are computed there, rather than kept until then."""
        for node in reversed(self.nodes):
            users = [u for u in self.nodes if node in inputs_of(u)]
            if is_cells(node) and node not in self.kept and users:
                latest = min(self.sweep_of[u] - (self._after(node, u) > self.sweep_of[node]) for u in users)
                self.sweep_of[node] = max(self.sweep_of[node], latest)

    def _after(self, arg: Node, user: Node) -> int:
        """The first sweep in which the user of a node can stand."""
        shares = is_cells(arg) and width(arg) == loop_width(user) and not _needs_rows(user, arg)
        shares = shares and (arg in self.vectors) == (user in self.vectors)
        return self.sweep_of[arg] + (not shares)

    def _is_stored(self, node: Node) -> bool:
        if node in self.kept or not is_cells(node):
            return True
        users = [u for u in self.nodes if node in inputs_of(u)]
        return any(self.place(u) != self.place(node) or _needs_rows(u, node) for u in users)

    # -- the function -----------------------------------------------------------------------------------------------

    def write(self) -> Loops:
        sweeps: dict[Place, Sweep] = {}
        for node in self.nodes:
            sweeps.setdefault(self.place(node), Sweep(loop_width(node))).nodes.append(node)
        scratch = [n for n in self.nodes if n in self.stored and n not in self.outs]
        panels, outs = ([f"{self.names[n]}_all" for n in group] for group in (self.panels, self.outs))
        params = ["rows", "tile", *panels, *self.whole_names.values(), *outs]
        params += [self.names[n] for n in (*self.partials, *self.scalars)]
        self.line(0, f"def kernel({', '.join(params)}):")
        for node in scratch:
            shape = f"(tile, {self.columns(node)})" if width(node) > 1 else "tile"
            self.line(1, f"{self.names[node]} = np.empty({shape})")
        for node in self.long_sums:
            self.line(1, f"{self.sum_name(node)} = np.zeros({self.names[node]}.shape)")
        if self.long_sums:
            self.line(1, "added = 0")
        heading, self.lines = self.lines, []
        self.line(1, "for first in range(0, rows, tile):")
        self.line(2, "count = min(tile, rows - first)")
        # Views of the tile rather than offsets: only indices that certainly count from 0 make vector instructions.
        for name in (self.names[n] for n in (*self.panels, *self.outs)):
            self.line(2, f"{name} = {name}_all[first:first + count]")
        heading += self.lines
        self.lines = []
        for place in sorted(sweeps):
            SweepWriter(self, sweeps[place]).write()
        self.write_sums()
        body, self.lines = self.lines, heading
        for name in sorted(self.names[n] for n in self.flat):
            self.line(2, f"{name}_ = {name}.reshape(-1)")
        self.lines += body
        widths = [loop_width(n) for n in self.nodes] + [width(n) for n in scratch]
        text = "\n".join(self.lines) + "\n"
        return Loops(
            text,
            tuple(self.panels),
            tuple(self.wholes),
            tuple(self.scalars),
            tuple(self.outs),
            tuple(self.partials),
            tuple(widths),
        )

    def write_sums(self) -> None:
        """The sums of some rows go into those of the chunk."""
        if self.long_sums:
            self.line(2, f"if first + count - added >= {SUMMED_ROWS} or first + count == rows:")
            for node in self.long_sums:
                self.line(3, f"add_up({self.names[node]}.reshape(-1), {self.sum_name(node)}.reshape(-1))")
            self.line(3, "added = first + count")

    def sum_name(self, node: Node) -> str:
        """The array that sums of columns are added to row by row."""
        return f"b{self.names[node]}" if node in self.long_sums else self.names[node]

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def columns(self, node: Node) -> str:
        """The number of columns of a matrix that is made here, from an array that has as many."""
        return self.extent(width(node))

    def extent(self, columns: int) -> str:
        if columns <= UNROLLED:
            return str(columns)
        for node in self.panels:
            if width(node) == columns:
                return f"{self.names[node]}_all.shape[1]"
        for node in self.wholes:
            if node.type.rows == columns:
                return f"{self.whole_names[node]}.shape[-1]"
        return str(columns)


def may_be_flat(node: Node) -> bool:
    """Is it all the same to the node in which row and column a cell stands?"""
    role = role_of(node)
    if role is not Role.CELLS and not (role is Role.COMBINED and node.type.is_scalar):
        return False
    rows = any(not is_number(a) for a in whole_operands(node, role) if a.type.is_matrix)
    return not rows and all(width(a) == loop_width(node) for a in panel_operands(node, role))


def _needs_rows(user: Node, operand: Node) -> bool:
    """Does the user need several cells of a row of the operand at once?"""
    return role_of(user) is Role.CROSS and operand is narrow_side(user) and width(operand) > 1


def _is_in_source(node: Node) -> bool:
    """Is it a constant that the compiler may make use of? Others are arguments: one function serves them all."""
    if not node.is_literal:
        return False
    value = float(literal_value(node))
    return not math.isfinite(value) or (abs(value) <= LARGEST_IN_SOURCE and (2 * value).is_integer())


def is_number(node: Node) -> bool:
    return node.type.is_scalar or (node.type.rows, node.type.cols) == (1, 1)


class SweepWriter:
    """Writes the loops of one sweep."""

    def __init__(self, writer: Writer, sweep: Sweep) -> None:
        self.w = writer
        self.nodes = sweep.nodes
        self.columns = sweep.width
        self.loaded: dict[Node, str] = {}
        self.head: list[str] = []  # lines of a tile before its rows
        self.before: list[str] = []  # lines of a row before its columns
        self.inner: list[str] = []
        self.after: list[str] = []
        self.tail: list[str] = []
        self.is_flat = False
        self.reduces_rows = False  # over the columns of a row, rather than over all cells of a tile
        self.count = 0

    def write(self) -> None:
        self.is_flat = self.columns > 1 and all(map(may_be_flat, self.nodes))
        self.reduces_rows = self.columns > 1 and not self.is_flat
        for node in self.nodes:
            self.node(node)
        line = self.w.line
        for text in self.head:
            line(2, text)
        if self.is_flat:
            line(2, f"for e in range(count * {self.w.extent(self.columns)}):")
        else:
            line(2, "for i in range(count):")
        for text in self.before:
            line(3, text)
        if self.reduces_rows:
            line(3, f"for j in range({self.w.extent(self.columns)}):")
        for text in self.inner:
            line(4 if self.reduces_rows else 3, text)
        for text in self.after:
            line(3, text)
        for text in self.tail:
            line(2, text)

    # -- operands ---------------------------------------------------------------------------------------------------

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}_"

    def place(self, node: Node) -> str:
        """Where a cell of a panel lies."""
        name = self.w.names[node]
        if self.is_flat:
            self.w.flat.add(node)
            return f"{name}_[e]"
        return f"{name}[i]" if width(node) == 1 else f"{name}[i, j]"

    def operand(self, node: Node) -> str:
        if _is_in_source(node):
            return number_text(node)
        if node in self.w.scalars:
            return self.w.names[node]
        if node in self.loaded:
            return self.loaded[node]
        name = self.loaded[node] = self.fresh("x")
        if node in self.w.wholes and node not in self.w.panels:
            self.inner.append(f"{name} = {self.w.whole_names[node]}[j]")
        elif width(node) == 1 and self.columns > 1:
            self.before.append(f"{name} = {self.place(node)}")
        else:
            self.inner.append(f"{name} = {self.place(node)}")
        return name

    # -- operators --------------------------------------------------------------------------------------------------

    def node(self, node: Node) -> None:
        match role_of(node):
            case Role.CELLS:
                self.cells(node)
            case Role.ROWS:
                self.rows(node)
            case Role.PRODUCT:
                self.product(node)
            case Role.CROSS:
                self.cross(node)
            case Role.COMBINED:
                self.combined(node)

    def cells(self, node: Node) -> None:
        name = self.fresh("y")
        args = ["" if a.op is ABSENT else self.operand(a) for a in node.args]
        text = template(node)
        assert text is not None
        self.inner.append(f"{name} = {text.format(*args)}")
        self.loaded[node] = name
        if node in self.w.stored:
            self.inner.append(f"{self.place(node)} = {name}")

    def rows(self, node: Node) -> None:
        x = self.operand(node.args[0])
        name, result = node.op.name, self.place(node)
        if name in SUMS:
            total = self.row_sum(x)
            self.after.append(f"{result} = {total}" + (f" / {self.w.extent(self.columns)}" * (name == "rowMeans")))
        elif name in EXTREMES:
            self.after.append(f"{result} = {self.row_extreme(x, *EXTREMES[name])}")
        else:
            start, compare = PLACES[name]
            best, at = self.fresh("m"), self.fresh("k")
            self.before += [f"{best} = {start}", f"{at} = 1"]
            column = "j + 1" if self.columns > 1 else "1"
            self.inner.append(f"if {x} {compare} {best}:")
            self.inner.append(f"    {best} = {x}")
            self.inner.append(f"    {at} = {column}")
            self.after.append(f"{result} = {at}")

    def reduced(self, start: str, step: str) -> tuple[str, list[str]]:
        """A variable that all cells of a tile go into, and where lines after the last cell belong."""
        name = self.fresh("c")
        self.head.append(f"{name} = {start}")
        self.inner.append(f"{name} = {step.format(name)}")
        return name, self.tail

    def row_sum(self, x: str) -> str:
        total = self.fresh("c")
        self.before.append(f"{total} = 0.0")
        self.inner.append(f"{total} = radd({total}, {x})")
        return total

    def row_extreme(self, x: str, start: str, function: str) -> str:
        """The largest or smallest cell of a row, NaN if one is."""
        best, odd = self.fresh("m"), self.fresh("c")
        self.before += [f"{best} = {start}", f"{odd} = 0.0"]
        self.inner.append(f"{best} = {function}({best}, {x})")
        self.inner.append(f"{odd} = radd({odd}, 0.0 if {x} == {x} else 1.0)")
        return f"(NAN if {odd} > 0.0 else {best})"

    def product(self, node: Node) -> None:
        x = self.operand(node.args[0])
        whole = node.args[1]
        many = width(node)
        for column in range(many):
            total = self.fresh("c")
            self.before.append(f"{total} = 0.0")
            if is_number(whole):
                factor = self.w.names[whole]
            else:
                at = [str(column)] * (many > 1) + ["j"] * (self.columns > 1)
                factor = f"{self.w.whole_names[whole]}[{', '.join(at)}]"
            self.inner.append(f"{total} = rfma({total}, {x}, {factor})")
            place = "[i]" if many == 1 else f"[i, {column}]"
            self.after.append(f"{self.w.names[node]}{place} = {total}")

    def cross(self, node: Node) -> None:
        wide, narrow = wide_side(node), narrow_side(node)
        x = self.operand(wide)
        partial = self.w.sum_name(node)
        many = width(narrow)
        if self.columns == 1:
            total, after = self.reduced("0.0", f"rfma({{}}, {x}, {self.operand(narrow)})")
            after.append(f"{partial}[0] += {total}")
            return
        if many == 1:
            self.inner.append(f"{partial}[j] += {x} * {self.operand(narrow)}")
            return
        for column in range(many):
            factor = self.fresh("x")
            self.before.append(f"{factor} = {self.w.names[narrow]}[i, {column}]")
            self.inner.append(f"{partial}[{column}, j] += {x} * {factor}")

    def combined(self, node: Node) -> None:
        x = self.operand(node.args[0])
        partial, name = self.w.sum_name(node), node.op.name
        if self.columns > 1 and name in COLUMN_EXTREMES:
            self.inner.append(f"{partial}[j] = {COLUMN_EXTREMES[name][1]}({partial}[j], {x})")
        elif self.columns > 1 and name == "colSums":
            self.inner.append(f"{partial}[j] += {x}")
        elif name in SUMMED:
            # The sum over a tile goes into the sum over the chunk: rounding errors stay small.
            total, after = self.reduced("0.0", f"radd({{}}, {x})")
            after.append(f"{partial}[0] += {total}")
        else:
            start, function, merge = TOTAL_EXTREMES[name]
            best, _ = self.reduced(start, f"{function}({{}}, {x})")
            odd, after = self.reduced("0.0", f"radd({{}}, 0.0 if {x} == {x} else 1.0)")
            after.append(f"{partial}[0] = {merge}({partial}[0], NAN if {odd} > 0.0 else {best})")


def number_text(node: Node) -> str:
    text = repr(float(literal_value(node)))
    text = {"inf": "INFINITY", "-inf": "-INFINITY", "nan": "NAN"}.get(text, text)
    return f"({text})" if text[0] == "-" else text
