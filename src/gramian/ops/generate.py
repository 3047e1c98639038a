"""Functions that make matrices: constants, text, reshaping, random numbers, sequences, diagonals."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError, did_you_mean
from gramian.ir import scalar as s, sparse
from gramian.ir.op import Effect, Trait, define, missing
from gramian.ir.types import DOUBLE, INT, NUMBER, Type, matrix
from gramian.ops.rules import Matrix, Shape, shape, shape_text

LARGEST_SIZE = 2**47  # the address space of today's machines has as many bytes


def checked_size(what: str, name: str, value: int | None) -> int | None:
    """A number of rows or columns, if it is known and not negative."""
    if value is not None and value < 0:
        raise SizeError(f"argument '{name}' of {what} must not be negative, found {value}")
    if value is not None and value > LARGEST_SIZE:
        raise SizeError(f"argument '{name}' of {what} is too large for any memory: {value}")
    return value


def checked_shape(what: str, rows: int, cols: int) -> None:
    checked_size(what, "rows", rows)
    checked_size(what, "cols", cols)
    if rows * cols > LARGEST_SIZE:
        raise SizeError(f"a {rows}x{cols} matrix, as {what} would make it, is too large for any memory")


def _known_size(what: str, name: str, type: Type) -> int | None:
    return checked_size(what, name, type.int_value())


# matrix(): constants, text and reshaping


@lru_cache(maxsize=32)
def numbers_in(text: str) -> Matrix:
    """The numbers of a text, separated by white space. The array is shared: never change it."""
    words = text.split()
    try:
        numbers = np.fromiter(map(s.as_double, words), dtype=np.float64, count=len(words))
    except OperationError as error:
        hint = "separate numbers by white space" if any(c in text for c in ",;") else None
        raise OperationError(f"{error.message} in argument 'data' of matrix()", hint) from None
    numbers.setflags(write=False)
    return numbers


def _check_cells(what: str, found: int | None, rows: int | None, cols: int | None) -> None:
    if found is not None and rows is not None and cols is not None and found != rows * cols:
        raise SizeError(f"matrix() of {rows}x{cols} needs {rows * cols} cells, found {found} {what}")


def construct(data: Any, rows: int, cols: int, byrow: bool, dtype: npt.DTypeLike = np.float64) -> Matrix:
    checked_shape("matrix()", rows, cols)
    if isinstance(data, np.ndarray):
        _check_cells("in argument 'data'", data.size, rows, cols)
        return np.reshape(data, (rows, cols), order="C" if byrow else "F")
    if isinstance(data, str):
        numbers = numbers_in(data)
        _check_cells("numbers in the text of argument 'data'", numbers.size, rows, cols)
        return numbers.reshape(rows, cols).copy()
    if isinstance(data, bool):
        raise OperationError("argument 'data' of matrix() must be a number, a string or a matrix, found a boolean")
    return np.full((rows, cols), float(data), dtype) if data else sparse.zeros(rows, cols, dtype)


def _construct_type(data: Type, rows: Type, cols: Type, byrow: Type) -> Type:
    r, c = _known_size("matrix()", "rows", rows), _known_size("matrix()", "cols", cols)
    if data.is_matrix:
        _check_cells("in argument 'data'", data.cells, r, c)
    elif isinstance(data.value, str):
        _check_cells("numbers in the text of argument 'data'", numbers_in(data.value).size, r, c)
    elif data.known is not None:
        return matrix(r, c, 1.0 if data.value else 0.0)
    return matrix(r, c, data.sparsity)


define(
    "matrix(data: number|string|matrix, rows: int, cols: int, byrow: boolean = TRUE)",
    _construct_type,
    construct,
    "a matrix of equal cells, of the numbers in a text, or of the cells of another matrix",
    family="generate",
    traits=(Trait.SHARES,),
    gradient={
        "data": lambda data, *_: "matrix(dout, nrow(data), ncol(data), byrow)" if data.is_matrix else "sum(dout)",
    },
    samples=(
        "3, 2, 2",
        "-1.5, 1, 3",
        '"1 NaN  3 -4e2", 2, 2',
        'matrix("1 2 3 4 5 6", 2, 3), 3, 2',
        'matrix("1 2 3 4 5 6", 2, 3), 3, 2, FALSE',
        "0, 0, 3",
        '"", 0, 0',
        "matrix(0, 0, 3), 5, 0",
    ),
)


# rand() and sample()
#
# Philox is a random function of a key and a counter. Each block of rows of a matrix has a key of its own, so that
# blocks can be drawn in any order, by any number of threads, with the same numbers. The counter starts at a different
# place for every use, so that the places of the zeros of one matrix tell nothing about the values of another one with
# the same seed.

PDFS = ("uniform", "normal", "poisson")
_BLOCK_CELLS = 2**16
_GAPS_BELOW = 0.1
_VALUES, _PLACES, _SAMPLE = range(3)
_FRESH = -1
_LARGEST_RATE = 2.0**53


def generator(seed: int, block: int, use: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=(seed % 2**64) + (block << 64), counter=use << 192))


class _Sequence:
    """A sequence of seeds, one of many with the same start; made when the first one is taken."""

    __slots__ = ("_generator", "_key")

    def __init__(self, seed: int, number: int) -> None:
        self._key = (seed % 2**64) + (number << 64)
        self._generator: np.random.Generator | None = None

    def next(self) -> int:
        if self._generator is None:
            self._generator = np.random.Generator(np.random.Philox(key=self._key))
        return int(self._generator.integers(2**63))


class FreshSeeds:
    """A new seed for every call without one: unpredictable, or a sequence that a run's own seed fixes."""

    def __init__(self) -> None:
        self._sequence: ContextVar[_Sequence | None] = ContextVar("fresh seeds", default=None)

    def next(self) -> int:
        sequence = self._sequence.get()
        return int.from_bytes(os.urandom(8)) if sequence is None else sequence.next()

    @property
    def are_fixed(self) -> bool:
        return self._sequence.get() is not None

    def start(self, seed: int | None, number: int = 0) -> None:
        """In this context, take new seeds from sequence `number` of those that start at `seed`.

        For None they are unpredictable.
        """
        self._sequence.set(None if seed is None else _Sequence(seed, number))

    @property
    def state(self) -> object:
        """Where this context is in its sequence, for another process to go on from."""
        return self._sequence.get()

    def go_on(self, state: Any) -> None:
        """In this context, go on where another process ended."""
        self._sequence.set(state)

    @contextmanager
    def going_on(self, state: Any) -> Iterator[None]:
        """Meanwhile take new seeds from where another process was."""
        before = self._sequence.get()
        self.go_on(state)
        try:
            yield
        finally:
            self._sequence.set(before)

    def branch(self, count: int) -> list[int | None]:
        """What to start the sequences of threads with, so that the timing of the threads has no influence on them."""
        return [None if self._sequence.get() is None else self.next() for _ in range(count)]

    @contextmanager
    def fixed_by(self, seed: int | None) -> Iterator[None]:
        """Meanwhile take new seeds from a sequence that starts at `seed`, unless it is None."""
        before = self._sequence.get()
        self.start(seed)
        try:
            yield
        finally:
            self._sequence.set(before)


