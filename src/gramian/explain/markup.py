"""HTML and SVG as text. Whatever comes from a script goes through here, and is escaped."""

from __future__ import annotations

from html import escape

EMPTY = frozenset({"path", "rect", "col", "meta", "circle"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Content = str | int | float


def tag(name: str, *content: Content, **attributes: Content | None) -> Markup:
    """An element. Plain text in it is escaped; attributes that are None or "" are left out.

    In names of attributes `_` stands for `-`; one at the end goes, as in `class_`.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None and value != ""
    )
    if name in EMPTY:
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{joined(*content)}</{name}>")


def joined(*content: Content) -> Markup:
    return Markup("".join(item if isinstance(item, Markup) else escape(_text(item), quote=False) for item in content))


def _text(value: Content) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
