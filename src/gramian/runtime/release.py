"""Where generated code lets go of values that nobody needs any more, so that their memory can be used again.

A block lets go of a temporary, and of a variable that is not live after it, behind the last line that names it. What dies
otherwise, such as a variable that only one branch of an `if` reads, goes at the beginning of a branch or behind the item.
Scalars and small matrices stay where they are: letting go of them takes longer than it is worth. Of a matrix that goes in
the midst of a block its size stays in the variable, for what errors say of operands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from gramian.cost.memory import value_bytes
from gramian.ir.liveness import Liveness, liveness
from gramian.ir.program import Block, Function, Item, Region
from gramian.ir.types import Kind, Type

if TYPE_CHECKING:
    from gramian.runtime.codegen import FunctionWriter

SMALLEST = 1 << 16  # bytes of a value that is let go of
NAME = re.compile(r"\b(?:t\d+|v_\w+)\b")
ASSIGNED = re.compile(r"\s*(t\d+|v_\w+) = ")
CALL = re.compile(r"\s*(?:\w+ = )?f_\w+\(")
TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def is_large(type: Type) -> bool:
    """May a value of the type be worth letting go of?"""
    if type.kind is Kind.SCALAR:
        return False
    size = value_bytes(type)
    return size is None or size >= SMALLEST


class Releases:
    """What the code of one function lets go of, while it is written.

    `large` are the generated variables that hold, or have held, large values; `unsized` those that in the present block
    hold something without a size. Inside of the body of a parfor, only its `own` variables may be assigned.
    """

    def __init__(self, writer: FunctionWriter, function: Function) -> None:
        self.writer = writer
        self.function = function
        self.large: set[str] = set()
        self.unsized: set[str] = set()
        for param in function.params:
            self.note(f"v_{param.name}", param.type)
        self.own: Collection[str] | None = None

    @cached_property
    def live(self) -> Liveness:
        return liveness(self.function)

    def note(self, name: str, type: Type) -> None:
        """The generated variable gets a value of the type."""
        if is_large(type):
            self.large.add(name)
        if type.kind not in (Kind.MATRIX, Kind.FRAME):
            self.unsized.add(name)

    def forget(self, names: Iterable[str]) -> None:
        """These may hold anything from now on."""
        self.large.difference_update(names)

    def may_release(self, name: str) -> bool:
        return self.own is None or not name.startswith("v_") or name[2:] in self.own

    # -- around items -----------------------------------------------------------------------------------------------

    def on_entry(self, region: Region, item: Item) -> None:
        """At the beginning of a branch: what only other branches read."""
        if self.large and region:
            self.write(self.live.before[item] - self.live.before[region[0]])

    def after(self, item: Item) -> None:
        """Behind an item of control flow: what only it has read."""
        if self.large:
            self.write(self.live.before[item] - self.live.after[item])

    def parameters(self, region: Region) -> None:
        """At the beginning of the function: arguments that it does not need."""
        if self.large and region:
            self.write({p.name for p in self.function.params} - self.live.before[region[0]])

    def write(self, variables: Iterable[str]) -> None:
        names = sorted(f"v_{name}" for name in variables)
        if found := [name for name in names if name in self.large and self.may_release(name)]:
            self.writer.origin = None
            self.writer.line(" = ".join([*found, "None"]))

    # -- in blocks --------------------------------------------------------------------------------------------------

    def in_block(self, start: int, block: Block) -> None:
        """Have the lines of a block, from `start` on, let go of everything but the variables that are live after it."""
        if not self.large:
            self.unsized.clear()
            return
        lines = self.writer.out.lines
        needed = {f"v_{name}" for name in self.live.after[block]}
        for at in range(len(lines) - 1, start - 1, -1):
            code = without_texts(lines[at])
            assigned = ASSIGNED.match(code)
            target = assigned[1] if assigned else None
            unused = {target} - needed if target else set()
            needed.discard(target or "")
            used = NAME.findall(code, assigned.end() if assigned else 0)
            last = {name for name in ({*used, *unused} & self.large) - needed if self.may_release(name)}
            given = {n for n in last if used.count(n) == 1} if CALL.match(code) else set()
            self.insert(self.behind(at), sorted(last - given - ({target} - unused)))
            if given:
                self.hand_over(at, given)
            needed.update(used)
        self.unsized.clear()

    def behind(self, at: int) -> int:
        """The place behind a line, and behind what is indented below it."""
        lines, indent = self.writer.out.lines, "    " * self.writer.indent
        at += 1
        while at < len(lines) and (lines[at].startswith(indent + " ") or lines[at] == indent + "else:"):
            at += 1
        return at

    def insert(self, at: int, names: Sequence[str]) -> None:
        if names:
            out = self.writer.out
            parts = [f"{name} = {name}.shape" for name in names if name not in self.unsized]
            if rest := [name for name in names if name in self.unsized]:
                parts.append(" = ".join([*rest, "None"]))
            out.lines.insert(at, "    " * self.writer.indent + "; ".join(parts))
            out.spans.insert(at, out.spans[at - 1])
            out.origins.insert(at, None)

    def hand_over(self, at: int, names: Collection[str]) -> None:
        """The function called in a line becomes the only holder of these arguments, so that it can let go of them."""
        out = self.writer.out
        line, code = out.lines[at], without_texts(out.lines[at])
        call = CALL.match(code)
        assert call is not None
        for found in reversed(list(NAME.finditer(code, call.end()))):
            if found[0] in names:
                line = f"{line[: found.end()]}.pop(){line[found.end() :]}"
        out.lines[at] = line
        for name in sorted(names):
            out.lines.insert(at, "    " * self.writer.indent + f"{name} = [{name}]")
            out.spans.insert(at, out.spans[at])
            out.origins.insert(at, out.origins[at])


def without_texts(code: str) -> str:
    """A line of code with blanks in place of literal texts."""
    return TEXT.sub(lambda found: " " * len(found[0]), code)
