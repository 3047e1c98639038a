"""Every template of compiled loops gives what the kernel of its operator gives, special numbers and signs included.

Many operators share one pipeline here, since compiling takes its time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from samples import Sample, all_samples, convert

from gramian.backends.local import LocalBackend
from gramian.backends.local.fused.loops import can_loop
from gramian.backends.local.fused.panels import Pass
from gramian.backends.local.fused.templates import POWERS, ROWS, TEMPLATES, TOTAL_EXTREMES
from gramian.ir.fused import Pipeline, Role, panel_rows, parameter, role_of
from gramian.ir.node import Node, absent, build, literal
from gramian.ir.op import REGISTRY
from gramian.ir.types import matrix, type_of
from gramian.runtime.backend import kernel_of, one_by_one

BACKEND = LocalBackend()
KERNELS = partial(kernel_of, backend=BACKEND)
NUMBERS = [
    0.0,
    1.0,
    2.0,
    0.5,
    1.5,
    2.5,
    0.49999999999999994,
    3.0,
    10.0,
    1e-300,
    5e-324,
    0.3,
    700.0,
    1e10,
    1e300,
    np.inf,
]
NASTY = np.array([*NUMBERS, *(-x for x in NUMBERS), np.nan, -20.7])
# Which of 0 and -0 is the larger one is open, and what this says is not said of the signs of zeros either.
ANY_ZERO = ("min", "max", *TOTAL_EXTREMES)


def arity(name: str) -> int:
    op = REGISTRY[name]
    return 2 if op.variadic or name == "log" else len(op.params)


def of_arity(count: int) -> list[str]:
    return [name for name in TEMPLATES if arity(name) == count]


def check(roots: Sequence[Node], operands: Sequence[Any], rows: int) -> None:
    """Loops and operators agree on all results, each of which is shown by itself."""
    pipeline = Pipeline(tuple(roots), rows)
    assert all(can_loop(node) for node in pipeline.nodes)
    with np.errstate(all="ignore"):
        expected = one_by_one(pipeline, BACKEND)(*operands)
        found = Pass(pipeline, KERNELS, compiled=True).run(operands)
    pairs = zip(expected, found, strict=True) if len(roots) > 1 else [(expected, found)]
    for root, (a, b) in zip(roots, pairs, strict=True):
        agree(str(root), np.asarray(a), np.asarray(b), zeros=root.op.name not in ANY_ZERO)


def agree(what: str, expected: Any, found: Any, *, zeros: bool) -> None:
    assert found.shape == expected.shape, what
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0, equal_nan=True, err_msg=what)
    if zeros:
        at = expected == 0
        np.testing.assert_array_equal(np.signbit(found[at]), np.signbit(expected[at]), err_msg=f"zeros of {what}")


def wide(values: Any, columns: int) -> np.ndarray[Any, Any]:
    """The values in rows of some length, the last one filled up."""
    return np.resize(np.asarray(values, float), (-(-len(values) // columns), columns))


def node(name: str, *args: Node) -> Node:
    return build(name, [*args, absent()] if name == "log" and len(args) == 1 else args)


@pytest.mark.parametrize("columns", [1, 11])
def test_one_operand(columns: int) -> None:
    x = wide(NASTY, columns)
    p = parameter(0, matrix(*x.shape))
    check([node(name, p) for name in (*of_arity(1), "log")], [x], len(x))


PAIRS = [side.reshape(-1, 1) for side in np.meshgrid(NASTY, NASTY)]


def test_two_columns() -> None:
    p, q = (parameter(at, matrix(*side.shape)) for at, side in enumerate(PAIRS))
    check([node(name, p, q) for name in of_arity(2)], PAIRS, len(PAIRS[0]))


def test_matrix_with_column_and_row() -> None:
    column, row = NASTY.reshape(-1, 1), NASTY[::-1].reshape(1, -1)
    x = np.broadcast_to(column, (len(NASTY), len(NASTY))).copy()
    p, c, r = (parameter(at, matrix(*m.shape)) for at, m in enumerate((x, column, row)))
    roots = [node(name, *args) for name in of_arity(2) for args in ((p, r), (r, p), (p, c))]
    check(roots, [x, column, row], len(x))


@pytest.mark.parametrize("number", [0.0, 2.0, -3, 0.5, True, -np.inf, np.nan])
def test_numbers_that_are_known(number: float | bool) -> None:
    """The compiler may make something else of them, such as x * x of x ^ 2."""
    x = wide(NASTY, 2)
    p, n = parameter(0, matrix(*x.shape)), literal(number)
    names = [name for name in of_arity(2) if not isinstance(number, bool) or name in ("&", "|", "xor", "==", "<")]
    roots = [node(name, *args) for name in names for args in ((p, n), (n, p))]
    check([*roots, node("ifelse", n, p, p), node("ifelse", p, n if number is not True else p, p)], [x], len(x))


def test_powers() -> None:
    x = wide(NASTY, 3)
    p = parameter(0, matrix(*x.shape))
    check([node("^", p, literal(n)) for n in (*POWERS, 0, 1, 1.5, -3, 5.0, -2.0)], [x], len(x))


def test_numbers_that_are_operands() -> None:
    """Not 0.5, of whose power NumPy makes a square root: loops do that only if they know the number."""
    x = wide(NASTY, 3)
    p = parameter(0, matrix(*x.shape))
    numbers = [2, 0.25, np.array([[-3.0]])]
    types = [type_of(2).without_value(), type_of(0.25).without_value(), matrix(1, 1)]
    operands = [parameter(at, type) for at, type in enumerate(types, 1)]
    roots = [node(name, p, n) for name in of_arity(2) for n in operands]
    check(roots, [x, *numbers], len(x))


def test_three_operands() -> None:
    noise = np.random.default_rng(3)
    x, y, z = (noise.choice(NASTY, (70, 4)) for _ in range(3))
    p, q, r = (parameter(at, matrix(70, 4)) for at in range(3))
    assert of_arity(3) == ["ifelse", "replace"]
    numbers = (literal(0), literal(np.nan), literal(np.inf), literal(-0.3))
    roots = [
        node("ifelse", p, q, r),
        *(node("replace", p, a, b) for a in numbers for b in (literal(7), literal(-0.0))),
        *(node(name, *args) for name in ("min", "max") for args in ((p, q, r), (q, literal(2), p))),
    ]
    check(roots, [x, y, z], 70)


def test_every_template_is_an_operator() -> None:
    for name in TEMPLATES:
        args: list[Node] = [parameter(at, matrix(64, 2)) for at in range(arity(name))]
        if name == "replace":
            args[1:] = [literal(3), literal(4)]
        assert role_of(node(name, *args)) is Role.CELLS, name
    for name in ROWS:
        assert role_of(node(name, parameter(0, matrix(64, 2)))) is Role.ROWS, name


# -- samples -----------------------------------------------------------------------------------------------------------


def matrices(sample: Sample) -> Mapping[int, Any]:
    return {at: v for at, v in enumerate(sample.values()) if isinstance(v, np.ndarray)}


AT_ONCE = 8
LOOPED = {*TEMPLATES, *ROWS, *TOTAL_EXTREMES, "sum", "colSums", "%*%"}


def in_pipelines() -> dict[tuple[int, int], list[Sample]]:
    """The samples that loops can run, by their rows, and not too many at once."""
    found: dict[tuple[int, int], list[Sample]] = {}
    counts: Counter[int] = Counter()
    for sample in (s for s in all_samples() if s.op.name in LOOPED):
        if matrices(sample) and all(m.size for m in matrices(sample).values()):
            root = root_of(sample, convert(sample.op, sample.values()))
            rows = root and panel_rows(root, role_of(root) or Role.CELLS)
            if rows and rows > 1:
                found.setdefault((rows, counts[rows] // AT_ONCE), []).append(sample)
                counts[rows] += 1
    return found


def root_of(sample: Sample, values: list[Any], first: int = 0) -> Node | None:
    """The sample as a node of a pipeline that reads its matrices from parameter `first` on."""
    args: list[Node] = []
    for value in values:
        if isinstance(value, np.ndarray):
            args.append(parameter(first, matrix(*value.shape)))
            first += 1
        else:
            args.append(absent() if value is None else literal(value))
    root = build(sample.op, args)
    return root if role_of(root) is not None and can_loop(root) else None


SAMPLES = in_pipelines()


def test_samples_cover_what_loops_know() -> None:
    assert {sample.op.name for samples in SAMPLES.values() for sample in samples} == LOOPED


@pytest.mark.parametrize("part", SAMPLES)
def test_samples(part: tuple[int, int]) -> None:
    roots, operands = [], []
    for sample in SAMPLES[part]:
        values = convert(sample.op, sample.values())
        root = root_of(sample, values, len(operands))
        assert root is not None
        roots.append(root)
        operands += matrices(sample).values()
    check(roots, operands, part[0])


# -- rows and columns --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 2, 5, 12])
def test_aggregates(columns: int) -> None:
    """With NaN and infinities in some rows and columns, and everywhere."""
    noise = np.random.default_rng(columns)
    x = noise.integers(-4, 5, (90, columns)).astype(float)
    x[5, 0], x[6, -1], x[7], x[8] = np.nan, np.inf, np.nan, -np.inf
    x[9, 0], x[9, -1] = -np.inf, np.inf
    clean = np.where(np.isfinite(x), x, 3.0)
    names = [*ROWS, *TOTAL_EXTREMES, "sum", "colSums"]
    roots = [node(name, parameter(at, matrix(90, columns))) for at in range(2) for name in names]
    check(roots, [x, clean], 90)
