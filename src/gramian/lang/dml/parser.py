"""The entry points of the DML front end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gramian.errors import Diagnostic, ScriptError
from gramian.lang.dml.cursor import Cursor, GiveUpError, StatementError
from gramian.lang.dml.expressions import Expressions
from gramian.lang.dml.lexer import END, MAX_ERRORS, tokenize
from gramian.lang.dml.statements import Statements
from gramian.lang.tree import Expr, Script
from gramian.source import Source

T = TypeVar("T")


def parse(source: Source) -> Script:
    """The syntax tree of a script. Raises one `ScriptError` with all syntax errors, in the order of their places."""
    parser = Statements(tokenize(source))
    return _finish(parser, parser.script)


def parse_expression(source: Source) -> Expr:
    """The syntax tree of a text that consists of one expression, raising `ScriptError` like `parse`."""
    parser = Expressions(tokenize(source))

    def whole() -> Expr | None:
        try:
            expr = parser.expression()
            parser.tidy()
            if parser.kind != END:
                parser.fail(f"expected an operator or the end of the expression, but found {parser.describe()}")
            return expr
        except StatementError as failure:
            parser.record(failure.diagnostic)
            return None

    return _finish(parser, whole)


def _finish(parser: Cursor, read: Callable[[], T | None]) -> T:
    result = None
    try:
        result = read()
    except GiveUpError:
        pass
    except RecursionError:
        # MAX_DEPTH keeps clear of this, unless the caller has used up most of Python's stack.
        _give_up(parser)
    findings = _in_order(parser.lexed.errors + parser.found)
    if parser.suppressed is not None and not findings:
        findings = [parser.suppressed]
    if findings or result is None:
        raise ScriptError(findings)
    return result


def _give_up(parser: Cursor) -> None:
    try:
        parser.too_deep()
    except GiveUpError:
        return


def _in_order(findings: list[Diagnostic]) -> list[Diagnostic]:
    """By place, one for each place."""
    by_place: dict[int, Diagnostic] = {}
    for finding in findings:
        by_place.setdefault(finding.span.start if finding.span else -1, finding)
    ordered = [by_place[start] for start in sorted(by_place)]
    if len(ordered) >= MAX_ERRORS:
        ordered = ordered[:MAX_ERRORS]
        ordered[-1] = ordered[-1].with_note("there may be more errors; these are the first ones")
    return ordered
