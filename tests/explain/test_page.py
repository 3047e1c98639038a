"""The page of `gramian explain --html`: well-formed, in one file, complete, and safe whatever the script says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from explained import GOLDEN, explained, explained_run

from gramian.explain.coloured import coloured_lines
from gramian.explain.html import page
from gramian.explain.markup import Markup, joined, tag
from gramian.explain.model import Explanation
from gramian.settings import Settings
from gramian.source import Source

VOID = {"meta", "input", "br", "path", "rect", "col", "circle"}
EVIL = """# </script><script>alert(1)</script> <!-- "&amp;" -->
x = "</style><img src=x onerror='alert(2)'> & <b>bold</b>"
/* a comment
   over <i>lines</i> */
print(x + "</script>")
X = matrix(1, rows=3, cols=2)
print(toString(X) + "{{data}} {{title}}")
"""


class Reader(HTMLParser):
    """Reads a page, and notes what it consists of."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self.open), data))

    def all(self, tag: str, **wanted: str) -> Iterator[dict[str, str | None]]:
        """The elements of a name whose classes are among those wanted."""
        for name, attributes in self.elements:
            classes = (attributes.get("class") or "").split()
            if name == tag and ("class_" not in wanted or wanted["class_"] in classes):
                yield attributes

    def content(self, tag: str) -> list[str]:
        return [text for place, text in self.texts if place and place[-1] == tag]


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])["operators"]
    return data


def golden(name: str) -> Explanation:
    return explained((GOLDEN / f"{name}.dml").read_text(encoding="utf-8"), f"{name}.dml")


@pytest.fixture(scope="module", params=["train", "pipelines", "sparse", "late", "evil", "empty", "run", "places"])
def explanation(request: pytest.FixtureRequest) -> Explanation:
    match request.param:
        case "evil":
            return explained(EVIL, "<b>&amp;.dml")
        case "empty":
            return explained("")
        case "places":
            script = (GOLDEN / "places.dml").read_text(encoding="utf-8")
            return explained(script, settings=Settings(memory=2_000_000_000, mode="spark"))
        case "run":
            return explained_run("X = rand(rows=1000, cols=100, seed=1)\nfor (i in 1:3) {\n  print(sum(X * i))\n}\n")
    return golden(request.param)


def test_it_is_well_formed_and_in_one_file(explanation: Explanation) -> None:
    text = page(explanation)
    assert text.startswith("<!DOCTYPE html>")
    reader = Reader(text)
    names = {name for name, _ in reader.elements}
    assert not names & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "audio",
        "video",
        "image",
        "use",
        "a",
        "form",
    }
    for name, attributes in reader.elements:
        assert not {"src", "href", "xlink:href", "action", "srcset", "data"} & attributes.keys(), name
        assert not any(key.startswith("on") for key in attributes), name
    style = "".join(reader.content("style"))
    assert "url(" not in style
    assert "@import" not in style
    script = "".join(text for text in reader.content("script"))
    assert not re.search(
        r"\b(?:fetch|XMLHttpRequest|import)\s*\(|innerHTML|insertAdjacentHTML|document\.write|eval\(", script
    )


