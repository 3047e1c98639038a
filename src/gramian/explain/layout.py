"""Drawing a graph in layers, after Sugiyama, Tagawa and Toda (1981), each step in its simplest form.

1. A node's layer is the length of the longest path to it, or a later one if the layer is full; nodes without operands
   move down to their first user.
2. Edges over several layers get a bend in each layer between.
3. The order inside of a layer is that of the barycentres, the mean positions of a node's neighbours in the layer before
   and, on the way back, in the layer after; the order with the fewest crossings is kept.
4. A node's place is as near to its neighbours' as the order allows: for each layer the least squares under the condition
   that nodes keep their distance, which is an isotonic regression, solved by pooling adjacent violators. In the end the
   bends of an edge move above one another as far as their neighbours let them.

Parts that no edge connects are laid out on their own and put beside one another like words in lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf

WIDEST = 720.0  # of a layer, and of parts beside one another
BESIDE, BELOW, APART = 18.0, 34.0, 28.0  # gaps between nodes, layers, parts
BEND = 6.0  # what an edge takes of a layer that it passes
SWEEPS = 12
STRAIGHT = 8.0  # how much more than others some edges want to be straight
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the graph; with `rank` -1 it goes into the first layer, with 1 into the last."""

    width: float
    height: float
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """From one box to a later one, by their numbers; the ends may stand beside the middle of their boxes."""

    start: int
    end: int
    leaves: float = 0.0
    enters: float = 0.0


@dataclass
class Drawing:
    """Where the upper left corners of the boxes are, the points that each edge goes through, and the size of it all."""

    places: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def layout(boxes: Sequence[Box], edges: Sequence[Edge], widest: float = WIDEST) -> Drawing:
    """Place boxes, whose edges lead from earlier ones to later ones."""
    parts = components(len(boxes), edges)
    drawn = []
    for part in parts:
        number = {box: at for at, box in enumerate(part)}
        inside = [at for at, edge in enumerate(edges) if edge.start in number]
        own = [replace(edges[at], start=number[edges[at].start], end=number[edges[at].end]) for at in inside]
        drawn.append((part, inside, Layers([boxes[at] for at in part], own, widest).drawing()))
    return _beside(drawn, len(boxes), len(edges), widest)


def components(count: int, edges: Iterable[Edge]) -> list[list[int]]:
    """The connected parts of a graph, by their first nodes."""
    leader = list(range(count))

    def top(node: int) -> int:
        while leader[node] != node:
            node = leader[node]
        return node

    for edge in edges:
        a, b = sorted((top(edge.start), top(edge.end)))
        leader[b] = a
    parts: dict[int, list[int]] = {}
    for node in range(count):
        parts.setdefault(top(node), []).append(node)
    return list(parts.values())


def _beside(drawn: list[tuple[list[int], list[int], Drawing]], boxes: int, edges: int, widest: float) -> Drawing:
    whole = Drawing([(0.0, 0.0)] * boxes, [[] for _ in range(edges)], 0.0, 0.0)
    x = y = line = 0.0
    for nodes, inside, part in drawn:
        if x > 0 and x + part.width > widest:
            x, y, line = 0.0, y + line + APART, 0.0
        for at, place in zip(nodes, part.places, strict=True):
            whole.places[at] = (x + place[0], y + place[1])
        for at, route in zip(inside, part.routes, strict=True):
            whole.routes[at] = [(x + px, y + py) for px, py in route]
        whole.width = max(whole.width, x + part.width)
        line = max(line, part.height)
        x += part.width + APART
    whole.height = y + line
    return whole


@dataclass(eq=False)
class Item:
    """A box, or a bend of an edge, in a layer."""

    width: float
    height: float
    box: int | None
    before: list[tuple[Item, float, float]] = field(default_factory=list)  # with the offsets here and there
    after: list[tuple[Item, float, float]] = field(default_factory=list)
    x: float = 0.0  # of the middle
    layer: int = 0
    position: int = 0

    def join(self, after: Item, leaves: float, enters: float) -> None:
        self.after.append((after, leaves, enters))
        after.before.append((self, enters, leaves))


