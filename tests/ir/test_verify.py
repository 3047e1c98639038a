"""The invariants of programs hold after every pass, and what breaks them is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cases import FOLDER, SCRIPTS, compiled, stages

from gramian.errors import GramianError
from gramian.ir.node import Node, absent, build, call, intern, literal, output, var
from gramian.ir.op import REGISTRY
from gramian.ir.program import Assign, Block, Do, For, If, Program, Statement, While
from gramian.ir.types import DOUBLE, INT, LIST, NUMBER, STRING, UNKNOWN, matrix, results, scalar, type_of
from gramian.ir.verify import compatible, verify


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(FOLDER).with_suffix("")))
def test_cases_hold_after_every_pass(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    try:
        program = compiled(path.read_text(encoding="utf-8"), path.name)
        for _, changed in stages(program):
            verify(changed)
    except GramianError:
        return  # a script with errors has no program


BASE = compiled(
    "f = function(double x) return (double y, double z) { y = x\n z = x }\n"
    "X = matrix(1, 2, 2)\n[a, b] = f(1.0)\nprint(a)"
)
X = var("X", matrix(2, 2))
ONES = build("matrix", [literal(1), literal(2), literal(2), literal(True)])
PRINT = build("print", [literal(1)], (1,))
TIME = build("time", [], (2,))
F = call("f", (literal(1.0),), 3, results(scalar(DOUBLE), scalar(DOUBLE)))


def program(*statements: Statement) -> Program:
    return replace(BASE, main=replace(BASE.main, body=(Block(statements, {}),)))


def assign(name: str, value: Node) -> Assign:
    return Assign(name, value, BASE.main.span)


def do(value: Node) -> Do:
    return Do(value, BASE.main.span)


def test_a_right_program() -> None:
    verify(BASE)
    verify(program(assign("y", build("t", [X])), do(F), assign("z", output(F, 1)), do(PRINT)))


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ([assign("y", var("nowhere", scalar(INT)))], "variable 'nowhere' is read but never assigned"),
        ([assign("y", F)], "'y' is assigned no single value"),
        ([assign("y", absent())], "'y' is assigned no single value"),
        ([do(build("t", [X]))], "a statement has neither target nor effect"),
        ([do(PRINT), do(PRINT)], "an effect is listed twice"),
        ([assign("y", TIME)], "an effect is not listed before its result is used"),
        ([assign("y", output(F, 0)), do(F)], "an effect is not listed before its result is used"),
        ([do(build("print", [TIME], (4,))), do(TIME)], "an effect is not listed before its result is used"),
        ([do(call("g", (), 3, results()))], "function 'g' does not exist"),
        ([do(call("f", (), 3, F.type))], "f() has 1 parameters, and gets 0"),
        ([do(call("f", (X,), 3, F.type))], "parameter 'x' of f() gets a 2x2 matrix"),
        ([do(call("f", (literal(1.0),), 3, results()))], "a call of f() has type ()"),
        ([assign("y", intern(REGISTRY["t"], (X,), (), matrix(3, 2)))], "a node has type matrix 3x2, but matrix 2x2"),
        ([assign("y", intern(REGISTRY["sum"], (X,), (), LIST))], "a node has type list, but double follows"),
        ([], "a block is empty"),
    ],
)
def test_what_is_wrong_is_found(statements: list[Statement], message: str) -> None:
    with pytest.raises(AssertionError) as found:
        verify(program(*statements))
    assert f"main: {message}" in str(found.value)


def head(test: Node, make: Callable[[Node], If | While | For]) -> Program:
    return replace(BASE, main=replace(BASE.main, body=(make(test),)))


@pytest.mark.parametrize(
    "make",
    [
        lambda test: If(test, (), (), BASE.main.span, {}),
        lambda test: While((), test, (), BASE.main.span, {}),
        lambda test: For("i", literal(1), test, None, (), BASE.main.span, {}),
    ],
)
def test_heads_have_no_effects(make: Callable[[Node], If | While | For]) -> None:
    with pytest.raises(AssertionError, match="has an effect"):
        verify(head(build(">", [TIME, literal(1)]), make))
    with pytest.raises(AssertionError, match="is a 2x2 matrix"):
        verify(
            head(build("t", [build("t", [build("matrix", [literal(1), literal(2), literal(2), literal(True)])])]), make)
        )
    verify(head(literal(1), make))


def test_the_message_shows_the_plan() -> None:
    with pytest.raises(AssertionError, match=r"y = t\(nowhere\)"):
        verify(program(assign("y", build("t", [var("nowhere", matrix())]))))


def test_inputs_have_values() -> None:
    verify(program(assign("y", build("t", [var("A", matrix())]))), inputs=["A"])


def test_compatible_types() -> None:
    assert compatible(matrix(2, None), matrix(None, 3))
    assert not compatible(matrix(2, 3), matrix(3, 3))
    assert not compatible(matrix(), LIST)
    assert compatible(scalar(INT), scalar(NUMBER))
    assert compatible(scalar(STRING), scalar(UNKNOWN))
    assert not compatible(scalar(STRING), scalar(NUMBER))
    assert not compatible(type_of(1), type_of(2))
    assert not compatible(results(), results(LIST))
