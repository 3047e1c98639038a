"""How much work operators are: floating-point operations, and bytes that are read and written.

Estimates for decisions, as far as sizes are known. Matrices of known low sparsity count as the backend stores them: only
their cells that are not zero. Views, such as a transpose, are free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import log2

from gramian.cost.memory import CELL, SCALAR, is_view, value_bytes
from gramian.ir import sparse
from gramian.ir.fused import FUSED, pipeline_of
from gramian.ir.node import ABSENT, LITERAL, OUTPUT, VAR, Node
from gramian.ir.op import Trait
from gramian.ir.types import Kind, Type

STORED_CELL = 12  # bytes of a cell in a sparse matrix, with its column
HEAVY = 20  # a function such as exp(), in additions


@dataclass(frozen=True, slots=True)
class Work:
    """`bytes` are what goes through the memory if nothing of it is in a cache."""

    flops: float
    bytes: float

    @property
    def total(self) -> float:
        """Both in one figure. A byte takes as long as one operation: more in products, fewer in other operators."""
        return self.flops + self.bytes

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.bytes + other.bytes)


NO_WORK = Work(0, 0)

# What only looks at a value, whatever its size.
FREE = frozenset({"nrow", "ncol", "length", "cell", "as.scalar", "listIndex", "exists", "typeof", "colnames", "list"})


def work(node: Node) -> Work | None:
    """The work of a node, without that of its arguments; None if sizes are not known."""
    if is_free(node):
        return NO_WORK
    flops = _flops(node)
    moved = _total(traffic(n.type) for n in (node, *dict.fromkeys(node.args)))
    return None if flops is None or moved is None else Work(flops, moved)


def _total(parts: Iterable[float | None]) -> float | None:
    """The sum, which is unknown if one of the parts is."""
    found = list(parts)
    return None if None in found else sum(part for part in found if part is not None)


def is_free(node: Node) -> bool:
    return node.op in (VAR, LITERAL, ABSENT, OUTPUT) or node.op.name in FREE or is_view(node)


def is_stored_sparse(type: Type) -> bool:
    """Is a matrix of that type one that the backend stores as sparse, as far as that is known?"""
    if type.sparsity is None or type.cells is None:
        return False
    return sparse.worth(type.cells, int(type.sparsity * type.cells))


def density(type: Type) -> float:
    """The share of the cells that kernels touch."""
    return type.sparsity if is_stored_sparse(type) and type.sparsity is not None else 1.0


def touched(type: Type) -> float | None:
    """The cells of a matrix that kernels touch."""
    return None if type.cells is None else type.cells * density(type)


def traffic(type: Type) -> float | None:
    """The bytes to read or write a value once; None if that is not known, as for frames and lists."""
    if type.is_matrix:
        cells = touched(type)
        return None if cells is None else cells * (STORED_CELL if is_stored_sparse(type) else CELL)
    if type.kind is Kind.SCALAR:
        return SCALAR
    if type.kind is Kind.TUPLE:
        return _total(map(traffic, type.items))
    return value_bytes(type)


# -- flops -------------------------------------------------------------------------------------------------------------


def _flops(node: Node) -> float | None:
    rule = RULES.get(node.op.name)
    if rule is not None:
        return rule(node)
    result = node.type
    if node.op.has(Trait.CELLWISE) or (result.is_matrix and not any(a.type.is_matrix for a in node.args)):
        cells = 1.0 if result.is_scalar else touched(result)
        return (
            None if cells is None else cells * WEIGHTS.get(node.op.name, 100 if node.op.family == "distribution" else 1)
        )
    return _cells_of_arguments(node, WEIGHTS.get(node.op.name, 1))


def _cells_of_arguments(node: Node, weight: float = 1) -> float | None:
    """So much for each cell of the matrices that go in."""
    cells = _total(touched(a.type) for a in node.args if a.type.is_matrix)
    return None if cells is None else weight * cells


def product_flops(a: Type, b: Type) -> float | None:
    """The flops of `a %*% b`; of sparse matrices only the cells that are not zero take part."""
    if a.rows is None or a.cols is None or b.cols is None:
        return None
    return 2.0 * a.rows * a.cols * b.cols * density(a) * density(b)


def _product(node: Node) -> float | None:
    a, b = node.args
    flops = product_flops(a.type, b.type)
    own = (a.op.name == "t" and a.args[0] is b) or (b.op.name == "t" and b.args[0] is a)
    return flops / 2 if own and flops is not None else flops  # the result is symmetric


def _cubic(weight: float) -> Callable[[Node], float | None]:
    """Factorisations: rows * columns * the smaller of both, so often."""

    def flops(node: Node) -> float | None:
        a = node.args[0].type
        return None if a.rows is None or a.cols is None else weight * a.rows * a.cols * min(a.rows, a.cols)

    return flops


def _solve(node: Node) -> float | None:
    a, b = (arg.type for arg in node.args)
    if a.rows is None or a.cols is None or b.cols is None:
        return None
    factors = (2 / 3 if a.rows == a.cols else 2) * a.rows * a.cols * min(a.rows, a.cols)
    return factors + 2.0 * a.rows * a.cols * b.cols


def _sorted(node: Node) -> float | None:
    """Sorting rows, or cells."""
    cells = _cells_of_arguments(node)
    return None if cells is None else cells * (1 + log2(max(cells, 1)))


def _convolution(result: int | None, depth: int) -> Callable[[Node], float | None]:
    """For each cell of the argument `result` (None: of the result) as many products as the filters have columns.

    The filters are argument number `depth`, or the result itself.
    """

    def flops(node: Node) -> float | None:
        cells = (node.type if result is None else node.args[result].type).cells
        columns = (node.type if depth < 0 else node.args[depth].type).cols
        return None if cells is None or columns is None else 2.0 * cells * columns

    return flops


def _lstm(times: float) -> Callable[[Node], float | None]:
    """One product with the weights for each row and each step in time."""

    def flops(node: Node) -> float | None:
        x, w = node.args[0].type, node.args[1].type
        if x.cells is None or w.cells is None or w.rows is None or w.cols is None or w.rows <= w.cols // 4:
            return None
        steps = x.cells / (w.rows - w.cols // 4)
        return times * 2.0 * steps * w.cells

    return flops


def _fourier(node: Node) -> float | None:
    cells = _cells_of_arguments(node)
    return None if cells is None else 5 * cells * log2(max(cells, 2))


def _fused(node: Node) -> float | None:
    return _total(map(_flops, pipeline_of(node).nodes))


RULES: dict[str, Callable[[Node], float | None]] = {
    "%*%": _product,
    FUSED.name: _fused,
    "solve": _solve,
    "inv": _cubic(2),
    "cholesky": _cubic(1 / 3),
    "det": _cubic(2 / 3),
    "lu": _cubic(2 / 3),
    "qr": _cubic(4),
    "eigen": _cubic(9),
    "svd": _cubic(20),
    "sqrtMatrixJava": _cubic(30),
    **dict.fromkeys(("order", "unique", "median", "quantile", "interQuartileMean"), _sorted),
    **dict.fromkeys(("countDistinct", "rowCountDistinct", "colCountDistinct"), _sorted),
    "conv2d": _convolution(None, 1),
    "conv2d_backward_filter": _convolution(1, -1),
    "conv2d_backward_data": _convolution(1, 0),
    "lstm": _lstm(1),
    "lstm_backward": _lstm(2),
    **dict.fromkeys(("fft", "ifft", "fft_linearized", "ifft_linearized", "stft"), _fourier),
}
WEIGHTS: dict[str, float] = {
    **dict.fromkeys(("exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"), HEAVY),
    **dict.fromkeys(("^", "sigmoid", "%%", "%/%"), HEAVY),
    **dict.fromkeys(("/", "sqrt", "round", "ifelse"), 4),
    **dict.fromkeys(("var", "sd", "rowVars", "colVars", "rowSds", "colSds", "cov", "moment"), 4),
    **dict.fromkeys(("table", "aggregate", "removeEmpty", "batch_norm2d", "batch_norm2d_backward"), 10),
}
