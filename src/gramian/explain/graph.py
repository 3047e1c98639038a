"""The operators of a block as a graph in SVG: cards with lines between them, pipelines as boxes around theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log10

from gramian.explain import words
from gramian.explain.kinds import Kind
from gramian.explain.layout import Box, Drawing, Edge, Point, layout
from gramian.explain.markup import Markup, joined, tag
from gramian.explain.model import Operator
from gramian.ir.brief import shortened

CHARACTER, SMALL = 7.25, 6.5  # widths in the two sizes of text
PADDING = 11.0
CARD, LOW = 42.0, 25.0  # heights of cards with two lines and one
NARROWEST, LONGEST = 64.0, 38  # width; characters
MARGIN = 3.0  # around the whole drawing, for borders
INSET, STRIP, PORT = (
    14.0,
    24.0,
    2.0,
)  # of pipelines: space beside the operators, strip for the title, places on the border
LONGEST_NAME = 24
SHRUNK = 0.78
NEAR = 16  # operators; who reads a value that was made further away gets a pill with its name instead of a line


@dataclass(frozen=True, slots=True)
class Scale:
    """What the marks of size compare with: the largest value and the longest time in the plan."""

    bytes: int
    seconds: float

    def bytes_share(self, operator: Operator) -> float:
        counts = operator.has_memory and operator.pipeline is None and self.bytes > 0
        return (operator.memory or 0) / self.bytes if counts else 0.0

    def seconds_share(self, operator: Operator) -> float:
        return operator.measured.seconds / self.seconds if self.seconds > 0 else 0.0


HEAVY, HOT = 0.25, 0.25  # of the largest value, and of the longest time: what stands out
LEAST_HEAVY = 1_000_000  # bytes
LEAST = 0.02  # share that a bar can show


@dataclass
class Shape:
    """Something with a box: a card, a pill with a name, a pipeline with what is inside, or a place on its border."""

    box: Box
    operator: Operator | None = None
    name: str = ""
    inner: Inner | None = None

    def drawn(self, place: Point, scale: Scale) -> Markup:
        if self.name:
            return _pill(self, place)
        if self.operator is None:
            return Markup()
        if self.inner is not None:
            return _hull(self.operator, self.box, place, self.inner, scale)
        return _card(self.operator, self.box, place, scale)


@dataclass
class Inner:
    """The drawing inside of a pipeline.

    `inputs` and `outputs` say where operands and results cross its border, counted from the middle.
    """

    shapes: list[Shape]
    lines: list[Line]
    drawing: Drawing
    inputs: dict[Operator | str, float] = field(default_factory=dict)
    outputs: dict[Operator, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """An edge: the value that goes along it (an operator or a variable) and who reads it."""

    value: Operator | str
    reader: Operator


def block_graph(operators: Sequence[Operator], scale: Scale) -> Markup:
    """The graph of a block."""
    shapes, edges, lines = Sheet(operators).made()
    drawing = layout([shape.box for shape in shapes], edges)
    inside = _drawn(shapes, lines, drawing, scale)
    width, height = drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN
    moved = tag("g", inside, transform=f"translate({MARGIN:g} {MARGIN:g})")
    # A graph may shrink somewhat to fit; wider ones scroll.
    style = f"min-width:{SHRUNK * width:.0f}px"
    box = f"0 0 {width:.1f} {height:.1f}"
    return tag("svg", moved, width=width, height=height, viewBox=box, class_="graph", style=style)


def _drawn(shapes: Sequence[Shape], lines: Sequence[Line], drawing: Drawing, scale: Scale) -> Markup:
    found = [_line(line, route, scale) for line, route in zip(lines, drawing.routes, strict=True)]
    found += [shape.drawn(place, scale) for shape, place in zip(shapes, drawing.places, strict=True)]
    return joined(*found)


class Sheet:
    """Collects what is to be drawn of a block: boxes in an order in which values come before their readers."""

    def __init__(self, operators: Sequence[Operator]) -> None:
        self.operators = operators
        self.shapes: list[Shape] = []
        self.edges: list[Edge] = []
        self.lines: list[Line] = []
        self.numbers: dict[Operator, int] = {}  # of the shapes of operators; those in pipelines have that of theirs
        self.turns: dict[Operator, int] = {}  # when in the block they were drawn
        self.pills: dict[Operator | str, tuple[int, int]] = {}  # the shape, and when it was drawn

    def made(self) -> tuple[list[Shape], list[Edge], list[Line]]:
        for turn, operator in enumerate(self.operators):
            shape = _pipeline(operator) if operator.pipeline is not None else Shape(_box(operator), operator)
            sources = [(value, self.source(value, turn)) for value in operator.inputs]
            number = len(self.shapes)
            self.shapes.append(shape)
            for member in (operator, *(operator.pipeline.operators if operator.pipeline is not None else ())):
                self.numbers[member] = number
                self.turns[member] = turn
            for value, (start, leaves) in sources:
                enters = shape.inner.inputs.get(value, 0.0) if shape.inner is not None else 0.0
                self.edges.append(Edge(start, number, leaves, enters))
                self.lines.append(Line(value, operator))
        return self.shapes, self.edges, self.lines

    def source(self, value: Operator | str, turn: int) -> tuple[int, float]:
        """The shape that an edge begins at, and where on its lower side."""
        if isinstance(value, Operator):
            name = _name(value)
            if turn - self.turns[value] <= NEAR or not name:
                number = self.numbers[value]
                inner = self.shapes[number].inner
                return number, inner.outputs.get(value, 0.0) if inner is not None else 0.0
        else:
            name = value
        number, drawn = self.pills.get(value, (-1, -NEAR - 1))
        if turn - drawn > NEAR:
            number = len(self.shapes)
            name = shortened(name, LONGEST_NAME)
            box = Box(max(LOW, len(name) * CHARACTER + 18.0), LOW - 2)
            self.shapes.append(Shape(box, value if isinstance(value, Operator) else None, name))
            self.pills[value] = (number, turn)
        return number, 0.0


def _name(operator: Operator) -> str:
    """The variable that an operator assigns, if it is one."""
    names = operator.targets
    return names[0] if len(names) == 1 else ""


# -- boxes -------------------------------------------------------------------------------------------------------------


def title_of(operator: Operator) -> str:
    if operator.pipeline is None:
        return shortened(operator.text, LONGEST)
    away = words.away_text(operator)
    return words.pipeline_title(operator.pipeline) + (f" · {away}" if away else "")


def subtitle_of(operator: Operator) -> str:
    """Size, memory and what else is unusual; nothing for scalars."""
    if not operator.types or all(type.is_scalar for type in operator.types):
        return ""
    parts = [words.sizes_text(operator), "" if operator.memory is None else words.memory_text(operator)]
    share = words.sparsity_text(operator.types)
    parts.append(share and f"{share} nonzero")
    if operator.kernel in words.WORTH_TELLING:
        parts.append(operator.kernel)
    parts.append(words.away_text(operator))
    return shortened(" · ".join(dict.fromkeys(part for part in parts if part)), 44)


def time_of(operator: Operator) -> str:
    return words.seconds_text(operator.measured.seconds) if operator.measured.calls else ""


def _box(operator: Operator) -> Box:
    title, subtitle, time = title_of(operator), subtitle_of(operator), time_of(operator)
    below = len(subtitle) * SMALL + (len(time) + 2) * SMALL * bool(time)
    width = max(NARROWEST, len(title) * CHARACTER, below) + 2 * PADDING
    return Box(width, CARD if subtitle or time else LOW)


def _pipeline(operator: Operator) -> Shape:
    """A pipeline with its operators laid out inside."""
    pipeline = operator.pipeline
    assert pipeline is not None
    members = pipeline.operators
    outside = list(dict.fromkeys(value for member in members for value in member.inputs if value not in members))
    entries = [Shape(Box(PORT, STRIP, -1)) for _ in outside]
    cards = [Shape(_box(member), member) for member in members]
    exits = [Shape(Box(PORT, 0.0, 1)) for _ in pipeline.results]
    number: dict[Operator | str, int] = {value: at for at, value in enumerate((*outside, *members))}
    lines = [Line(value, member) for member in members for value in member.inputs]
    edges = [Edge(number[line.value], number[line.reader]) for line in lines]
    lines += [Line(result, operator) for result in pipeline.results]
    edges += [Edge(number[result], len(number) + at) for at, result in enumerate(pipeline.results)]
    shapes = [*entries, *cards, *exits]
    drawing = layout([shape.box for shape in shapes], edges)
    for route, edge in zip(drawing.routes, edges, strict=True):
        if edge.start < len(entries):  # from the border through the strip with the title
            route.insert(0, (route[0][0], 0.0))
    inner = Inner(shapes, lines, drawing)
    title = len(title_of(operator)) + len(time_of(operator)) + 4
    width = max(inner.drawing.width + 2 * INSET, title * SMALL + 2 * INSET)
    at_border = [x + (PORT - inner.drawing.width) / 2 for x, _ in inner.drawing.places]
    inner.inputs = dict(zip(outside, at_border, strict=False))
    inner.outputs = dict(zip(pipeline.results, at_border[len(number) :], strict=True))
    return Shape(Box(width, inner.drawing.height), operator, "", inner)


# -- drawing -----------------------------------------------------------------------------------------------------------


def _card(operator: Operator, box: Box, place: Point, scale: Scale) -> Markup:
    x, y = place
    title, subtitle, time = title_of(operator), subtitle_of(operator), time_of(operator)
    parts = [
        tag("rect", x=x, y=y, width=box.width, height=box.height, rx=6, class_="card"),
        tag("rect", x=x, y=y + 4, width=3.5, height=box.height - 8, rx=1.75, class_="stripe"),
        tag("text", title, x=x + PADDING, y=y + (17.0 if box.height > LOW else 16.5), class_="what"),
    ]
    if subtitle:
        parts.append(tag("text", subtitle, x=x + PADDING, y=y + 33, class_="size"))
    if time:
        parts.append(tag("text", time, x=x + box.width - PADDING, y=y + 33, class_="time", text_anchor="end"))
    parts += _meters(operator, x, y + box.height, box.width, scale)
    return tag("g", *parts, **_attributes(operator, scale))


def _pill(shape: Shape, place: Point) -> Markup:
    x, y = place
    box = shape.box
    return tag(
        "g",
        tag("rect", x=x, y=y, width=box.width, height=box.height, rx=box.height / 2),
        tag("text", shape.name, x=x + box.width / 2, y=y + 15.5, text_anchor="middle"),
        class_="pill",
        data_from=shape.operator.number if shape.operator is not None else None,
        data_name=shape.name,
    )


def _hull(operator: Operator, box: Box, place: Point, inner: Inner, scale: Scale) -> Markup:
    x, y = place
    assert operator.pipeline is not None
    title, time = title_of(operator), time_of(operator)
    left = x + (box.width - inner.drawing.width) / 2
    inside = _drawn(inner.shapes, inner.lines, inner.drawing, scale)
    parts = [
        tag("rect", x=x, y=y, width=box.width, height=box.height, rx=10, class_="hull"),
        tag("g", inside, transform=f"translate({left:.1f} {y:.1f})"),
        tag("text", title, x=x + INSET, y=y + 19, class_="title"),
    ]
    if time:
        parts.append(tag("text", time, x=x + box.width - INSET, y=y + 19, class_="time", text_anchor="end"))
    parts += _meters(operator, x, y + box.height, box.width, scale)
    return tag("g", *parts, **_attributes(operator, scale))


def _meters(operator: Operator, x: float, bottom: float, width: float, scale: Scale) -> list[Markup]:
    """A bar along the lower side: the share of the longest time, or of the largest value if nothing was measured."""
    name, share = ("heat", scale.seconds_share(operator)) if scale.seconds else ("bytes", scale.bytes_share(operator))
    if share < LEAST:
        return []
    return [
        tag(
            "rect", x=x + PADDING, y=bottom - 4.5, width=(width - 2 * PADDING) * share, height=2.5, rx=1.25, class_=name
        )
    ]


def _attributes(operator: Operator, scale: Scale) -> Mapping[str, str | int]:
    classes = ["op", f"k-{operator.kind.value}"]
    if scale.bytes_share(operator) >= HEAVY and (operator.memory or 0) >= LEAST_HEAVY:
        classes.append("heavy")
    if scale.seconds_share(operator) >= HOT:
        classes.append("hot")
    return {
        "class_": " ".join(classes),
        "data_op": operator.number,
        "tabindex": "-1",
        "role": "button",
        "aria_label": operator.text if operator.pipeline is None else words.pipeline_title(operator.pipeline),
    }


def _line(line: Line, route: Sequence[Point], scale: Scale) -> Markup:
    value = line.value
    path = _path(route)
    name = value if isinstance(value, str) else _described(value)
    size = value.memory or 0 if isinstance(value, Operator) and value.has_memory else 0
    share = 1 + log10(size / max(scale.bytes, LEAST_HEAVY)) / 3 if size else 0.0
    width = 1.2 + 1.8 * max(0.0, share)
    return tag(
        "g",
        tag("title", name),
        tag("path", d=path, class_="reach"),
        tag("path", d=path, class_="line", stroke_width=f"{width:.1f}"),
        class_="edge",
        data_from=value.number if isinstance(value, Operator) else None,
        data_to=line.reader.number,
    )


def _described(operator: Operator) -> str:
    """A value for the tip of an edge: name, size, memory."""
    parts = [_name(operator) or operator.text, words.sizes_text(operator), words.memory_text(operator)]
    return ", ".join(part for part in parts if part)


def _path(route: Sequence[Point]) -> str:
    (x, y), *rest = route
    text = f"M{x:.1f} {y:.1f}"
    for px, py in rest:
        if abs(px - x) < 0.05:
            text += f"V{py:.1f}"
        else:
            half = (y + py) / 2
            text += f"C{x:.1f} {half:.1f} {px:.1f} {half:.1f} {px:.1f} {py:.1f}"
        x, y = px, py
    return text


def kinds_in(operators: Iterable[Operator]) -> list[Kind]:
    """The kinds that come up, in their own order."""
    found = {operator.kind for operator in operators}
    return [kind for kind in Kind if kind in found]
