"""Layers with a state that goes from step to step: the long short-term memory and its gradient.

A batch of N sequences of T steps with D features is a matrix of N rows and T*D columns, step by step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.op import define, missing
from gramian.ir.scalar import truth
from gramian.ir.types import Type, matrix, results
from gramian.ops.elementwise import sigmoid
from gramian.ops.rules import Matrix, Shape, same_size, shape, shape_text
from gramian.ops.windows import Array

Size = int | None


def expect(what: str, name: str, found: Shape, wanted: Shape, meaning: str) -> None:
    """Refuse an argument whose size is certainly not the wanted one."""
    if any(a is not None and b is not None and a != b for a, b in zip(found, wanted, strict=True)):
        raise SizeError(
            f"argument '{name}' of {what} must be a {shape_text(wanted)} matrix, {meaning}, found {shape_text(found)}"
        )


def shape_of(a: Matrix) -> Shape:
    return a.shape[0], a.shape[1]


def first(*sizes: Size) -> Size:
    """The first size that is known."""
    return next((n for n in sizes if n is not None), None)


def _over(total: Size, part: Size) -> Size:
    return None if total is None or part is None else total // part


def _times(a: Size, b: Size) -> Size:
    return None if a is None or b is None else a * b


@dataclass(frozen=True, slots=True)
class Sequence:
    """The sizes of an lstm, as far as they are known: sequences, steps, and cells of the state."""

    n: Size
    t: Size
    m: Size

    @classmethod
    def of(cls, what: str, x: Shape, w: Shape, b: Shape, out0: Shape, c0: Shape) -> Sequence:
        """
        Raises:
            SizeError: the sizes certainly do not fit together.
        """
        for name, size in (("W", w), ("b", b)):
            if size[1] is not None and size[1] % 4:
                raise SizeError(
                    f"argument '{name}' of {what} must have four columns for each cell of the state, "
                    f"found {shape_text(size)}"
                )
        n, m = first(x[0], out0[0], c0[0]), first(out0[1], c0[1], _over(w[1], 4), _over(b[1], 4))
        d = None if w[0] is None or m is None else w[0] - m
        if m == 0 or (d is not None and d < 1):
            raise SizeError(
                f"argument 'W' of {what} must have a row for each feature and for each of the {m} cells of the state "
                f"in 'out0', found {shape_text(w)}"
            )
        if x[1] is not None and d is not None and x[1] % d:
            raise SizeError(
                f"argument 'X' of {what} must have {d} columns a step, the rows of 'W' less those for the "
                f"{m} cells of the state, found {shape_text(x)}"
            )
        gates = _times(m, 4)
        expect(what, "W", w, (None, gates), "four columns for each cell of the state in 'out0'")
        expect(what, "b", b, (1, gates), "four columns for each cell of the state in 'out0'")
        expect(what, "out0", out0, (n, m), "a row for each row of 'X'")
        expect(what, "c0", c0, (n, m), "as 'out0'")
        return cls(n, _over(x[1], d), m)

    @property
    def state(self) -> Shape:
        return self.n, self.m

    def output(self, all_steps: bool | None) -> Shape:
        """The size of the result: the states after all steps, or that after the last; None if it is not known which."""
        if all_steps is None:
            return self.n, None
        return (self.n, _times(self.t, self.m)) if all_steps else self.state

    @property
    def caches(self) -> tuple[Shape, Shape, Shape]:
        cells = _times(self.n, self.m)
        return (self.t, cells), (self.t, cells), (self.t, _times(cells, 4))


def _by_step(x: Matrix, t: int, width: int) -> Array:
    """Rows of steps side by side, as steps of rows."""
    return x.reshape(len(x), t, width).transpose(1, 0, 2)


def _side_by_side(steps: Array) -> Matrix:
    t, n, width = steps.shape
    return steps.transpose(1, 0, 2).copy().reshape(n, t * width)


@dataclass(slots=True)
class Memory:
    """What the steps leave behind, step by step: outputs, cells, and the gates i, f, o, g side by side."""

    out: Array
    cells: Array
    gates: Array

    def rows(self) -> tuple[Matrix, Matrix, Matrix]:
        """As matrices with a row for each step."""
        out, cells, gates = (a.reshape(len(a), a.shape[1] * a.shape[2]) for a in (self.out, self.cells, self.gates))
        return out, cells, gates


def _run(x: Matrix, w: Matrix, b: Matrix, out0: Matrix, c0: Matrix, t: int) -> Memory:
    (n, m), d = out0.shape, w.shape[0] - out0.shape[1]
    gates = np.empty((t, n, 4 * m), x.dtype)
    np.matmul(_by_step(x, t, d), w[:d], out=gates)  # what depends on the step before is added below
    gates += b
    memory = Memory(np.empty((t, n, m), x.dtype), np.empty((t, n, m), x.dtype), gates)
    out, c = out0, c0
    for step in range(t):
        z = gates[step]
        z += out @ w[d:]
        z[:, : 3 * m] = sigmoid(z[:, : 3 * m])
        z[:, 3 * m :] = np.tanh(z[:, 3 * m :])
        i, f, o, g = np.split(z, 4, axis=1)
        c = np.add(f * c, i * g, out=memory.cells[step])
        out = np.multiply(o, np.tanh(c), out=memory.out[step])
    return memory


def _sizes_of(what: str, x: Matrix, w: Matrix, b: Matrix, out0: Matrix, c0: Matrix) -> tuple[Sequence, int]:
    """The sizes, and the number of steps."""
    sequence = Sequence.of(what, *((a.shape[0], a.shape[1]) for a in (x, w, b, out0, c0)))
    assert sequence.t is not None
    return sequence, sequence.t


def lstm(
    x: Matrix, w: Matrix, b: Matrix, out0: Matrix, c0: Matrix, return_sequences: bool
) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix]:
    _, t = _sizes_of("lstm()", x, w, b, out0, c0)
    memory = _run(x, w, b, out0, c0, t)
    last, cells = (memory.out[-1].copy(), memory.cells[-1].copy()) if t else (out0.copy(), c0.copy())
    return (_side_by_side(memory.out) if return_sequences else last), cells, *memory.rows()


def lstm_backward(
    x: Matrix,
    w: Matrix,
    b: Matrix,
    out0: Matrix,
    c0: Matrix,
    return_sequences: bool,
    dout: Matrix,
    dc: Matrix,
    cache_out: Matrix | None = None,
    cache_c: Matrix | None = None,
    cache_ifog: Matrix | None = None,
) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix]:
    sequence, t = _sizes_of(BACKWARD, x, w, b, out0, c0)
    caches = (cache_out, cache_c, cache_ifog)
    _check_backward(sequence, return_sequences, *(None if a is None else shape_of(a) for a in (dout, dc, *caches)))
    (n, m), d = out0.shape, w.shape[0] - out0.shape[1]
    if cache_out is None or cache_c is None or cache_ifog is None:
        memory = _run(x, w, b, out0, c0, t)
    else:
        memory = Memory(cache_out.reshape(t, n, m), cache_c.reshape(t, n, m), cache_ifog.reshape(t, n, 4 * m))
    arriving = _by_step(dout, t, m) if return_sequences else None
    dz, dout0, dc0 = _back(w[d:], c0, memory, arriving, np.zeros((n, m), x.dtype) if return_sequences else dout, dc)
    before = np.concatenate([out0[np.newaxis], memory.out])[:t]
    rows = dz.reshape(t * n, 4 * m)
    dw = np.concatenate([_by_step(x, t, d).reshape(t * n, d).T @ rows, before.reshape(t * n, m).T @ rows])
    return _side_by_side(dz @ w[:d].T), dw, rows.sum(axis=0, keepdims=True), dout0, dc0


def _back(
    recurrent: Matrix, c0: Matrix, memory: Memory, arriving: Array | None, dout: Matrix, dc: Matrix
) -> tuple[Array, Matrix, Matrix]:
    """The gradients of the gates before their activation, and of the first state; `arriving` is that of each output."""
    m = c0.shape[1]
    dz = np.empty(memory.gates.shape, memory.gates.dtype)
    dout, dc = dout.copy(), dc.copy()
    for step in reversed(range(len(dz))):
        i, f, o, g = np.split(memory.gates[step], 4, axis=1)
        squashed = np.tanh(memory.cells[step])
        if arriving is not None:
            dout = dout + arriving[step]
        dc = dc + dout * o * (1 - squashed**2)
        here = dz[step]
        here[:, :m] = dc * g * i * (1 - i)
        here[:, m : 2 * m] = dc * (memory.cells[step - 1] if step else c0) * f * (1 - f)
        here[:, 2 * m : 3 * m] = dout * squashed * o * (1 - o)
        here[:, 3 * m :] = dc * i * (1 - g**2)
        dout, dc = here @ recurrent.T, dc * f
    return dz, dout, dc


BACKWARD = "lstm_backward()"
_CACHES = ("cache_out", "cache_c", "cache_ifog")


def _check_backward(
    sequence: Sequence, all_steps: bool | None, dout: Shape | None, dc: Shape | None, *caches: Shape | None
) -> None:
    given = [name for name, found in zip(_CACHES, caches, strict=True) if found is not None]
    if len(given) not in (0, 3):
        raise OperationError(
            f"{BACKWARD} takes all three caches that lstm() returns, or none; found {' and '.join(given)} only"
        )
    meaning = "the size of the result of lstm()"
    for name, found, wanted in zip(
        ("dout", "dc", *_CACHES),
        (dout, dc, *caches),
        (sequence.output(all_steps), sequence.state, *sequence.caches),
        strict=True,
    ):
        if found is not None:
            expect(BACKWARD, name, found, wanted, meaning)


def _known_truth(type: Type) -> bool | None:
    return None if type.value is None or isinstance(type.value, str) else truth(type.value)


def _lstm_type(x: Type, w: Type, b: Type, out0: Type, c0: Type, return_sequences: Type) -> Type:
    sequence = Sequence.of("lstm()", *map(shape, (x, w, b, out0, c0)))
    sizes = (sequence.output(_known_truth(return_sequences)), sequence.state, *sequence.caches)
    return results(*(matrix(*size) for size in sizes))


def _lstm_backward_type(x: Type, w: Type, b: Type, out0: Type, c0: Type, all_steps: Type, *rest: Type) -> Type:
    sequence = Sequence.of(BACKWARD, *map(shape, (x, w, b, out0, c0)))
    _check_backward(sequence, _known_truth(all_steps), *(None if missing(t) else shape(t) for t in rest))
    state = matrix(*sequence.state)
    return results(same_size(x), matrix(w.rows, _times(sequence.m, 4)), matrix(1, _times(sequence.m, 4)), state, state)


# N = 2, D = 2, M = 2; T = 3 steps
_SMALL = (
    "matrix(seq(1, 12) / 10, 2, 6), matrix(seq(1, 32) / 100, 4, 8), matrix(seq(1, 8) / 100, 1, 8), "
    "matrix(0.1, 2, 2), matrix(0.2, 2, 2)"
)
_NO_STEPS = "matrix(0, 2, 0), matrix(0.5, 2, 4), matrix(0, 1, 4), matrix(0.1, 2, 1), matrix(0.2, 2, 1)"
_NO_SEQUENCES = "matrix(0, 0, 6), matrix(0.5, 4, 8), matrix(0, 1, 8), matrix(0, 0, 2), matrix(0, 0, 2)"

define(
    "lstm(X: matrix, W: matrix, b: matrix, out0: matrix, c0: matrix, return_sequences: boolean)",
    _lstm_type,
    lstm,
    "outputs of a long short-term memory in all steps or the last, its last cells, and what lstm_backward() can reuse",
    outputs=("out", "c", "cache_out", "cache_c", "cache_ifog"),
    gradient={
        "X, W, b, out0, c0": "lstm_backward(X, W, b, out0, c0, return_sequences, dout, dc, cache_out, cache_c, "
        "cache_ifog)",
    },
    samples=(
        f"{_SMALL}, TRUE",
        f"{_SMALL}, FALSE",
        f"{_NO_STEPS}, TRUE",
        f"{_NO_STEPS}, FALSE",
        f"{_NO_SEQUENCES}, TRUE",
    ),
)
define(
    "lstm_backward(X: matrix, W: matrix, b: matrix, out0: matrix, c0: matrix, return_sequences: boolean, "
    "dout: matrix, dc: matrix, cache_out: matrix = missing, cache_c: matrix = missing, cache_ifog: matrix = missing)",
    _lstm_backward_type,
    lstm_backward,
    "gradients of lstm() by its arguments, from those by its result and by its last cells",
    outputs=("dX", "dW", "db", "dout0", "dc0"),
    samples=(
        f"{_SMALL}, TRUE, matrix(seq(1, 12), 2, 6), matrix(seq(1, 4), 2, 2)",
        f"{_SMALL}, FALSE, matrix(seq(1, 4), 2, 2), matrix(seq(1, 4), 2, 2)",
        f"{_SMALL}, FALSE, matrix(1, 2, 2), matrix(2, 2, 2), matrix(0.1, 3, 4), matrix(0.2, 3, 4), matrix(0.3, 3, 16)",
        f"{_NO_STEPS}, FALSE, matrix(3, 2, 1), matrix(4, 2, 1)",
        f"{_NO_SEQUENCES}, TRUE, matrix(0, 0, 6), matrix(0, 0, 2)",
    ),
)