def test_only_its_own_script_may_run(explanation: Explanation) -> None:
    text = page(explanation)
    reader = Reader(text)
    policy = next(a["content"] for a in reader.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert len(list(reader.all("script"))) == 2


def test_every_operator_is_there(explanation: Explanation) -> None:
    text = page(explanation)
    reader = Reader(text)
    numbers = [str(operator.number) for operator in explanation.operators()]
    assert len(numbers) == len(set(numbers))
    assert sorted(a["data-op"] for a in reader.all("g", class_="op")) == sorted(numbers)
    assert sorted(a["data-op"] or "" for a in reader.all("tr", class_="op")) == sorted(numbers)
    assert data_of(text).keys() == set(numbers)
    assert sum(a.get("class") == "hull" for a in reader.all("rect")) == len(explanation.pipelines)


def test_the_source_is_there_line_by_line(explanation: Explanation) -> None:
    text = page(explanation)
    reader = Reader(text)
    lines = explanation.source.text.splitlines()
    keys = [a["data-line"] for a in reader.all("div", class_="line")]
    assert keys[: len(lines)] == [f"0:{at}" for at in range(1, len(lines) + 1)]
    known = set(keys)
    for operator in data_of(text).values():
        assert set(operator["lines"]) <= known
    shown = "".join(t for place, t in reader.texts if "code" in place and "article" in place)
    assert shown.replace("\n", "") == "".join(lines)


def test_edges_lead_from_operators_to_operators(explanation: Explanation) -> None:
    text = page(explanation)
    reader = Reader(text)
    data = data_of(text)
    edges = list(reader.all("g", class_="edge"))
    assert all(a["data-to"] in data for a in edges)
    assert all(a.get("data-from") is None or a["data-from"] in data for a in edges)
    drawn = {(a.get("data-from"), a["data-to"]) for a in edges}
    pills = {a.get("data-from") for a in reader.all("g", class_="pill")}
    for number, operator in data.items():
        for _, *made in operator["inputs"]:
            for source in made:
                assert (str(source), number) in drawn or str(source) in pills
                assert int(number) in [user[1] for user in data[str(source)]["users"]]


def test_what_a_script_says_stays_text() -> None:
    text = page(explained(EVIL, "<b>&amp;.dml"))
    for bad in ("alert(1)</script>", "<img", "</style><", "<b>bold", "<i>lines", "<b>&amp;.dml"):
        assert text.count(bad) == 0, bad
    reader = Reader(text)
    assert "<b>&amp;.dml" in reader.content("h1")
    assert any("</style><img src=x onerror='alert(2)'> & <b>bold</b>" in text for text in reader.content("span"))
    # Names of places in the template are nothing special in a script.
    assert any("{{data}} {{title}}" in text for text in reader.content("span"))


def test_times_are_in_the_page() -> None:
    explanation = explained_run("X = rand(rows=1000, cols=100, seed=1)\nfor (i in 1:3) {\n  print(sum(X * i))\n}\n")
    text = page(explanation)
    reader = Reader(text)
    assert "run time" in reader.content("span")
    measured = [o for o in data_of(text).values() if any(fact[0] == "calls" for fact in o["facts"])]
    assert {"3", "1"} <= {fact[1] for o in measured for fact in o["facts"] if fact[0] == "calls"}
    assert any((a.get("class") or "").startswith("spent heat9") for a in reader.all("span"))
    assert "time" in reader.content("th")
    assert "time" not in Reader(page(golden("train"))).content("th")


def test_details_of_a_pipeline() -> None:
    data = data_of(page(golden("pipelines")))
    pipelines = [o for o in data.values() if o["kind"] == "pipeline"]
    assert pipelines
    for pipeline in pipelines:
        assert pipeline["inside"]
        assert all("def kernel(" in code for code in pipeline["code"])
        for _, number in pipeline["inside"]:
            assert str(data[str(number)]["within"]) in data
    facts = {fact[0]: fact[1] for fact in pipelines[-1]["facts"]}
    assert facts["rows"] == "10 000 000"


def test_colours_leave_the_text_as_it_is() -> None:
    text = "x = \"a # b\" # c 'd'\n/* one\n two */ y = 1e-3 + .5\r\nif (TRUE) { z = 'q\"' }\n\n"
    lines = coloured_lines(Source("s", text))
    assert len(lines) == 5
    plain = [
        "".join(Reader(f"<p>{line}</p>").texts[at][1] for at in range(len(Reader(f"<p>{line}</p>").texts)))
        for line in lines
    ]
    assert plain == text.replace("\r", "").split("\n")[:-1]
    assert "<span class=\"hl-comment\"># c 'd'</span>" in lines[0]
    assert lines[1] == '<span class="hl-comment">/* one</span>'
    assert '<span class="hl-number">1e-3</span>' in lines[2]


def test_markup_escapes_what_is_not_markup() -> None:
    assert tag("p", "<&>", title='"<', class_="a") == '<p title="&quot;&lt;" class="a">&lt;&amp;&gt;</p>'
    assert tag("rect", x=1.25, y=2.0, rx=None) == '<rect x="1.2" y="2"/>'
    assert joined(Markup("<b>"), "<b>", 3) == "<b>&lt;b&gt;3"
