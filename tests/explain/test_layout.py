"""The layout of graphs: whatever the graph, boxes do not overlap and edges go down."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from gramian.explain.layout import Box, Drawing, Edge, Layers, components, isotonic, layout


def random_graph(seed: int) -> tuple[list[Box], list[Edge]]:
    source = random.Random(seed)
    count = source.randint(1, 40)
    boxes = [Box(source.uniform(20, 260), source.choice([24.0, 40.0, 200.0])) for _ in range(count)]
    pairs = {tuple(sorted(source.sample(range(count), 2))) for _ in range(source.randint(0, 2 * count)) if count > 1}
    edges = [Edge(a, b, source.uniform(-9, 9), source.uniform(-9, 9)) for a, b in sorted(pairs)]
    return boxes, edges


def overlap(drawing: Drawing, boxes: list[Box], a: int, b: int) -> bool:
    (ax, ay), (bx, by) = drawing.places[a], drawing.places[b]
    beside = ax + boxes[a].width <= bx + 0.01 or bx + boxes[b].width <= ax + 0.01
    return not (beside or ay + boxes[a].height <= by + 0.01 or by + boxes[b].height <= ay + 0.01)


@pytest.mark.parametrize("seed", range(40))
def test_boxes_keep_apart_and_edges_go_down(seed: int) -> None:
    boxes, edges = random_graph(seed)
    drawing = layout(boxes, edges)
    for a in range(len(boxes)):
        assert not any(overlap(drawing, boxes, a, b) for b in range(a))
    for (x, y), box in zip(drawing.places, boxes, strict=True):
        assert x >= -0.01
        assert x + box.width <= drawing.width + 0.01
        assert y >= -0.01
        assert y + box.height <= drawing.height + 0.01
    for edge, route in zip(edges, drawing.routes, strict=True):
        (ax, ay), (bx, by) = drawing.places[edge.start], drawing.places[edge.end]
        assert route[0] == pytest.approx(
            (ax + boxes[edge.start].width / 2 + edge.leaves, ay + boxes[edge.start].height)
        )
        assert route[-1] == pytest.approx((bx + boxes[edge.end].width / 2 + edge.enters, by))
        assert all(a[1] <= b[1] for a, b in pairwise(route))


@pytest.mark.parametrize("seed", range(20))
def test_no_layer_is_wider_than_it_may_be(seed: int) -> None:
    boxes, edges = random_graph(seed)
    layers = Layers(boxes, edges, 400.0) if len(components(len(boxes), edges)) == 1 else None
    if layers is not None:
        for layer in layers.layers[1:]:
            own = [item for item in layer if item.box is not None]
            assert len(own) == 1 or sum(item.width for item in own) <= 400 + 18


def test_a_tree_has_no_crossings() -> None:
    boxes = [Box(50, 20)] * 15
    edges = [Edge((child - 1) // 2, child) for child in (1, 2, 3, 4, 5, 6, 14, 13, 12, 11, 10, 9, 8, 7)]
    layers = Layers(boxes, edges, 2000.0)
    layers.order()
    assert layers.crossings() == 0


def test_a_chain_is_straight() -> None:
    drawing = layout([Box(60, 20), Box(200, 40), Box(30, 20)], [Edge(0, 1), Edge(1, 2)])
    middles = [x + width / 2 for (x, _), width in zip(drawing.places, (60, 200, 30), strict=True)]
    assert middles == pytest.approx([100.0] * 3)


def test_ranks_at_the_border() -> None:
    drawing = layout(
        [Box(2, 0, -1), Box(50, 20), Box(50, 20), Box(2, 0, 1)], [Edge(0, 1), Edge(0, 2), Edge(1, 2), Edge(1, 3)]
    )
    tops = [y for _, y in drawing.places]
    assert tops[0] == 0.0
    assert tops[3] == max(tops) == drawing.height
    assert tops[0] < tops[1] < tops[2] < tops[3]


def test_unconnected_parts_stand_beside_one_another() -> None:
    drawing = layout([Box(300, 20)] * 3, [], widest=700)
    assert drawing.places[0] == (0.0, 0.0)
    assert drawing.places[1] == (328.0, 0.0)
    assert drawing.places[2][0] == 0.0
    assert drawing.places[2][1] > 20


def test_isotonic_regression() -> None:
    assert isotonic([1.0, 3.0, 2.0], [1, 1, 1]) == [1.0, 2.5, 2.5]
    assert isotonic([4.0, 0.0], [3, 1]) == [3.0, 3.0]
    values = [random.Random(7).uniform(0, 9) for _ in range(50)]
    found = isotonic(values, [1.0] * 50)
    assert found == sorted(found)
    assert sum(found) == pytest.approx(sum(values))
