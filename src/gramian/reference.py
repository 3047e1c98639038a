"""The reference page of the builtins, written from their records: `python -m gramian.reference > docs/builtins.md`."""

from __future__ import annotations

from gramian.ir.op import REGISTRY, Effect, Op

HEAD = """# Builtin functions and operators

This page is written from the operator records (`make docs`); `gramian builtins NAME` shows one of them in the terminal.

After a parameter's colon stand the kinds of values that it accepts: `matrix`, `frame`, `list`, `string`, `scalar` (any),
`number` (an int or double, as it is), `int` (a number, truncated), `double` (a number), `boolean` (a boolean or number),
`any`. `= value` is a default, `= missing` marks an argument that may be left out, `...` one that may be repeated. Arguments
are given by position, by name, or by position first and then by name.
"""


def page() -> str:
    """The page as Markdown."""
    import gramian.ops

    _ = gramian.ops
    public = [op for op in REGISTRY.records() if not op.internal]
    parts = [HEAD]
    for family in sorted({op.family for op in public}):
        parts.append(f"\n## {family}\n\n| | meaning | results, notes |\n|---|---|---|\n")
        parts += [row(op) for op in public if op.family == family]
    return "".join(parts)


def row(op: Op) -> str:
    cells = (f"`{op.signature}`", op.doc, "; ".join(notes(op)))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def notes(op: Op) -> list[str]:
    found = []
    if op.outputs:
        found.append(f"results `[{', '.join(op.outputs)}]`")
    if op.aliases:
        found.append(f"also {', '.join(f'`{alias}`' for alias in op.aliases)}")
    if op.definition:
        found.append(f"means `{op.definition}`")
    if op.gradient:
        found.append("differentiable by " + ", ".join(f"`{name}`" for name in op.gradient))
    if op.effect is Effect.FRESH:
        found.append("a new result each time")
    return found


if __name__ == "__main__":
    print(page(), end="")