fresh_seeds = FreshSeeds()


def actual_seed(seed: int | None) -> int:
    """The seed given, or a new one each time."""
    return fresh_seeds.next() if seed is None or seed == _FRESH else seed


@dataclass(frozen=True, slots=True)
class RandomCells:
    """What to draw for a matrix of random numbers."""

    cols: int
    low: float
    high: float
    sparsity: float
    seed: int
    pdf: str
    rate: float

    @property
    def block_rows(self) -> int:
        """How many rows have a key of their own; depends on nothing but the number of columns and the sparsity."""
        share = self.sparsity if self._by_gaps else 1.0
        return max(1, int(_BLOCK_CELLS / (max(self.cols, 1) * share)))

    @property
    def _by_gaps(self) -> bool:
        """Where few cells are not zero, the gaps between them are drawn, else whether each cell is zero."""
        return 2.0**-50 < self.sparsity < _GAPS_BELOW

    def fill(self, block: int, out: Matrix) -> None:
        """Draw block number `block` into its rows, which are zero and lie together in memory."""
        cells = out.reshape(-1)
        if self.sparsity < 1:
            places = self.places(block, cells.size)
            cells[places] = self._draw(block, np.empty(places.size))
        elif cells.dtype != np.float64:
            cells[:] = self._draw(block, np.empty(cells.size))
        else:
            self._draw(block, cells)

    def stored(self, block: int, count: int) -> tuple[npt.NDArray[np.int64], Matrix]:
        """The places of the cells of a block that are not zero, and the cells."""
        places = self.places(block, count)
        return places, self._draw(block, np.empty(places.size))

    def places(self, block: int, count: int) -> npt.NDArray[np.int64]:
        draw = generator(self.seed, block, _PLACES)
        if not self._by_gaps:
            return np.flatnonzero(draw.random(count) < self.sparsity)
        expected = count * self.sparsity
        found = [np.zeros(1, dtype=np.int64)]
        while found[-1][-1] <= count:
            gaps = draw.geometric(self.sparsity, int(expected + 6 * math.sqrt(expected)) + 10)
            found.append(found[-1][-1] + np.cumsum(gaps))
        places: npt.NDArray[np.int64] = np.concatenate(found)[1:] - 1
        return places[places < count]

    def rows(self, first: int, last: int) -> Any:
        """Some rows, which begin with a block, in compressed rows: the same numbers as a dense matrix would have."""
        from scipy.sparse import csr_array

        step, cols, rows = self.block_rows, self.cols, last - first
        places, values = [], []
        for start in range(first, last, step):
            found, drawn = self.stored(start // step, min(step, last - start) * cols)
            places.append(found + (start - first) * cols)
            values.append(drawn)
        at = np.concatenate(places)
        ends = np.searchsorted(at, np.arange(rows + 1, dtype=np.int64) * cols)
        index = np.int32 if max(cols, at.size) < 2**31 else np.int64
        arrays = (np.concatenate(values), (at % cols).astype(index), ends.astype(index))
        result = csr_array(arrays, shape=(rows, cols))
        result.eliminate_zeros()
        return result

    def _draw(self, block: int, cells: Matrix) -> Matrix:
        values = generator(self.seed, block, _VALUES)
        if self.pdf == "normal":
            values.standard_normal(out=cells)
        elif self.pdf == "poisson":
            cells[:] = values.poisson(self.rate, cells.size)
        elif self.low == self.high:
            cells.fill(self.low)
        else:
            values.random(out=cells)
            cells *= self.high - self.low
            cells += self.low
        return cells


def rand(
    rows: int,
    cols: int,
    low: float,
    high: float,
    sparsity: float,
    seed: int,
    pdf: str,
    rate: float,
    dtype: npt.DTypeLike = np.float64,
) -> Any:
    checked_shape("rand()", rows, cols)
    check_distribution(pdf, sparsity, rate)
    cells = RandomCells(cols, low, high, sparsity, actual_seed(seed), pdf, rate)
    if sparse.worth(rows * cols, int(rows * cols * sparsity)):
        return sparse.settle(cells.rows(0, rows))
    out = np.zeros((rows, cols), dtype)
    step = cells.block_rows
    for block, start in enumerate(range(0, rows, step)):
        cells.fill(block, out[start : start + step])
    return out


def check_distribution(pdf: str | None, sparsity: float | None, rate: float | None) -> None:
    if pdf is not None and pdf not in PDFS:
        known = ", ".join(f'"{p}"' for p in PDFS)
        raise OperationError(
            f"argument 'pdf' of rand() must be one of {known}, found \"{pdf}\"", did_you_mean(pdf, PDFS)
        )
    if sparsity is not None and not 0 <= sparsity <= 1:
        raise OperationError(f"argument 'sparsity' of rand() must lie between 0 and 1, found {s.text(sparsity)}")
    if pdf == "poisson" and rate is not None and not 0 < rate <= _LARGEST_RATE:
        raise OperationError(f"argument 'lambda' of rand() must be positive and at most 2^53, found {s.text(rate)}")


def _number(type: Type) -> float | None:
    return None if type.value is None or isinstance(type.value, str) else float(type.value)


def _rand_type(
    rows: Type, cols: Type, low: Type, high: Type, sparsity: Type, seed: Type, pdf: Type, rate: Type
) -> Type:
    share = _number(sparsity)
    check_distribution(pdf.value if isinstance(pdf.value, str) else None, share, _number(rate))
    return matrix(_known_size("rand()", "rows", rows), _known_size("rand()", "cols", cols), share)


define(
    "rand(rows: int = 1, cols: int = 1, min: double = 0, max: double = 1, sparsity: double = 1, seed: int = -1, "
    'pdf: string = "uniform", lambda: double = 1)',
    _rand_type,
    rand,
    "random numbers, uniform between min and max, standard normal, or Poisson; a share of sparsity is not zero; "
    "seed -1 gives other numbers each time",
    family="generate",
    aliases=("Rand", "RAND"),
    effect=Effect.FRESH,
    samples=(
        "rows=3, cols=2, seed=7",
        "rows=2, cols=4, min=-1, max=5, sparsity=0.5, seed=1",
        'rows=4, cols=3, pdf="normal", seed=2',
        'rows=4, cols=3, pdf="poisson", lambda=3.5, seed=3',
        "rows=0, cols=3, seed=4",
        "rows=3, cols=0, seed=4",
    ),
)


def sample(range: int, size: int, replace: Any = None, seed: int | None = None) -> Matrix:
    if seed is None and not (replace is None or isinstance(replace, bool)):
        replace, seed = False, s.as_int_argument(replace)  # sample(range, size, seed)
    replace = s.truth(replace or False)
    _check_sample(range, size, replace)
    draw = generator(actual_seed(seed), 0, _SAMPLE)
    if size == 0:
        return np.empty((0, 1))
    if replace:
        numbers = draw.integers(1, range, size, endpoint=True)
    else:
        numbers = draw.choice(range, size, replace=False) + 1
    return numbers.astype(np.float64).reshape(-1, 1)


def _check_sample(range: int | None, size: int | None, replace: bool | None) -> None:
    checked_size("sample()", "size", size)
    if range is not None and range < 1 and size != 0:
        raise SizeError(f"argument 'range' of sample() must be 1 or more, found {range}")
    if replace is False and range is not None and size is not None and size > range:
        raise SizeError(
            f"sample() cannot draw {size} different numbers from 1..{range}", "draw with replacement: replace=TRUE"
        )


def _replaces(replace: Type, seed: Type) -> bool | None:
    """Whether sample() draws with replacement, if that is known."""
    if missing(replace) or (missing(seed) and replace.value_type in (INT, DOUBLE, NUMBER)):
        return False
    return None if replace.value is None else bool(replace.value)


def _sample_type(range: Type, size: Type, replace: Type, seed: Type) -> Type:
    _check_sample(range.int_value(), size.int_value(), _replaces(replace, seed))
    return matrix(size.int_value(), 1)


define(
    "sample(range: int, size: int, replace: boolean|number = missing, seed: int = missing)",
    _sample_type,
    sample,
    "a column of random whole numbers from 1..range, all different unless replace is TRUE; "
    "a number as the third argument is the seed",
    family="generate",
    effect=Effect.FRESH,
    samples=("10, 10, 7", "100, 5, FALSE, 7", "3, 20, TRUE, 7", "5, 0, 7"),
)


# seq() and diag()


def sequence_length(start: float, stop: float, step: float) -> int:
    """How many numbers there are from `start` to `stop`, both included if the steps reach them."""
    if not all(map(math.isfinite, (start, stop, step))):
        raise SizeError(f"seq() needs finite numbers, found {_listed(start, stop, step)}")
    if step == 0:
        raise SizeError("argument 'incr' of seq() must not be zero")
    if (stop - start) * step < 0:
        raise SizeError(
            f"seq() from {s.text(start)} to {s.text(stop)} cannot go by {s.text(step)}",
            "leave 'incr' out to count in the right direction",
        )
    steps = stop / step - start / step
    if not steps < 2.0**53:
        raise SizeError(f"seq() would be too long, found {_listed(start, stop, step)}")
    length = 1 + math.floor(steps)
    following = start + length * step
    return length + (following <= stop if step > 0 else following >= stop)


def _listed(*values: float) -> str:
    return ", ".join(map(s.text, values))


def default_step(start: float, stop: float) -> float:
    return -1.0 if start > stop else 1.0


def sequence(start: float, stop: float, step: float | None = None) -> Matrix:
    """Each number comes from a product, since added up steps would add up errors."""
    step = default_step(start, stop) if step is None else step
    numbers = np.arange(sequence_length(start, stop, step), dtype=np.float64).reshape(-1, 1)
    numbers *= step
    numbers += start
    return numbers


def _sequence_type(start: Type, stop: Type, step: Type) -> Type:
    first, last = _number(start), _number(stop)
    by = _number(step)
    if first is None or last is None or (by is None and not missing(step)):
        return matrix(None, 1)
    return matrix(sequence_length(first, last, default_step(first, last) if by is None else by), 1)


define(
    "seq(from: double, to: double, incr: double = missing)",
    _sequence_type,
    sequence,
    "the column from, from + incr, from + 2 * incr, ... up to to; incr is 1 or -1 if it is not given",
    family="generate",
    samples=("1, 5", "0, 1, 0.1", "1, 0", "1, 2, 0.3", "5, 1, -2", "1, 1, 5"),
)


def diagonal(x: Matrix) -> Any:
    rows, cols = x.shape
    _check_diagonal((rows, cols))
    if cols == 1:
        if sparse.worth(rows * rows, rows):
            from scipy.sparse import diags_array

            return diags_array(x[:, 0], format="csr")
        return np.diagflat(x)
    return np.diagonal(x).reshape(-1, 1).copy()


def _check_diagonal(found: Shape) -> None:
    rows, cols = found
    if cols == 1 or rows == cols or cols is None or rows is None:
        return
    hint = "transpose it with t()" if rows == 1 else None
    raise SizeError(f"diag() needs a column vector or a square matrix, found a {shape_text(found)} matrix", hint)


def _diagonal_type(X: Type) -> Type:
    _check_diagonal(shape(X))
    rows = X.cols if X.rows is None and X.cols != 1 else X.rows
    if X.cols is None:
        return matrix(rows, 1 if rows == 1 else None)
    if X.cols == 1:
        return matrix(rows, rows, 1 / rows if rows else None)
    return matrix(rows, 1)


define(
    "diag(X: matrix)",
    _diagonal_type,
    diagonal,
    "the square matrix with a column on its diagonal, or the diagonal of a square matrix as a column",
    family="generate",
    traits=(Trait.ZERO_PRESERVING,),
    gradient={"X": "diag(dout)"},
    samples=(
        'matrix("1 2 NaN", 3, 1)',
        'matrix("1 2 3 4", 2, 2)',
        "matrix(7, 1, 1)",
        "matrix(0, 0, 0)",
        "matrix(0, 0, 1)",
    ),
)
