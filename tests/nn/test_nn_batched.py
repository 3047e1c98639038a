"""Products of stacked blocks: one at a time, in groups on a diagonal, and with cells that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest
from harness import run

SCRIPT = """
source("nn/batched.dml") as batched
p = batched::product(A, B, n)
pt = batched::product_t(A, C, n)
tp = batched::t_product(A, D, n)
"""


def blocks(n: int, r: int, k: int, c: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(n + r)
    sizes = {"A": (n, r, k), "B": (n, k, c), "C": (n, c, k), "D": (n, r, c)}
    return {name: draw.normal(size=size) for name, size in sizes.items()}


def multiplied(given: dict[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    stacked = {name: x.reshape(-1, x.shape[2]) for name, x in given.items()}
    found = run(SCRIPT, {**stacked, "n": n}, ["p", "pt", "tp"])
    return {name: np.asarray(x).reshape(n, -1, np.shape(x)[1]) for name, x in found.items()}


def expected(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    a, b, c, d = given.values()
    return {"p": a @ b, "pt": a @ c.transpose(0, 2, 1), "tp": a.transpose(0, 2, 1) @ d}


@pytest.mark.parametrize("size", [(37, 3, 4, 5), (64, 8, 8, 8), (1, 5, 2, 3), (3, 1, 1, 1), (3, 40, 33, 35)])
def test_each_block_by_its_own(size: tuple[int, int, int, int]) -> None:
    given = blocks(*size)
    found = multiplied(given, size[0])
    for name, value in expected(given).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-12)


def test_what_is_no_number_stays_in_its_block() -> None:
    given = blocks(20, 3, 4, 5)
    for name, cell in (("A", np.nan), ("B", np.inf), ("D", -np.inf)):
        given[name][7, 1, 1] = cell
    found = multiplied(given, 20)
    with np.errstate(invalid="ignore"):
        value = expected(given)
    for name in found:
        np.testing.assert_allclose(found[name], value[name], rtol=1e-12, atol=1e-12)
        assert np.isfinite(np.delete(found[name], 7, axis=0)).all()
