"""The pages that are written from records: `python -m gramian.reference > docs/builtins.md` for the builtins, and

`python -m gramian.reference rewrites > docs/rewrites.md` for the rewrites.
"""

from __future__ import annotations

import sys

from gramian.ir.op import REGISTRY, Effect, Op
from gramian.rewrite.rule import TAGS, Rule, read_rules
from gramian.rewrite.rules import all_rules, rule_files
from gramian.source import Source

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
        by = dict.fromkeys(n for names, text in op.gradient.items() if text != "0" for n in names.split(", "))
        by = dict.fromkeys(op.params[-1].name if op.variadic else name for name in by)
        found.append("differentiable by " + ", ".join(f"`{name}`" for name in by))
    if op.effect is Effect.FRESH:
        found.append("a new result each time")
    return found


REWRITES = """# Rewrites

This page is written from the {count} rules in `src/gramian/rewrite/rules` (`make docs`); `gramian explain` shows which ones
fired. In a rule an upper-case letter stands for any matrix and a lower-case one for any number; `f(X)` and `g(X, Y)` stand
for all operators that work cell by cell. A scalar whose name ends in `_` may be an argument that is not given.

A rule applies where its condition certainly holds: what is not known is no yes. `once(X %*% Y)` holds where nothing else
needs that operator, `isMask(X)` where all cells are 0 or 1 because a comparison made them, `isModerate(s)` for a known
number that is neither zero nor extreme, and `density(X)` is the estimated share of cells that are not zero, 1 if nothing is
known of it; it decides about costs only.

No rule makes a finite number NaN or infinite, changes a type or loses an error. What else a rule may change:

| tag | may change |
|---|---|
{tags}"""


def rewrites_page() -> str:
    """The page of the rewrites as Markdown."""
    tags = "".join(f"| {name} | {text} |\n" for name, text in TAGS.items())
    parts = [REWRITES.format(count=len(all_rules()), tags=tags)]
    for source in rule_files():
        parts += rewrite_sections(source)
    return "".join(parts)


def rewrite_sections(source: Source) -> list[str]:
    """Each comment of a file of rules with the rules that follow, the first one as the heading of them all."""
    parts: list[str] = []
    rules = {rule.span.line: rule for rule in read_rules(source)}
    for number, line in enumerate(source.text.splitlines(), start=1):
        if line.startswith("#"):
            title = line.lstrip("# ")
            parts += [
                f"\n### {title.rstrip('.')}\n" if parts else f"\n## {title}\n",
                "\n| rule | if | changes |\n|---|---|---|\n",
            ]
        elif number in rules:
            parts.append(rewrite_row(rules[number]))
    return parts


def rewrite_row(rule: Rule) -> str:
    condition = f"`{rule.condition}`" if rule.condition else ""
    changes = ", ".join(tag for tag in TAGS if tag in rule.tags)
    cells = (f"`{rule.left} -> {rule.right}`", condition, changes)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(rewrites_page() if sys.argv[1:] == ["rewrites"] else page(), end="")
