"""Random DML programs that are well typed, end, and whose numbers stay small whole ones, so that results are exact.

Names tell kinds: i* ints, d* ints or doubles, b* booleans, s* strings; A to H are 2x2 matrices, R and Q 3x2 ones, L and
K lists of two 2x2 matrices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

T = TypeVar("T")


class Dice(Protocol):
    """Where choices come from."""

    def pick(self, options: Sequence[T]) -> T: ...


@dataclass(frozen=True)
class Scope:
    """The variables that expressions may read, and those that statements may write."""

    ints: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    booleans: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    squares: tuple[str, ...] = ()
    talls: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()  # loop variables: not to be assigned
    functions: tuple[str, ...] = ()
    parallel: bool = False


MAIN = Scope(("i1", "i2"), ("d1", "d2"), ("b1",), ("s1",), ("A", "B", "C", "D"), ("R", "Q"), ("L", "K"))
START = """i1 = 1; i2 = 3; d1 = 2; d2 = 0.5; b1 = TRUE; s1 = "s"
A = matrix("1 2 3 4", 2, 2); B = matrix(0, 2, 2); C = matrix(0, 2, 2); D = A
R = matrix(0, 3, 2); Q = R; L = list(A, B); K = list(matrix(0, 2, 2), B)
"""
END = """print(i1 + " " + i2 + " " + d1 + " " + d2 + " " + b1 + " " + s1)
print(toString(A)); print(toString(B)); print(toString(C)); print(toString(D)); print(toString(R)); print(toString(Q))
print(toString(as.matrix(L[1]))); print(toString(as.matrix(L[2])))
print(toString(as.matrix(K[1]))); print(toString(as.matrix(K[2])))
"""
SIGNATURES = {
    "fg": "(matrix[double] X, matrix[double] Z) return (matrix[double] Y)",
    "fs": "(matrix[double] X, boolean c, string w, int k) return (matrix[double] Y, int n)",
    "fm": "(matrix[double] X, int k) return (matrix[double] Y)",
    "fv": "(matrix[double] X, int k) return (matrix[double] Y)",
    "fp": "(matrix[double] X, matrix[double] Z) return (matrix[double] Y, matrix[double] W)",
    "fl": "(matrix[double] X, list[unknown] M) return (list[unknown] N)",
    "fi": "(int k, double x) return (int n)",
    "fd": "(double x, boolean c) return (double y)",
}


BUILTIN = ("abs", "as", "max", "min", "rev", "sum", "t", "NaN", "Inf")


@dataclass
class Writer:
    dice: Dice
    lines: list[str] = field(default_factory=list)
    indent: int = 0
    names: int = 0
    special: bool = False  # NaN and infinities come up
    written: list[str] = field(default_factory=list)  # matrix expressions that may come up again

    def line(self, text: str) -> None:
        self.lines.append("  " * self.indent + text)

    def pick(self, *options: Callable[[], str] | str) -> str:
        chosen = self.dice.pick(options)
        return chosen if isinstance(chosen, str) else chosen()

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    # ---- expressions ----

    def int(self, s: Scope, depth: int = 2) -> str:
        options: list[Callable[[], str] | str] = ["0", "1", "2", "7", *s.ints, *s.ints, *s.fixed]
        if depth:
            options += [
                lambda: f"({self.int(s, depth - 1)} {self.pick('+', '-', '*')} {self.int(s, depth - 1)})",
                lambda: f"({self.int(s, depth - 1)} {self.pick('%%', '%/%')} {self.pick('2', '3', '-2')})",
                lambda: f"(as.integer({self.number(s, depth - 1)}) %% 100)",
                lambda: f"{self.pick('nrow', 'ncol', 'length')}({self.square(s, depth - 1)})",
                lambda: f"{self.pick('min', 'max')}({self.int(s, depth - 1)}, {self.int(s, depth - 1)})",
                lambda: f"abs({self.int(s, depth - 1)})",
            ]
            if "fi" in s.functions:
                options.append(lambda: f"fi({self.int(s, depth - 1)}, {self.number(s, depth - 1)})")
        return self.pick(*options)

    def number(self, s: Scope, depth: int = 2) -> str:
        options: list[Callable[[], str] | str] = [
            "1",
            "0.5",
            "2.0",
            "-3",
            *s.numbers,
            *s.numbers,
            lambda: self.int(s, 0),
        ]
        if self.special:
            options += [lambda: self.pick("NaN", "Inf", "(-Inf)", "(0 * -1.0)", "1")] * 2
        if depth:
            cell = lambda: f"as.scalar({self.square(s, depth - 1)}[{self.position(s)}, {self.position(s)}])"  # noqa: E731
            options += [
                lambda: f"({self.number(s, depth - 1)} {self.pick('+', '-', '*')} {self.number(s, depth - 1)})",
                lambda: f"({self.number(s, depth - 1)} / {self.pick('1', '2', '0.5')})",
                lambda: f"({self.number(s, depth - 1)} ^ {self.pick('1', '2')})",
                lambda: f"{self.pick('sum', 'max', 'min', 'trace')}({self.square(s, depth - 1)})",
                lambda: f"as.double({self.int(s, depth - 1)})",
                lambda: f"(-{self.number(s, depth - 1)})",
                lambda: (
                    f"ifelse({self.boolean(s, depth - 1)}, {self.number(s, depth - 1)}, {self.number(s, depth - 1)})"
                ),
                cell,
                cell,
            ]
            if "fd" in s.functions:
                options.append(lambda: f"fd({self.number(s, depth - 1)}, {self.boolean(s, depth - 1)})")
        return self.pick(*options)

    def boolean(self, s: Scope, depth: int = 2) -> str:
        options: list[Callable[[], str] | str] = ["TRUE", "FALSE", *s.booleans, *s.booleans]
        if depth:
            options += [
                lambda: f"({self.int(s, depth - 1)} {self.pick('<', '==', '>=')} {self.int(s, depth - 1)})",
                lambda: f"({self.number(s, depth - 1)} {self.pick('<=', '!=', '>')} {self.number(s, depth - 1)})",
                lambda: (
                    f"({self.boolean(s, depth - 1)} {self.pick('&', '|', '&&', '||')} {self.boolean(s, depth - 1)})"
                ),
                lambda: f"(!{self.boolean(s, depth - 1)})",
                lambda: f"({self.string(s, 0)} == {self.string(s, 0)})",
            ]
        return self.pick(*options)

    def string(self, s: Scope, depth: int = 1) -> str:
        options: list[Callable[[], str] | str] = ['"a"', '""', *s.strings]
        if depth:
            options += [lambda: f'("x" + {self.number(s, 1)})', lambda: f"({self.boolean(s, 1)} + {self.string(s, 0)})"]
        return self.pick(*options)

    def position(self, s: Scope) -> str:
        """A position in a matrix of two rows or columns."""
        return self.pick("1", "2", "1", "2", lambda: f"({self.int(s, 1)} %% 2 + 1)")

    def square(self, s: Scope, depth: int = 2) -> str:
        """A 2x2 matrix: one that was written before, or another."""
        if depth and self.dice.pick((True, False, False)):
            known = [text for text in self.written[-8:] if readable(text, s)]
            if known:
                return self.dice.pick(known)
        text = self.new_square(s, depth)
        if depth:
            self.written.append(text)
        return text

    def new_square(self, s: Scope, depth: int) -> str:
        constants = ("matrix(0, 2, 2)", "matrix(1, 2, 2)", 'matrix("1 2 3 4", 2, 2)')
        options: list[Callable[[], str] | str] = [*s.squares, *s.squares, *constants]
        if depth:
            inner: Callable[[], str] = lambda: self.square(s, depth - 1)  # noqa: E731
            options += [
                lambda: f"({inner()} {self.pick('+', '-', '*', '%*%', '==', '<', '&')} {inner()})",
                lambda: f"({inner()} {self.pick('+', '*', '-')} {self.number(s, depth - 1)})",
                lambda: f"t({inner()})",
                lambda: f"t({inner()})",
                lambda: f"{inner()}[, ]",
                lambda: f"{inner()}[1:2, 1:2]",
                lambda: f"cbind({inner()}[, {self.position(s)}], {inner()}[, {self.position(s)}])",
                lambda: f"rbind({inner()}[{self.position(s)}, ], {inner()}[{self.position(s)}, ])",
                lambda: f"({inner()} + {self.pick('rowSums', 'colSums', 'rowMaxs', 'diag')}({inner()}))",
                lambda: f"{self.pick('-', '!')}{inner()}",
                lambda: f"{self.pick('abs', 'rev', 'floor')}({inner()})",
                lambda: f"ifelse({inner()} > {self.number(s, 0)}, {inner()}, {inner()})",
                lambda: f"({inner()} {self.pick('* 1', '/ 1', '- 0', '^ 2', '^ 1')})",
                lambda: f"matrix({inner()}, 2, 2)",
            ]
            if s.lists:
                options += [lambda: f"as.matrix({self.pick(*s.lists)}[{self.position(s)}])"] * 2
            if s.talls:
                options.append(lambda: f"{self.pick(*s.talls)}[{self.pick('1:2', '2:3')}, ]")
                if not self.special:  # where the order of products changes what is NaN
                    tall: Callable[[], str] = lambda: self.pick(*s.talls)  # noqa: E731
                    options.append(lambda: f"(t({tall()}) %*% {tall()} %*% {inner()})")
                    options.append(lambda: f"({tall()} %*% {inner()} %*% {inner()})[{self.pick('1:2', '2:3')}, ]")
            if "fm" in s.functions:
                options.append(lambda: f"fm({inner()}, {self.int(s, depth - 1)})")
                options.append(lambda: f'eval("fm", {inner()}, {self.int(s, 0)})')
            if "fv" in s.functions:
                options.append(lambda: f"fv({inner()}, {self.int(s, 0)})")
            if "fg" in s.functions:
                first = lambda: self.pick(inner, *s.talls)  # noqa: E731
                options += [lambda: f"fg({first()}, {inner()})"] * 2
        return self.pick(*options)

    def listed(self, s: Scope) -> str:
        options: list[Callable[[], str] | str] = [
            *s.lists,
            lambda: f"list({self.square(s, 1)}, {self.square(s, 1)})",
            lambda: f"append(list({self.square(s, 0)}), {self.square(s, 1)})",
            lambda: f"as.list(list({self.pick(*s.lists)})[1])",
        ]
        if "fl" in s.functions:
            options.append(lambda: f"fl({self.square(s, 1)}, {self.pick(*s.lists)})")
        return self.pick(*options)

    # ---- statements ----

    def statements(self, s: Scope, count: int, depth: int = 2) -> None:
        for _ in range(count):
            self.statement(s, depth)

    def statement(self, s: Scope, depth: int) -> None:
        simple = [
            self.scalar,
            self.compute,
            self.alias,
            self.alias,
            self.cell,
            self.cell,
            self.part,
            self.part,
            self.add,
        ]
        if s.lists:
            simple += [self.enlist, self.entry, self.entry]
        if s.talls:
            simple.append(self.tall)
        if "fp" in s.functions and len(s.squares) > 1:
            simple.append(self.several)
        if "fs" in s.functions and s.ints:
            simple += [self.special_call] * 2
        if not s.parallel:
            simple.append(self.show)
        control = [self.branch, self.for_loop, self.while_loop, self.again]
        if s.ints:
            control.append(self.guarded)
        if s.talls and not s.parallel:
            control += [self.parfor, self.parfor]
        self.dice.pick([*simple, *simple, *control] if depth else simple)(s, depth)

    def scalar(self, s: Scope, depth: int) -> None:
        kinds: list[Callable[[], str]] = []
        if s.ints:
            kinds.append(lambda: f"{self.pick(*s.ints)} = {self.int(s)} %% 13")
            kinds.append(lambda: f"{self.pick(*s.ints)} += {self.int(s, 0)}")
        if s.numbers:
            kinds.append(lambda: f"{self.pick(*s.numbers)} = {self.number(s, 0)}")
            kinds.append(lambda: f"{self.pick(*s.numbers)} = floor({self.number(s)}) %% 11")
        if s.booleans:
            kinds.append(lambda: f"{self.pick(*s.booleans)} = {self.boolean(s)}")
        if s.strings:
            kinds.append(lambda: f"{self.pick(*s.strings)} = {self.string(s, 0)}")
        self.line(self.pick(*kinds) if kinds else f"print({self.int(s)})")

    def compute(self, s: Scope, depth: int) -> None:
        self.line(f"{self.pick(*s.squares)} = floor({self.square(s)}) %% 7")

    def alias(self, s: Scope, depth: int) -> None:
        self.line(f"{self.pick(*s.squares)} = {self.square(s, self.dice.pick((0, 0, 1)))}")

    def cell(self, s: Scope, depth: int) -> None:
        at = f"{self.position(s)}, {self.position(s)}"
        value = self.pick("5", *s.fixed, lambda: self.int(s, 1), lambda: f"floor({self.number(s, 1)}) %% 9")
        self.line(f"{self.pick(*s.squares)}[{at}] {self.pick('=', '=', '+=')} {value}")

    def part(self, s: Scope, depth: int) -> None:
        target, at, other = self.pick(*s.squares), self.position(s), self.position(s)
        self.line(
            self.pick(
                lambda: f"{target}[{at}, ] = {self.square(s, 1)}[{other}, ] %% 7",
                lambda: f"{target}[, {at}] = {self.square(s, 1)}[, {other}] %% 7",
                lambda: f"{target}[, {at}] = {self.pick(*s.squares)}[, {other}]",
                lambda: f"{target}[{at}, ] = t({self.pick(*s.squares)}[, {other}])",
                lambda: f"{target}[1:2, 1:2] = {self.square(s, 1)} %% 7",
                lambda: f"{target}[, ] = {self.pick('3', *s.squares)}",
                lambda: f"{target}[1:2, {at}] = {self.int(s, 1)} %% 5",
            )
        )

    def add(self, s: Scope, depth: int) -> None:
        self.line(f"{self.pick(*s.squares)} += {self.square(s, 1)} %% 3")

    def tall(self, s: Scope, depth: int) -> None:
        target = self.pick(*s.talls)
        self.line(
            self.pick(
                lambda: f"{target} = {self.pick(*s.talls)}",
                lambda: f"{target}[2, ] = {self.square(s, 1)}[1, ]",
                lambda: f"{target}[2:3, ] = {self.square(s, 1)} %% 7",
                lambda: f"{target}[{self.pick('1', '2', '3')}, {self.position(s)}] = {self.int(s, 1)}",
                lambda: f"{target} = matrix(0, 3, 2)",
                lambda: f"{target} = rbind({self.square(s, 1)}, {self.pick(*s.talls)}[3, ])",
            )
        )

    def enlist(self, s: Scope, depth: int) -> None:
        self.line(f"{self.pick(*s.lists)} = {self.listed(s)}")

    def entry(self, s: Scope, depth: int) -> None:
        value = self.pick(lambda: self.square(s, 0), lambda: f"{self.pick(*s.lists)}[{self.position(s)}]")
        self.line(f"{self.pick(*s.lists)}[{self.position(s)}] = {value}")

    def several(self, s: Scope, depth: int) -> None:
        first = self.pick(*s.squares)
        second = self.pick(*[n for n in s.squares if n != first])
        self.line(f"[{first}, {second}] = fp({self.square(s, 1)}, {self.square(s, 0)})")

    def special_call(self, s: Scope, depth: int) -> None:
        """A call with constants, mostly."""
        c = self.pick("TRUE", "FALSE", "TRUE", lambda: self.boolean(s, 1))
        w = self.pick('"a"', '"b"', lambda: self.string(s, 0))
        k = self.pick("1", "2", lambda: self.int(s, 1))
        self.line(f"[{self.pick(*s.squares)}, {self.pick(*s.ints)}] = fs({self.square(s, 1)}, {c}, {w}, {k})")

    def show(self, s: Scope, depth: int) -> None:
        shown = self.pick(
            lambda: self.number(s),
            lambda: self.string(s),
            lambda: self.boolean(s),
            lambda: f"toString({self.square(s)})",
        )
        self.line(f"print({shown})")

    # ---- control flow ----

    def body(self, s: Scope, depth: int) -> None:
        self.indent += 1
        self.statements(s, self.dice.pick((1, 2, 3)), depth - 1)
        self.indent -= 1

    def branch(self, s: Scope, depth: int) -> None:
        self.line(f"if ({self.boolean(s)}) {{")
        self.body(s, depth)
        if self.dice.pick((True, False)):
            self.line("} else {")
            self.body(s, depth)
        self.line("}")

    def for_loop(self, s: Scope, depth: int) -> None:
        i = self.name("k")
        over = self.pick("1:2", "3:1", "1:3", "seq(1, 3, 2)", "seq(2, 1, 1)", lambda: f"1:({self.int(s, 1)} %% 3)")
        self.line(f"for ({i} in {over}) {{")
        self.body(replace(s, fixed=(*s.fixed, i)), depth)
        self.line("}")

    def while_loop(self, s: Scope, depth: int) -> None:
        k = self.name("w")
        self.line(f"{k} = 0")
        test = self.pick("", "", lambda: f" & {self.boolean(s)}", lambda: f" && {self.boolean(s)}")
        self.line(f"while ({k} < {self.pick('1', '2', '3')}{test}) {{")
        self.body(replace(s, fixed=(*s.fixed, k)), depth)
        self.line(f"  {k} = {k} + 1")
        self.line("}")

    def again(self, s: Scope, depth: int) -> None:
        """One expression before, in and behind a loop or branch that perhaps changes what it reads."""
        text = self.square(s, 1)
        self.line(f"{self.pick(*s.squares)} = ({text}) %% 7")
        k = self.name("k")
        head = self.pick(f"for ({k} in 1:2)", f"for ({k} in seq(1, 3, 2))", lambda: f"if ({self.boolean(s, 1)})")
        self.line(f"{head} {{")
        self.indent += 1
        for _ in range(2):
            target = self.pick(*s.squares)
            self.line(f"{target} = ({target} + {text}) %% 7")
            self.statements(s, self.dice.pick((0, 1)), depth - 1)
        self.indent -= 1
        self.line("}")
        target = self.pick(*s.squares)
        self.line(f"{target} = ({target} + {text}) %% 7")

    def guarded(self, s: Scope, depth: int) -> None:
        """What would fail if it were run, where it is not."""
        i, target, other = self.pick(*s.ints), self.pick(*s.squares), self.pick(*s.squares)
        fails = f"({other} %*% rbind({self.pick(*s.squares)}, {other})[1:({i} + 1), ])"
        w = self.name("w")
        loop = self.pick("1:2", "seq(1, 2, 1)")
        if self.dice.pick((True, False)):
            self.line(f"for ({w} in {loop}) {{")
            self.statements(s, self.dice.pick((0, 1)), 0)
            self.line(f"  if ({i} == 1) {{ {target} = {fails} %% 7 }}")
        else:
            self.line(f"{w} = 0")
            self.line(f"while ({w} < 2 & {i} == 1) {{")
            self.line(f"  {target} = ({target} + {fails}) %% 7")
            self.statements(s, self.dice.pick((0, 1)), 0)
            self.line(f"  {w} = {w} + 1")
        self.line("}")

    def parfor(self, s: Scope, depth: int) -> None:
        """Iterations write rows of a tall matrix or entries of a list; their own variables are new ones."""
        i, m, q = self.name("p"), self.name("P"), self.name("q")
        into_list = bool(s.lists) and self.dice.pick((False, False, True))
        target = self.pick(*(s.lists if into_list else s.talls))
        readable = replace(
            s,
            talls=tuple(n for n in s.talls if n != target),
            lists=tuple(n for n in s.lists if n != target),
            fixed=(*s.fixed, i),
        )
        self.line(f"parfor ({i} in 1:{'2' if into_list else '3'}) {{")
        self.indent += 1
        self.line(f"{m} = {self.square(readable, 1)}")
        self.line(f"{q} = {self.int(readable, 1)}")
        own = Scope((q,), squares=(m,), fixed=(*s.fixed, i), parallel=True)
        self.statements(own, self.dice.pick((0, 1, 2)), min(depth - 1, 1))
        if into_list:
            self.line(f"{target}[{i}] = {self.pick(m, *readable.squares)}")
        else:
            at, j = self.position(readable), self.position(readable)
            self.line(
                self.pick(
                    lambda: f"{target}[{i}, ] = {m}[{at}, ] %% 7",
                    lambda: f"{target}[{i}, {self.pick('1', '2')}] = {q} + as.scalar({m}[{at}, {j}]) %% 5",
                    lambda: f"{target}[{i}, {self.pick('1', '2')}] = {self.int(readable, 1)} %% 5",
                )
            )
        self.indent -= 1
        self.line("}")

    # ---- functions ----

    def function(self, name: str, known: tuple[str, ...]) -> None:
        self.line(f"{name} = function{SIGNATURES[name]} {{")
        self.indent += 1
        count = self.dice.pick((0, 1, 2, 4))
        if name == "fg":
            self.line("Y = (t(X) %*% X %*% Z) %% 7")
            own = Scope(("k",), squares=("Y", "Z"), functions=known)
            self.line(f"k = {self.pick('nrow', 'ncol', 'length')}(X)")
            self.line(f"if ({self.pick('k', 'nrow(X)', 'k + 1')} == {self.pick('2', '3')}) {{")
            self.body(own, 1)
            self.line("}")
            self.for_loop(own, 1)
            self.line("Y = floor(Y) %% 7")
        elif name == "fs":
            self.line("Y = X; n = k")
            own = Scope(("n",), booleans=("c",), strings=("w",), squares=("X", "Y"), functions=known)
            for test in ("c", 'w == "a"', "!c & k > 1"):
                self.line(f"if ({test}) {{")
                self.body(own, 1)
                self.line("}")
            self.line("for (q in 1:(k %% 3)) {")
            self.body(replace(own, fixed=("q",)), 1)
            self.line("}")
            self.line("n = n %% 13")
        elif name in ("fm", "fv"):
            start = Scope(("k",), squares=("X",), functions=known)
            self.line(f"Y = {self.square(start, self.dice.pick((0, 0, 1)))}")
            self.statements(replace(start, squares=("X", "Y")), count, 1 if name == "fm" else 0)
        elif name == "fp":
            self.line(f"Y = {self.pick('X', 'Z', 't(X)', 'matrix(0, 2, 2)')}")
            self.line(f"W = {self.pick('X', 'Z', 'Y', 'Y[1:2, ]', 'matrix(0, 2, 2)')}")
            self.line("j = 2")
            self.statements(Scope(("j",), squares=("X", "Y", "Z", "W"), functions=known), count, 1)
        elif name == "fl":
            self.line(f"N = {self.pick('M', 'list(X, X)', 'list(X, as.matrix(M[2]))')}")
            self.line("j = 1")
            self.statements(Scope(("j",), squares=("X",), lists=("M", "N"), functions=known), count, 1)
        elif name == "fi":
            self.line("n = k; E = matrix(x, 2, 2)")
            self.statements(Scope(("k", "n"), numbers=("x",), squares=("E",)), count, 1)
            self.line("n = n %% 13")
        else:
            self.line("y = x; E = matrix(0, 2, 2)")
            self.statements(Scope((), numbers=("x", "y"), booleans=("c",), squares=("E",)), count, 1)
            self.line("y = floor(y) %% 11")
        if self.dice.pick((False, False, True)):
            self.line(f'print("in {name}")')
        self.indent -= 1
        self.line("}")


def readable(text: str, s: Scope) -> bool:
    """Do the variables and functions that an expression names exist in a scope?"""
    own = {*s.ints, *s.numbers, *s.booleans, *s.strings, *s.squares, *s.talls, *s.lists, *s.fixed, *s.functions}
    names = set(re.findall(r"[A-Za-z]\w*", re.sub(r"\.\w+|\"[^\"]*\"", "", text)))
    return all(name in own for name in names if (len(name) <= 3 or name[1:].isdigit()) and name not in BUILTIN)


def program(dice: Dice, size: int, *, special: bool = False) -> str:
    """A program of `size` statements, not counting those inside others."""
    writer = Writer(dice, special=special)
    known: tuple[str, ...] = ()
    for name in SIGNATURES:
        if dice.pick((True, True, False)):
            writer.function(name, known)
            known = (*known, name)
    writer.lines += START.splitlines()
    writer.statements(replace(MAIN, functions=known), size)
    writer.lines += END.splitlines()
    return "\n".join(writer.lines) + "\n"