class Layers:
    """One connected graph."""

    def __init__(self, boxes: Sequence[Box], edges: Sequence[Edge], widest: float) -> None:
        self.boxes = boxes
        self.edges = edges
        self.widest = widest
        rank = self.ranks()
        self.items = [Item(box.width, box.height, at) for at, box in enumerate(boxes)]
        self.layers: list[list[Item]] = [[] for _ in range(max(rank) + 1)]
        for item, at in zip(self.items, rank, strict=True):
            self.layers[at].append(item)
        self.chains = [self.chain(edge, rank) for edge in edges]

    def ranks(self) -> list[int]:
        """The layer of each box."""
        rank = [0] * len(self.boxes)
        filled: dict[int, float] = {}
        before: list[list[int]] = [[] for _ in self.boxes]
        after: list[list[int]] = [[] for _ in self.boxes]
        for edge in self.edges:
            before[edge.end].append(edge.start)
            after[edge.start].append(edge.end)
        starts = any(box.rank < 0 for box in self.boxes)

        def put(node: int, first: int, step: int) -> None:
            width = self.boxes[node].width + BESIDE
            while first > 0 and filled.get(first, 0.0) > 0 and filled[first] + width > self.widest:
                first += step
            rank[node] = max(first, 0)
            filled[rank[node]] = filled.get(rank[node], 0.0) + width

        for node, box in enumerate(self.boxes):
            if before[node] or not after[node] or box.rank:
                least = max((rank[other] + 1 for other in before[node]), default=int(starts and box.rank == 0))
                put(node, least, 1)
        for node, box in enumerate(self.boxes):
            if after[node] and not before[node] and not box.rank:
                put(node, max(min(rank[other] for other in after[node]) - 1, 0), -1)
        lowest = min(rank, default=0)
        last = max(rank) + any(box.rank == 0 for box in self.boxes)
        ranks = [last if box.rank > 0 else at - lowest for at, box in zip(rank, self.boxes, strict=True)]
        used = {old: new for new, old in enumerate(sorted(set(ranks)))}
        return [used[at] for at in ranks]

    def chain(self, edge: Edge, rank: Sequence[int]) -> list[Item]:
        """The items that an edge goes through."""
        chain = [self.items[edge.start]]
        for at in range(rank[edge.start] + 1, rank[edge.end]):
            bend = Item(BEND, 0.0, None)
            self.layers[at].append(bend)
            chain.append(bend)
        chain.append(self.items[edge.end])
        for at, (a, b) in enumerate(pairwise(chain)):
            a.join(b, edge.leaves if at == 0 else 0.0, edge.enters if at == len(chain) - 2 else 0.0)
        return chain

    # -- the order in layers ----------------------------------------------------------------------------------------

    def order(self) -> None:
        self.number()
        best, fewest = [list(layer) for layer in self.layers], self.crossings()
        for sweep in range(SWEEPS):
            if fewest == 0:
                break
            down = sweep % 2 == 0
            for layer in self.layers[1:] if down else self.layers[-2::-1]:
                layer.sort(key=lambda item: _barycentre(item, item.before if down else item.after))
                self.number()
            found = self.crossings()
            if found < fewest:
                best, fewest = [list(layer) for layer in self.layers], found
        self.layers = best
        self.number()

    def number(self) -> None:
        for number, layer in enumerate(self.layers):
            for at, item in enumerate(layer):
                item.layer, item.position = number, at

    def crossings(self) -> int:
        """How many pairs of edges between neighbouring layers cross."""
        count = 0
        for layer in self.layers:
            ends = [
                (item.position, leaves, other.position, enters)
                for item in layer
                for other, leaves, enters in item.after
            ]
            ends.sort()
            for at, (_, _, *a) in enumerate(ends):
                count += sum(b < a for _, _, *b in ends[at + 1 :])
        return count

    # -- places -----------------------------------------------------------------------------------------------------

    def place(self) -> None:
        for layer in self.layers:
            x = 0.0
            for item in layer:
                item.x = x + item.width / 2
                x += item.width + BESIDE
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            for layer in self.layers[1:] if down else self.layers[-2::-1]:
                self.align(layer, down=down)
        for sweep in range(2 * SWEEPS):
            for layer in self.layers[:: 1 if sweep % 2 else -1]:
                self.align(layer)

    def align(self, layer: Sequence[Item], *, down: bool | None = None) -> None:
        """Move the items of a layer to where their neighbours want them, in their order."""
        offsets = [0.0]
        for a, b in pairwise(layer):
            offsets.append(offsets[-1] + (a.width + b.width) / 2 + BESIDE)
        wishes, weights = [], []
        for item, offset in zip(layer, offsets, strict=True):
            near = [*item.before, *item.after] if down is None else item.before if down else item.after
            pull = [_pull(item, other) for other, _, _ in near]
            total = sum(weight * (o.x + there - here) for weight, (o, here, there) in zip(pull, near, strict=True))
            wishes.append((total / sum(pull) if near else item.x) - offset)
            weights.append(sum(pull) if near else 0.05)
        for item, x, offset in zip(layer, isotonic(wishes, weights), offsets, strict=True):
            item.x = x + offset

    def straighten(self, chain: Sequence[Item], edge: Edge) -> None:
        """Put the bends of an edge above one another, in as few runs as there is room for."""
        bends = list(chain[1:-1])
        wishes = [chain[-1].x + edge.enters, chain[0].x + edge.leaves]
        while bends:
            low, high = self.room(bends[0])
            run = [bends.pop(0)]
            while bends:
                left, right = self.room(bends[0])
                if max(low, left) > min(high, right):
                    break
                low, high = max(low, left), min(high, right)
                run.append(bends.pop(0))
            middle = min(max(sum(bend.x for bend in run) / len(run), low), high)
            x = next((wish for wish in wishes if low <= wish <= high), middle)
            for bend in run:
                bend.x = x

    def room(self, bend: Item) -> tuple[float, float]:
        """How far to the left and right a bend may move."""
        layer = self.layers[bend.layer]
        before = layer[bend.position - 1] if bend.position > 0 else None
        after = layer[bend.position + 1] if bend.position + 1 < len(layer) else None
        low = -inf if before is None else before.x + (before.width + bend.width) / 2 + BESIDE / 2
        high = inf if after is None else after.x - (after.width + bend.width) / 2 - BESIDE / 2
        return min(low, bend.x), max(high, bend.x)

    def drawing(self) -> Drawing:
        self.order()
        self.place()
        for chain, edge in zip(self.chains, self.edges, strict=True):
            self.straighten(chain, edge)
        left = min(item.x - item.width / 2 for layer in self.layers for item in layer)
        right = max(item.x + item.width / 2 for layer in self.layers for item in layer)
        tops, y = [], 0.0
        for layer in self.layers:
            tops.append(y)
            y += max(item.height for item in layer) + BELOW
        places: list[Point] = [(0.0, 0.0)] * len(self.boxes)
        extent: dict[Item, tuple[float, float]] = {}
        for layer, top in zip(self.layers, tops, strict=True):
            height = max(item.height for item in layer)
            for item in layer:
                if item.box is not None:
                    places[item.box] = (item.x - item.width / 2 - left, top)
                extent[item] = (top, top + height)
        routes = [self.route(chain, edge, extent, left) for chain, edge in zip(self.chains, self.edges, strict=True)]
        return Drawing(places, routes, right - left, y - BELOW)

    def route(
        self, chain: Sequence[Item], edge: Edge, extent: dict[Item, tuple[float, float]], left: float
    ) -> list[Point]:
        x, (top, bottom) = chain[0].x + edge.leaves - left, extent[chain[0]]
        points = [(x, top + chain[0].height), (x, bottom)]  # past higher boxes beside it
        for bend in chain[1:-1]:
            points += [(bend.x - left, y) for y in extent[bend]]
        return [*points, (chain[-1].x + edge.enters - left, extent[chain[-1]][0])]


def _pull(a: Item, b: Item) -> float:
    """How much an edge, or a part of one, wants to be straight: inside of long edges, and where nothing else is near."""
    first, second = (a, b) if a.layer < b.layer else (b, a)
    return STRAIGHT if len(first.after) == 1 and len(second.before) == 1 else 1.0


def _barycentre(item: Item, near: Sequence[tuple[Item, float, float]]) -> float:
    if not near:
        return float(item.position)
    # Offsets tell apart the edges to one box.
    return sum(other.position + there / (other.width + 1) for other, _, there in near) / len(near)


def isotonic(wishes: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The values that never fall and are nearest to the wishes, in weighted squares."""
    pools: list[tuple[float, float, int]] = []  # value, weight, number of members
    for value, weight in zip(wishes, weights, strict=True):
        members = 1
        while pools and pools[-1][0] > value:
            other, heavy, more = pools.pop()
            value = (value * weight + other * heavy) / (weight + heavy)
            weight, members = weight + heavy, members + more
        pools.append((value, weight, members))
    return [value for value, _, members in pools for _ in range(members)]
