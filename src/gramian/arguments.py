"""Command lines as users of SystemML and SystemDS write them: `-nvargs a=1 b=2 -stats 5 -explain`.

Options may begin with one dash or two. `nvargs` and `args` take everything up to the next option; `stats` and `explain`
have an optional value, which command line libraries do not know.
"""

from __future__ import annotations

from collections.abc import Sequence

SEVERAL = ("nvargs", "args")
OPTIONAL = {"stats": "10", "explain": ""}
SINGLE = (
    "exec",
    "seed",
    "precision",
    "memory",
    "scratch",
    "master",
    "after",
    "html",
    "file",
    "script",
    "out",
    "x",
    "columns",
)
SHORT = ("-s", "-f", "-o", "-h")
FLAGS = ("help", "version")

# What upstream calls the stages of its -explain, and the nearest pass here.
STAGES = {"hops": "", "runtime": "", "recompile_hops": "", "recompile_runtime": ""}


def upstream_spelling(argv: Sequence[str]) -> list[str]:
    """The arguments in the one spelling that the command line library reads.

    Raises:
        ValueError: an option misses its values.
    """
    out: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        name = _option(word)
        if name in SEVERAL:
            values = ([word.partition("=")[2]] if "=" in word else []) + _take(rest)
            if not values:
                raise ValueError(f"option -{name} needs at least one value")
            for value in values:
                out.append(f"--{name}={value}")
        elif name in OPTIONAL:
            fits = bool(rest) and _option(rest[0]) is None and (name != "stats" or rest[0].lstrip("-").isdecimal())
            if "=" in word:
                value = word.partition("=")[2]
            else:
                value = rest.pop(0) if fits and not _is_script(rest[0]) else OPTIONAL[name]
            out.append(f"--{name}={STAGES.get(value, value)}")
        else:
            unknown = name is None and len(word) > 2 and word[0] == "-" and word[1].isalpha()
            out.append(f"--{name}" + word[len(word.split("=")[0]) :] if name else f"-{word}" if unknown else word)
            if (name in SINGLE and "=" not in word and rest) or (word in SHORT and rest):
                out.append(rest.pop(0))
    return out


def _is_script(word: str) -> bool:
    return word.endswith((".dml", ".pydml"))


def _option(word: str) -> str | None:
    """The name of a long option, written with one dash or two."""
    if not word.startswith("-"):
        return None
    name = word.lstrip("-").split("=")[0]
    return name if name in (*SEVERAL, *OPTIONAL, *SINGLE, *FLAGS) else None


def _take(rest: list[str]) -> list[str]:
    values = []
    while rest and _option(rest[0]) is None and rest[0] not in SHORT:
        values.append(rest.pop(0))
    return values
