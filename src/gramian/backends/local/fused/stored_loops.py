"""The source of compiled loops over the stored cells of a sparse matrix.

Row by row, *sweeps* run through the stored cells of the driver: a sum over a row is complete after one sweep, and what
needs it comes in the next. What one sweep leaves for a later one is computed again there, since all of it is in registers
or the first-level cache. Other sparse matrices are spread into a row of all columns beforehand, so that their cells can be
looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gramian.backends.local.fused.loops import number_text
from gramian.backends.local.fused.templates import template
from gramian.ir.fused import Role, inputs_of, role_of
from gramian.ir.node import ABSENT, Node
from gramian.ir.stored import OVER_ALL, OVER_ROWS, Cells, leaf_cells


@dataclass(frozen=True)
class StoredLoops:
    """A function of a chunk of rows of the driver.

    Its parameters are the number of rows, `indptr`, `indices` and `data` of the driver, the same of the other sparse
    matrices `spread`, then arrays for `columns`, `panels` (matrices with as many rows), `wholes`, `outs` and `partials`, and
    numbers for `scalars`. Partial results of `t(A) %*% B` have a row for each column of the sparse operand. What
    would not be finite times a zero that is not stored makes the last parameter, `bad`, NaN.
    """

    source: str
    driver: Node
    spread: tuple[Node, ...]
    panels: tuple[Node, ...]
    wholes: tuple[Node, ...]
    outs: tuple[Node, ...]
    partials: tuple[Node, ...]
    scalars: tuple[Node, ...]

    @property
    def dense(self) -> tuple[Node, ...]:
        return (*self.panels, *self.wholes)


class StoredWriter:
    """Writes the function for the nodes of a pipeline; `cells` says which cells of them are computed."""

    def __init__(self, nodes: Sequence[Node], roots: Sequence[Node], cells: dict[Node, Cells], driver: Node) -> None:
        self.nodes, self.cells, self.driver = list(nodes), cells, driver
        self.inside = set(nodes)
        self.spread: list[Node] = []
        self.panels: list[Node] = []
        self.wholes: list[Node] = []
        self.scalars: list[Node] = []
        self.partials = [n for n in nodes if role_of(n) in (Role.CROSS, Role.COMBINED)]
        self.outs = [n for n in roots if n not in self.partials and not n.is_var]
        self.names: dict[Node, str] = {driver: "d"}
        rows = driver.type.rows
        for node in self.nodes:
            for arg in inputs_of(node):
                if arg in self.inside or arg is driver:
                    continue
                group = self._group(arg, rows)
                if arg not in group:
                    group.append(arg)
        for prefix, group in (("e", self.spread), ("p", self.panels), ("w", self.wholes), ("s", self.scalars)):
            self.names |= {node: f"{prefix}{at}" for at, node in enumerate(group)}
        self.names |= {node: f"a{at}" for at, node in enumerate(self.partials)}
        self.names |= {node: f"t{at}" for at, node in enumerate(n for n in nodes if n not in self.names)}
        self.out_names = {node: f"o{at}" for at, node in enumerate(self.outs)}
        self.sweep_of: dict[Node, int] = {}
        for node in self.nodes:
            self.sweep_of[node] = max((self._after(a) for a in inputs_of(node) if a in self.inside), default=0)

    def _group(self, node: Node, rows: int | None) -> list[Node]:
        if node.type.is_scalar or node.type.shape == (1, 1):
            return self.scalars
        if leaf_cells(node) is Cells.STORED:
            return self.spread
        return self.panels if node.type.rows == rows else self.wholes

    def _after(self, arg: Node) -> int:
        """The first sweep that can use an operand: what is summed over a row is there in the next one."""
        is_summed = role_of(arg) in (Role.ROWS, Role.PRODUCT) and self.cells[arg] is Cells.COLUMN
        return self.sweep_of[arg] + is_summed

    def write(self) -> StoredLoops:
        params = ["rows", "d_indptr", "d_indices", "d_data"]
        for node in self.spread:
            params += [f"{self.names[node]}_{part}" for part in ("indptr", "indices", "data")]
        params += [self.names[n] for n in (*self.panels, *self.wholes)]
        params += [*self.out_names.values(), *(self.names[n] for n in (*self.partials, *self.scalars))]
        lines = [f"def kernel({', '.join(params)}, bad):"]
        lines += [f"    {self.names[n]} = np.zeros({n.type.cols})" for n in self.spread]
        lines.append("    for r in range(rows):")
        lines += [f"        {text}" for text in self._row()]
        return StoredLoops(
            "\n".join(lines) + "\n",
            self.driver,
            tuple(self.spread),
            tuple(self.panels),
            tuple(self.wholes),
            tuple(self.outs),
            tuple(self.partials),
            tuple(self.scalars),
        )

    def _row(self) -> list[str]:
        lines = ["begin, end = d_indptr[r] - d_indptr[0], d_indptr[r + 1] - d_indptr[0]"]
        for node in self.spread:
            lines += self._spread(self.names[node], "{0}_data[q]")
        for at in sorted(set(self.sweep_of.values())):
            lines += Sweep(self, [n for n in self.nodes if self.sweep_of[n] == at]).lines()
        for node in self.spread:
            lines += self._spread(self.names[node], "0.0")
        return lines

    def _spread(self, name: str, value: str) -> list[str]:
        head = f"for q in range({name}_indptr[r] - {name}_indptr[0], {name}_indptr[r + 1] - {name}_indptr[0]):"
        return [head, f"    {name}[{name}_indices[q]] = {value.format(name)}"]


@dataclass
class Sweep:
    """One run through the stored cells of a row."""

    writer: StoredWriter
    nodes: list[Node]
    before: list[str] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    made: dict[Node, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        for node in self.nodes:
            self.node(node)
        loop = ["for p in range(begin, end):", "    j = d_indices[p]"] if self.inner else []
        return [*self.before, *loop, *(f"    {text}" for text in self.inner), *self.after]

    # -- operands ---------------------------------------------------------------------------------------------------

    def number(self, node: Node) -> str:
        """A number, or the cell of a column in this row."""
        if node.is_literal:
            return number_text(node)
        name = self.writer.names[node]
        if node in self.writer.scalars:
            return name
        return name if node in self.writer.inside else f"{name}[r]"

    def cell(self, node: Node) -> str:
        """The cell of an operand at the stored cell that the loop is at."""
        w = self.writer
        if node.is_literal or node in w.scalars or (w.cells.get(node) or leaf_cells(node)) is Cells.COLUMN:
            return self.number(node)
        if node in self.made:
            return self.made[node]
        if node in w.inside:
            return self.compute(node)
        if node is w.driver:
            text = "d_data[p]"
        elif node in w.spread:
            text = f"{w.names[node]}[j]"
        elif node in w.panels:
            text = f"{w.names[node]}[r, j]"
        else:
            text = f"{w.names[node]}[j]"
        return self.keep(node, text)

    def keep(self, node: Node, text: str) -> str:
        name = self.made[node] = f"y{len(self.made)}_"
        self.inner.append(f"{name} = {text}")
        return name

    def compute(self, node: Node) -> str:
        """A cell of a stored or sampled matrix."""
        if role_of(node) is Role.PRODUCT:
            left, right = (self.writer.names[a] for a in node.args)
            name = self.keep(node, "0.0")
            self.inner.append(f"for q in range({extent(node.args[0])}):")
            self.inner.append(f"    {name} = rfma({name}, {left}[r, q], {right}[j, q])")
            return name
        args = ["" if a.op is ABSENT else self.cell(a) for a in node.args]
        text = template(node)
        assert text is not None
        return self.keep(node, text.format(*args))

    # -- operators --------------------------------------------------------------------------------------------------

    def node(self, node: Node) -> None:
        w, cells = self.writer, self.writer.cells[node]
        match role_of(node):
            case Role.CELLS if cells is Cells.COLUMN:
                self.column(node)
            case Role.CELLS if node in w.outs:
                self.inner.append(f"{w.out_names[node]}[p] = {self.cell(node)}")
            case Role.ROWS:
                mean = f" / {node.args[0].type.cols}.0" if node.op.name == OVER_ROWS[1] else ""
                self.row_sum(node, f"radd({{}}, {self.cell(node.args[0])})", mean)
            case Role.PRODUCT if cells is not Cells.SAMPLED:
                self.product(node)
            case Role.CROSS:
                self.cross(node)
            case Role.COMBINED:
                self.combined(node)

    def column(self, node: Node) -> None:
        args = ["" if a.op is ABSENT else self.number(a) for a in node.args]
        text = template(node)
        assert text is not None
        self.give(node, text.format(*args), self.before)

    def give(self, node: Node, value: str, lines: list[str]) -> None:
        """Put the cell of a column where others find it."""
        lines.append(f"{self.writer.names[node]} = {value}")
        if node in self.writer.outs:
            lines.append(f"{self.writer.out_names[node]}[r] = {self.writer.names[node]}")

    def row_sum(self, node: Node, step: str, divided: str = "") -> None:
        total = f"c_{self.writer.names[node]}"
        self.before.append(f"{total} = 0.0")
        self.inner.append(f"{total} = {step.format(total)}")
        self.give(node, total + divided, self.after)

    def product(self, node: Node) -> None:
        x, whole = self.cell(node.args[0]), self.writer.names[node.args[1]]
        if node.type.cols == 1:
            self.row_sum(node, f"rfma({{}}, {x}, {whole}[j])")
            return
        name = self.writer.out_names[node]
        self.before.append(f"{name}[r, :] = 0.0")
        self.inner += [f"for q in range({extent(node)}):", f"    {name}[r, q] += {x} * {whole}[j, q]"]

    def cross(self, node: Node) -> None:
        a, b = inputs_of(node)
        w = self.writer
        stored, other = (a, b) if (w.cells.get(a) or leaf_cells(a)) is Cells.STORED else (b, a)
        x, name = self.cell(stored), w.names[node]
        if other.type.cols == 1:
            factor = self.number(other)
            if other in w.inside:
                self.before.append(f"bad[0] += {factor} * 0.0")
            self.inner.append(f"{name}[j] += {x} * {factor}")
            return
        self.inner += [f"for q in range({extent(other)}):", f"    {name}[j, q] += {x} * {w.names[other]}[r, q]"]

    def combined(self, node: Node) -> None:
        (arg,) = node.args
        name = self.writer.names[node]
        assert node.op.name in OVER_ALL
        if (self.writer.cells.get(arg) or leaf_cells(arg)) is Cells.COLUMN:
            self.before.append(f"{name}[0] += {self.number(arg)}")
        elif node.op.name == "colSums":
            self.inner.append(f"{name}[j] += {self.cell(arg)}")
        else:
            total = f"c_{name}"
            self.before.append(f"{total} = 0.0")
            self.inner.append(f"{total} = radd({total}, {self.cell(arg)})")
            self.after.append(f"{name}[0] += {total}")


def extent(node: Node) -> str:
    """The number of columns: loops of a known short length become straight code."""
    return str(node.type.cols)
