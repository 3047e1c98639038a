"""Elements of sorted distributed columns are those of columns in memory, however few values a panel tells at first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from placements import check, run

from gramian.backends.local import LocalBackend
from gramian.backends.spark.ways import ranks
from gramian.backends.spark.ways.ranks import Between, Column, Sampled, Weighed
from gramian.errors import OperationError
from gramian.ir.op import REGISTRY

NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 1.5, -7.25, 1e300, -1e300, float("inf"), float("-inf"), 5e-324]) | st.floats(
    -100, 100
)


def column(panels: list[list[tuple[float, int]]]) -> tuple[Column, Any, Any]:
    """A column in panels of values with weights, and the same in memory."""
    made = [np.array(panel, float).reshape(-1, 2) for panel in panels]
    whole = np.concatenate(made)
    found = Column("median()", lambda step: [step(panel[:, :1], panel[:, 1:]) for panel in made])
    return found, whole[:, :1], whole[:, 1:]


@given(
    st.lists(st.lists(st.tuples(NUMBERS, st.integers(0, 4)), max_size=12), min_size=1, max_size=6),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    st.integers(2, 9),
)
@settings(max_examples=400, deadline=None)
def test_weighted_elements(panels: list[list[tuple[float, int]]], shares: list[float], samples: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "SAMPLES", samples)
        found, x, w = column(panels)
        p = np.array(shares).reshape(-1, 1)
        expected = run(REGISTRY["quantile"], [x, w, p], LocalBackend())
        np.testing.assert_array_equal(found.elements(np.maximum(np.ceil(p * found.count), 1)), expected)


def test_only_values_near_an_element_come_to_the_driver() -> None:
    rng = np.random.default_rng(2)
    panels = [rng.normal(size=(40000, 1)) for _ in range(5)]
    panels.append(np.zeros((40000, 1)))  # the same value very often
    told: list[int] = []

    def over(step: Any) -> list[Any]:
        answers = [step(panel) for panel in panels]
        told.append(sum(_size(answer) for answer in answers))
        return answers

    found = Column("median()", over)
    whole = np.sort(np.concatenate(panels)[:, 0])
    wanted = np.array([1, 7, 60000, 119000, 120001, 240000])
    np.testing.assert_array_equal(found.elements(wanted), whole[wanted - 1])
    first, second = told
    assert first <= 5 * (ranks.SAMPLES + 2) + 1
    assert second < len(whole) / 100


def _size(answer: Any) -> int:
    return len(answer.values) if isinstance(answer, Weighed) else sum(len(values) for _, values, _ in answer)


def test_steps() -> None:
    x, w = np.array([[3.0], [1], [3], [2]]), np.array([[1.0], [2], [0], [4]])
    found = Sampled("median()")(x, w)
    np.testing.assert_array_equal(found.values, [1, 2, 3])
    np.testing.assert_array_equal(found.upto, [2, 6, 7])
    np.testing.assert_array_equal(found.below, [0, 2, 6])
    ((below, values, weights),) = Between("median()", ((1.5, 2.5),))(x, w)
    assert (below, values.tolist(), weights.tolist()) == (2, [2], [4])


def test_weights_are_whole_numbers() -> None:
    with pytest.raises(OperationError, match=r"the weights of median\(\) must be whole numbers"):
        column([[(1.0, 1)], [(2.0, 0.5)]])  # type: ignore[list-item]


def test_a_column_without_weight() -> None:
    found, x, w = column([[(1.0, 0)], []])
    check(found.elements(np.array([1.0])), np.array([np.nan]))
    check(run(REGISTRY["median"], [x, w], LocalBackend()), float("nan"))
