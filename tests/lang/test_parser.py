"""The DML parser: the tree of every construct, and what is said about scripts that are none."""

from __future__ import annotations

import math
import time
from dataclasses import fields

import pytest
from hypothesis import given, settings, strategies as st

from gramian.errors import Diagnostic, ScriptError
from gramian.lang import tree
from gramian.lang.dml import parse, parse_expression
from gramian.source import Source, Span

# An s-expression printer, so that trees can be written down in the tests


def show(node: object) -> str:
    """A node as an s-expression."""
    match node:
        case None:
            return "_"
        case tree.Literal(value=value):
            return repr(value)
        case tree.Name(name=name):
            return name
        case tree.Parameter(name=name):
            return "$" + name
        case tree.Unary(op=op, operand=operand):
            return f"({op} {show(operand)})"
        case tree.Binary(op=op, left=left, right=right):
            return f"({op} {show(left)} {show(right)})"
        case tree.Arg(name=name, value=value):
            return f"{name}={show(value)}" if name else show(value)
        case tree.Call(namespace=namespace, function=function, args=args):
            return f"({namespace + '::' if namespace else ''}{function}!{row(args)})"
        case tree.Subscript(lower=lower, upper=upper):
            return show(lower) if upper is None else f"{show(lower)}:{show(upper)}"
        case tree.Index(target=target, rows=rows, cols=cols, single=single):
            return f"{show(target)}[{show(rows)}{'' if single else ',' + show(cols)}]"
        case tree.ListLiteral(items=items):
            return f"(list{row(items)})"
        case _:
            return show_statement(node)


def show_statement(node: object) -> str:
    match node:
        case tree.Target(name=name, index=index):
            return name if index is None else show(index)
        case tree.Assign(target=target, value=value, accumulate=accumulate):
            return f"({'+=' if accumulate else '='} {show(target)} {show(value)})"
        case tree.MultiAssign(targets=targets, call=call):
            return f"(= ({row(targets).strip()}) {show(call)})"
        case tree.CallStmt(call=call):
            return f"(do {show(call)})"
        case tree.If(condition=condition, then=then, orelse=orelse):
            return f"(if {show(condition)} {block(then)} {block(orelse)})"
        case tree.While(condition=condition, body=body):
            return f"(while {show(condition)} {block(body)})"
        case tree.For() as loop:
            word = "parfor" if loop.parallel else "for"
            over = show(loop.items) if loop.items else f"{show(loop.start)} {show(loop.stop)} {show(loop.step)}"
            return f"({word} {loop.variable} {over}{row(loop.options)} {block(loop.body)})"
        case tree.Import(path=path, namespace=namespace):
            return f"(import {path} {namespace})"
        case tree.SetWd(path=path):
            return f"(setwd {path})"
        case tree.Declared(kind=kind, value_type=value_type, name=name, default=default):
            return f"{kind}[{value_type}]:{name}" + (f"={show(default)}" if default else "")
        case tree.Function() as f:
            word = "external" if f.external else "function"
            return f"({word} {f.name} ({row(f.params).strip()}) ({row(f.outputs).strip()}) {block(f.body)})"
        case _:
            raise AssertionError(f"no s-expression for {node!r}")


def row(nodes: tuple[object, ...]) -> str:
    return "".join(f" {show(node)}" for node in nodes)


def block(nodes: tuple[object, ...]) -> str:
    return "{" + row(nodes).strip() + "}"


def script(text: str) -> str:
    return row(parse(Source("test.dml", text)).statements).strip()


def function(text: str) -> str:
    return row(parse(Source("test.dml", text)).functions).strip()


def expression(text: str) -> str:
    return show(parse_expression(Source("test.dml", text)))


def errors(text: str) -> list[Diagnostic]:
    with pytest.raises(ScriptError) as caught:
        parse(Source("test.dml", text))
    return caught.value.diagnostics


def place(found: Diagnostic) -> str:
    assert found.span is not None
    return f"{found.span.line}:{found.span.column}"


def places(text: str) -> list[str]:
    return [place(found) for found in errors(text)]


# Expressions


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1", "1"),
        ("1.5", "1.5"),
        ("'a'", "'a'"),
        ("TRUE", "True"),
        ("$x + $1", "(+ $x $1)"),
        # ^ groups to the right and binds tighter than a sign in front of it
        ("2^3^2", "(^ 2 (^ 3 2))"),
        ("-2^2", "(- (^ 2 2))"),
        ("2^-1", "(^ 2 (- 1))"),
        ("2^-1*3", "(* (^ 2 (- 1)) 3)"),
        ("2^-1^2", "(^ 2 (- (^ 1 2)))"),
        ("2^- -1", "(^ 2 (- (- 1)))"),
        # the sign binds tighter than the products
        ("-A %*% B", "(%*% (- A) B)"),
        ("-a * b", "(* (- a) b)"),
        ("1 - -1", "(- 1 (- 1))"),
        ("+a - +b", "(- (+ a) (+ b))"),
        ("a * -b + c", "(+ (* a (- b)) c)"),
        # %*% over %/% and %% over * and /
        ("2 * A %*% B", "(* 2 (%*% A B))"),
        ("A %*% B^2", "(%*% A (^ B 2))"),
        ("a %% b %*% c", "(%% a (%*% b c))"),
        ("2 * 7 %% 4", "(* 2 (%% 7 4))"),
        ("7 %/% 2 * 2", "(* (%/% 7 2) 2)"),
        ("a %/% b %% c", "(%% (%/% a b) c)"),
        ("a / b * c", "(* (/ a b) c)"),
        ("a - b + c", "(+ (- a b) c)"),
        ("a + b * c", "(+ a (* b c))"),
        ("A %*% B %*% C", "(%*% (%*% A B) C)"),
        # relations
        ("1 < 2 < 3", "(< (< 1 2) 3)"),
        ("a + 1 == b - 1", "(== (+ a 1) (- b 1))"),
        ("a != b >= c", "(>= (!= a b) c)"),
        ('"r" + 1 == "r1"', "(== (+ 'r' 1) 'r1')"),
        # ! is below the relations and swallows them wherever it stands
        ("!a == b", "(! (== a b))"),
        ("!a & b", "(& (! a) b)"),
        ("a & !b == c", "(& a (! (== b c)))"),
        ("a == !b & c", "(& (== a (! b)) c)"),
        ("a + !b == c", "(+ a (! (== b c)))"),
        ("2 ^ !a + b | c", "(| (^ 2 (! (+ a b))) c)"),
        ("!!a", "(! (! a))"),
        ("-!a == b", "(- (! (== a b)))"),
        # logic
        ("a | b & c", "(| a (& b c))"),
        ("a & b | c & d", "(| (& a b) (& c d))"),
        ("a && b || c & d", "(|| (&& a b) (& c d))"),
        ("a & b && c", "(&& (& a b) c)"),
        ("(a | b) & c", "(& (| a b) c)"),
    ],
)
def test_precedence(text: str, wanted: str) -> None:
    assert expression(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("f()", "(f!)"),
        ("f(1, b = 2, c)", "(f! 1 b=2 c)"),
        ("f\n(9)", "(f! 9)"),
        ("ns::f(x)", "(ns::f! x)"),
        ("as.scalar(X[1, 1])", "(as.scalar! X[1,1])"),
        ("order(X, index.return = TRUE)", "(order! X index.return=True)"),
        ("ifdef($p, 3) + 1", "(+ (ifdef! $p 3) 1)"),
        ("[1, a + 1]", "(list 1 (+ a 1))"),
        ("list(a = [1], b = list())", "(list! a=(list 1) b=(list!))"),
        ("X[1, 2]", "X[1,2]"),
        ("X[, 2]", "X[_,2]"),
        ("X[1, ]", "X[1,_]"),
        ("X[,]", "X[_,_]"),
        ("X[]", "X[_]"),
        ("X[i]", "X[i]"),
        ("X[a:b]", "X[a:b]"),
        ("X[n-1:n+1, 2:3]", "X[(- n 1):(+ n 1),2:3]"),
        ('l["a":"b"]', "l['a':'b']"),
        ("X[1,][1,2]", "X[1,_][1,2]"),
        ("f(x)[1,1]", "(f! x)[1,1]"),
        ("ns::f(x)[1]", "(ns::f! x)[1]"),
        ("(X + 1)[1, 2]", "(+ X 1)[1,2]"),
        ("-X[1]^2", "(- (^ X[1] 2))"),
        ("x[-1]", "x[(- 1)]"),
        ("pi * Inf", "(* pi Inf)"),
    ],
)
def test_operands(text: str, wanted: str) -> None:
    assert expression(text) == wanted


def test_spans_cover_what_they_name() -> None:
    expr = parse_expression(Source("t", "(a + b) * f(x, y = 2)[1, 2:3]"))
    assert isinstance(expr, tree.Binary)
    assert expr.span.text == "(a + b) * f(x, y = 2)[1, 2:3]"
    assert expr.op_span.text == "*"
    assert expr.left.span.text == "a + b"
    assert isinstance(expr.right, tree.Index)
    assert expr.right.span.text == "f(x, y = 2)[1, 2:3]"
    assert expr.right.cols is not None
    assert expr.right.cols.span.text == "2:3"
    call = expr.right.target
    assert isinstance(call, tree.Call)
    assert (call.span.text, call.name_span.text, call.args[1].span.text) == ("f(x, y = 2)", "f", "y = 2")


def test_literals_keep_their_types() -> None:
    found = parse_expression(Source("t", "[1, 1.0, TRUE, '1', 1e400]"))
    assert isinstance(found, tree.ListLiteral)
    values = [item.value for item in found.items if isinstance(item, tree.Literal)]
    assert [type(v) for v in values] == [int, float, bool, str, float]
    assert values[-1] == math.inf


@pytest.mark.parametrize("text", ["", "1 +", "a b", "x = 3", "(a", "}", "a; b", "1:2", "if (a) b", "a,"])
def test_not_one_expression(text: str) -> None:
    with pytest.raises(ScriptError):
        parse_expression(Source("t", text))


# Statements


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("x = 1", "(= x 1)"),
        ("x <- 1;;", "(= x 1)"),
        ("a = 1 b = 2 print(a + b);;", "(= a 1) (= b 2) (do (print! (+ a b)))"),
        ("x = 1\n-2\nprint(x)", "(= x (- 1 2)) (do (print! x))"),
        ("y = sqrt\n(9)", "(= y (sqrt! 9))"),
        ("x += 1", "(+= x 1)"),
        ("X[1, ] += y", "(+= X[1,_] y)"),
        ("X[1:2, 3] = y", "(= X[1:2,3] y)"),
        ("X\n[1, 2] = 5", "(= X[1,2] 5)"),
        ("T = 1; true = 2; NULL = 3; matrix = 4", "(= T 1) (= true 2) (= NULL 3) (= matrix 4)"),
        ("break = 1", "(= break 1)"),
        ("f = 3; y = f(f)", "(= f 3) (= y (f! f))"),
        ("x = ifdef($p, 3)", "(= x (ifdef! $p 3))"),
        ("ns::f(x)", "(do (ns::f! x))"),
        ("[a, b] = f(x)", "(= (a b) (f! x))"),
        ("[X[1,1], y] <- ns::f()", "(= (X[1,1] y) (ns::f!))"),
        # a line break is a blank, but an index is never followed by an assignment
        ("x = y\n[a, b] = f(z)", "(= x y) (= (a b) (f! z))"),
        ("f(x)\n[a, b] = g(x)", "(do (f! x)) (= (a b) (g! x))"),
        ("x = f(x)\n[a, X[1,2]] <- g(x)", "(= x (f! x)) (= (a X[1,2]) (g! x))"),
        ("x = X[1]\n[a] = g(x)", "(= x X[1]) (= (a) (g! x))"),
        ("x = (y)\n[a] = g(x)", "(= x y) (= (a) (g! x))"),
        ("x = 3 [a] = g(x)", "(= x 3) (= (a) (g! x))"),
        ("x = y\n[1, 2]", "(= x y[1,2])"),
        ("x = y\n[1, 2] == 3", "(= x (== y[1,2] 3))"),
        ("x = X[1,\n2]", "(= x X[1,2])"),
        ("if (a) x = 1", "(if a {(= x 1)} {})"),
        ("if (a) {} else {}", "(if a {} {})"),
        ("if (a) x = 1; else y = 2", "(if a {(= x 1)} {(= y 2)})"),
        ("if (a)\n  x = 1\nelse\n  y = 2", "(if a {(= x 1)} {(= y 2)})"),
        ("if (a) if (b) x = 1 else y = 2", "(if a {(if b {(= x 1)} {(= y 2)})} {})"),
        ("if (a) {x = 1} else if (b) {y = 2} else z = 3", "(if a {(= x 1)} {(if b {(= y 2)} {(= z 3)})})"),
        ("while (a < 3) { a = a + 1; }", "(while (< a 3) {(= a (+ a 1))})"),
        ("for (i in 1:n) print(i)", "(for i 1 n _ {(do (print! i))})"),
        ("for (i in a+1:n-1) {}", "(for i (+ a 1) (- n 1) _ {})"),
        ("for (i in seq(1, n)) {}", "(for i 1 n _ {})"),
        ("for (i in seq(10, 1, -4)) {}", "(for i 10 1 (- 4) {})"),
        ("for (i in seq(1, incr = 2, to = 9)) {}", "(for i 1 9 2 {})"),
        ("for (x in [1, 2, 3]) print(x)", "(for x (list 1 2 3) {(do (print! x))})"),
        ("parfor (i in 1:3, check=0, mode=LOCAL, par=$p) {}", "(parfor i 1 3 _ check=0 mode=LOCAL par=$p {})"),
        ("for (i in 1:3, check=1) {};", "(for i 1 3 _ check=1 {})"),
        ('source("a/b.dml") as ns; x = ns::f()', "(import a/b.dml ns) (= x (ns::f!))"),
        ('setwd("dir")', "(setwd dir)"),
        ("\ufeffx = 1\r\ny = 2\r\n", "(= x 1) (= y 2)"),
    ],
)
def test_statements(text: str, wanted: str) -> None:
    assert script(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("f = function() { x = 1 }", "(function f () () {(= x 1)})"),
        ("f <- function(int a) return () { x = a };;", "(function f (scalar[int]:a) () {(= x a)})"),
        (
            "f = function(Integer a = 1 + 2, matrix[double] X, Matrix[Double] Y, list[unknown] l, Frame[String] r,"
            " scalar[double] s, unknown u, Boolean b = TRUE) return (integer n, Double d) { n = 1 }",
            "(function f (scalar[int]:a=(+ 1 2) matrix[double]:X matrix[double]:Y list[unknown]:l frame[string]:r"
            " scalar[double]:s scalar[unknown]:u scalar[boolean]:b=True) (scalar[int]:n scalar[double]:d) {(= n 1)})",
        ),
        (
            "f = externalFunction(matrix[double] A, int b) return (matrix[double] C)"
            ' implemented in (classname = "x.Y", exectype = "mem")',
            "(external f (matrix[double]:A scalar[int]:b) (matrix[double]:C) {})",
        ),
    ],
)
def test_functions(text: str, wanted: str) -> None:
    assert function(text) == wanted


def test_functions_and_statements_keep_their_order() -> None:
    found = parse(Source("t", "x = f(1)\nf = function(int a) return (int b) { b = a }\ny = 2\ng = function() {z = 1}"))
    assert [f.name for f in found.functions] == ["f", "g"]
    assert len(found.statements) == 2
    assert found.functions[0].span.text == "f = function(int a) return (int b) { b = a }"
    assert found.functions[0].name_span.column == 1


def test_statement_spans() -> None:
    found = parse(Source("t", "X[1, 2] = a + 1;\nfor (i in 1:3) { x = i }")).statements
    assert [s.span.text for s in found] == ["X[1, 2] = a + 1", "for (i in 1:3) { x = i }"]
    assert isinstance(found[0], tree.Assign)
    assert found[0].target.span.text == "X[1, 2]"
    assert isinstance(found[1], tree.For)
    assert found[1].variable_span.text == "i"


SCRIPTS = [
    """
a = 1 b = 2 print(a + b);;
x = 1
-2
print(x)
y = sqrt
(9)
print(y)
""",
    """
print(-2^2)
print(2^-1)
print(7 %/% 2 * 2)
print(!1 == 2)
print("r" + 1 == "r1")
A = matrix("1 2 3 4", rows=2, cols=2)
print(sum(2 * A %*% A))
print(sum(A %*% A^2))
""",
    """
n = 0
for (i in 1:n) print("i=" + i)
for (i in seq(10, 1, -4)) print(i)
for (i in seq(2, 1, 1)) print("never")
for (i in 1:3) { i = i + 10 }
x = 3
if (x == 1) print("one") else if (x == 3) { print("three") } else print("other")
if (NaN) print("NaN counts as true")
""",
    """
A = matrix(0, rows=4, cols=1)
parfor (i in 1:4, check=0, par=2) { t = i * 2; A[i,1] = t }
s = matrix(0, rows=1, cols=1)
parfor (i in 1:4) { s += matrix(i, rows=1, cols=1) }
print(as.scalar(s))
""",
    """
f = function(double a, double b = 2*3+1.0, string s = "hi") return (string r) { r = ""; if (a > 0) { r = a + " " + b } }
x = f(s="z", a=1.5)
g = function(double v) return (double w, double u) { w = v * 2; if (w > 99) { w = 99 }; u = w + 1 }
[p, q] = g(3)
print(p + "," + q)
fact = function(int n) return (int r) { if (n <= 1) { r = 1 } else { t = fact(n - 1); r = n * t } }
""",
    """
l = list(a=1, b="x", m=matrix(2, rows=2, cols=2))
print(as.scalar(l["a"]) + 1)
M = as.matrix(l["m"])
l["a"] = 5
l = append(l, list(z=TRUE))
print(length(l) + " " + as.scalar(l[1]) + " " + as.scalar(l["z"]))
""",
    """
X = matrix(0, rows=2, cols=3)
X[1,2] = 5
X[2,] = matrix("7 8 9", rows=1, cols=3)
X[,1] = X[,3] * 2
for (i in 2:2) { print(sum(X[(i+1):i,])) }
k = "text with \\n and \\\\ and 'quotes'" /* a
comment */ # another
""",
]


@pytest.mark.parametrize("text", SCRIPTS)
def test_examples_of_the_specification(text: str) -> None:
    assert parse(Source("test.dml", text)).statements


# Errors: each case is a script, and for each finding its place, a part of its message, a part of its hint


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        # arguments
        ("x = f(1,)", "1:8", "expected another argument after ','", "drop the comma"),
        ("x = f(,1)", "1:7", "an argument is missing before ','", ""),
        ("x = f(1,,2)", "1:9", "an argument is missing", ""),
        ("x = f(a b, c)", "1:9", "expected ',' or an operator between two arguments, but found 'b'", ""),
        ("x = f(a and b)", "1:9", "between two arguments, but found 'and'", "use & for 'and'"),
        ("f(1; 2)", "1:4", "expected ',' or ')' to close '(' opened at line 1, but found ';'", ""),
        ("f(x <- 3)", "1:5", "cannot contain the assignment '<-'", "named by '='"),
        ('list("a" = 3)', "1:6", "without quotes", "write a = ..."),
        ("f(x[1] = 3)", "1:3", "expected the name of an argument", "use == to compare"),
        ("f(in = 3)", "1:3", "'in' is a reserved word", ""),
        ("f(1:3)", "1:4", "a range a:b is only possible in", "seq(a, b)"),
        # indexing
        ("X[1:,2] = 3", "1:4", "a range in an index needs both ends", "nrow(X)"),
        ("y = X[2:,]", "1:8", "a range in an index needs both ends", "nrow(X)"),
        ("y = X[:2]", "1:7", "a range in an index needs both ends", "empty"),
        ("y = X[1:2:3,]", "1:10", "no step", ""),
        ("y = X[1,2,3]", "1:10", "at most two parts", ""),
        ("y = X[1 2]", "1:9", "expected ',' or ']' to close '[' opened at line 1, but found '2'", ""),
        ("y = l[[1]]", "1:6", "DML has no [[ ]]", "as.scalar(l[1])"),
        ("y = X$a + 1", "1:6", "'$' does not select", 'as.scalar(l["a"])'),
        ("l$b = 3", "1:2", "'$' does not select", 'l["b"] = ...'),
        ("x = 5[1]", "1:6", "only variables, results of calls", ""),
        ("x = $p[1]", "1:7", "only variables, results of calls", ""),
        # expressions
        ("x = 3 4", "1:7", "expected an operator or the end of the statement, but found '4'", "operator between"),
        ("x = a and b", "1:7", "expected an operator", "use & for 'and'"),
        ('x = "a" "b"', "1:9", 'but found the string "b"', "joined by +"),
        ("x = (1 2)", "1:8", "expected an operator or ')' to close '(' opened at line 1, but found '2'", ""),
        ("x = 3 *\ny = 4", "1:7", "the operator '*' has no right side", ""),
        ("x = 3 +\n[a, b] = f()", "1:7", "the operator '+' has no right side", ""),
        ("x++\ny = 3", "1:3", "the operator '+' has no right side", "x = x + 1"),
        ("x =\ny = 4", "1:3", "expected a value after '='", ""),
        ("x = 3 *", "1:8", "expected a value after '*', but found the end of the file", ""),
        ("x = 1 == = 2", "1:10", "expected a value after '==', but found '='", ""),
        ("x = 1:3", "1:6", "a range a:b is only possible in", "seq(a, b)"),
        ("x = (a = 3)", "1:8", "an assignment is not an expression", "use == to compare"),
        ("a = b = 3", "1:7", "an assignment has no value", "b = 3; a = b"),
        ("x = if (a) 1 else 2", "1:5", "found the reserved word 'if'", "ifelse"),
        ("x = int(3.5)", "1:5", "found the reserved word 'int'", "as.integer"),
        ("x = []", "1:6", "at least one value", "list()"),
        ("x = ifdef", "1:5", "expected '(' after 'ifdef'", ""),
        ("lapply(x, function(v) { y = 3 })", "1:11", "found the reserved word 'function'", "top level"),
        # statements that are none
        ("3", "1:1", "a number alone is not a statement", "assign it"),
        ("x", "1:1", "the name 'x' alone is not a statement", ""),
        ("x + 1", "1:1", "an expression alone is not a statement", ""),
        ("f(x) + 1", "1:1", "an expression alone is not a statement", ""),
        ("X[1, 2]", "1:1", "an expression alone is not a statement", ""),
        ("f(x)[1, 2]", "1:1", "an expression alone is not a statement", ""),
        ("print x", "1:7", "expected '=' or '(' after 'print', but found 'x'", ""),
        ("; x = 1", "1:1", "';' with no statement in front of it", ""),
        ("if (c) ;", "1:8", "expected the body of 'if', but found ';'", "{}"),
        ("{ x = 1 }", "1:1", "a block belongs behind", ""),
        ("else x = 1", "1:1", "'else' without an 'if'", ""),
        ("if (a) {x = 1}; else y = 2", "1:17", "'else' without an 'if'", "';'"),
        ("x = f(a)) + 3", "1:9", "')' closes nothing", ""),
        ("x = 1 }", "1:7", "'}' closes nothing", ""),
        ("break", "1:1", "DML has no 'break'", "while"),
        ("next", "1:1", "DML has no 'next'", "if"),
        ("continue;", "1:1", "DML has no 'continue'", "if"),
        ("repeat { x = 1 }", "1:1", "DML has no 'repeat'", "while"),
        ("return (x)", "1:1", "'return' is not a statement", "outputs"),
        ("double x = 3", "1:1", "a variable is not declared", "write x = ..."),
        ("in", "1:1", "the reserved word 'in'", ""),
        # targets
        ("3 = x", "1:1", "a number cannot be assigned to", "variable"),
        ('"s" = x', "1:1", "a string cannot be assigned to", ""),
        ("TRUE = x", "1:1", "a truth value cannot be assigned to", ""),
        ("$a = 3", "1:1", "a script parameter cannot be assigned to", "a = ..."),
        ("f(x) = 3", "1:1", "the result of a call cannot be assigned to", ""),
        ("x + 1 = 3", "1:1", "an expression cannot be assigned to", ""),
        ("X[1][2] = 3", "1:1", "an expression cannot be assigned to", ""),
        ("ns::f = 3", "1:1", "belongs to another file", ""),
        ("in = 3", "1:1", "'in' is a reserved word and cannot be the name of a variable", ""),
        ("int = 3", "1:1", "'int' is a reserved word", ""),
        ("[a, b] = x + 1", "1:10", "must be one call", ""),
        ("[a, 3] = f(x)", "1:5", "expected a variable", ""),
        ("[a, b] += f(x)", "1:8", "'+='", ""),
        ("[a, b]", "1:7", "expected '=' after '[...]'", "[a, b] = f(...)"),
        # branches and loops
        ("if (x = 1) y = 2", "1:7", "an assignment is not an expression", "use == to compare"),
        ("if (x <-1) y = 2", "1:7", "an assignment is not an expression", "x < -3"),
        ("if x == 1 { y = 2 }", "1:4", "the condition of 'if' needs parentheses", "if (condition)"),
        ("if x == 1: y = 2", "1:4", "the condition of 'if' needs parentheses", ""),
        ("while x < 1 { y = 2 }", "1:7", "the condition of 'while' needs parentheses", ""),
        ("if (a) & (b) x = 1", "1:8", "the whole condition of 'if' must stand in parentheses", "((a) & (b))"),
        ("if (a) {x = 1} elseif (b) {x = 2} else {x = 3}", "1:16", "DML has no 'elseif'", "'else if'"),
        ("if (a) {x = 1} elif (b) {x = 2}", "1:16", "DML has no 'elif'", "'else if'"),
        ("if (a)", "1:7", "expected the body of 'if', but found the end of the file", ""),
        ("for (i = 1; i < 3; i = i + 1) { x = 2 }", "1:8", "expected 'in' after the loop variable 'i'", "1:n"),
        ("for i in 1:3 { x = 2 }", "1:5", "the head of 'for' needs parentheses", "(i in 1:n)"),
        ("for (i in v) x = 2", "1:11", "runs over a range", "1:nrow(v)"),
        ("for (i in 1:9:2) x = 2", "1:14", "no step", "seq("),
        ("for (i in seq(1)) x = 2", "1:11", "two or three arguments", ""),
        ("for (i in seq(to=1, incr=2)) x = 2", "1:11", "'from' and 'to'", ""),
        ("for (i in seq(1, 2, by=3)) x = 2", "1:21", "unexpected argument", "incr"),
        ("parfor (i in 1:3, check) x = 2", "1:24", "expected '=' after the option 'check'", ""),
        # functions
        ("f = function() {}", "1:16", "the body of function 'f' is empty", "one statement"),
        ("f = function(float x) { y = x }", "1:14", "unknown type 'float'", "did you mean 'double'?"),
        ("f = function(bool x) { y = x }", "1:14", "unknown type 'bool'", "did you mean 'boolean'?"),
        ("f = function(str x) { y = x }", "1:14", "unknown type 'str'", "did you mean 'string'?"),
        ("f = function(DOUBLE x) { y = x }", "1:14", "unknown type 'DOUBLE'", "did you mean 'double'?"),
        ("f = function(x) { y = x }", "1:14", "the parameter 'x' has no type", "double x"),
        ("f = function(matrix x) { y = x }", "1:14", "'matrix' needs the type", "matrix[double]"),
        ("f = function(matrix[int] x) { y = x }", "1:21", "the values of a matrix are doubles", "matrix[double]"),
        ("f = function(matrix[float] x) { y = x }", "1:21", "expected a value type", "'double'"),
        ("f = function(double[] x) { y = x }", "1:20", "has no brackets", "matrix[double]"),
        ("f = function(int a int b) { y = a }", "1:20", "expected ',' between two parameters", ""),
        ("f = function(int a,) { y = a }", "1:19", "expected another parameter", "drop the comma"),
        ("f = function(int in) { y = 1 }", "1:18", "'in' is a reserved word", ""),
        ("f = function(int a) return (int b = 3) { b = a }", "1:35", "an output has no default", ""),
        ("f = function(int a) return int { b = a }", "1:28", "expected '(' before the outputs", ""),
        ("f = function(int a) y = 3", "1:21", "expected '{' and the body of function 'f'", ""),
        ("if (a) f = function() { x = 1 }", "1:12", "only at the top level", ""),
        ("f = function() { g = function() { x = 1 } }", "1:22", "only at the top level", ""),
        ("X[1] = function() { x = 1 }", "1:1", "a function is defined by name = function", ""),
        ("function f(int x) { y = 3 }", "1:1", "assigning it to a name", "f = function"),
        ("f = externalFunction(int a)", "1:28", "expected 'implemented'", "classname"),
        # files
        ("if (a) source('x') as y", "1:8", "'source' is possible only at the top level", ""),
        ("source(x) as y", "1:8", "expected a path as a string in quotes", ""),
        ("source('x')", "1:12", "expected 'as'", "as name"),
        ("source('x') as in", "1:16", "'in' is a reserved word", ""),
        ("setwd(3)", "1:7", "expected a path", "setwd("),
        # brackets
        ("x = (1 + 2\ny = 3", "1:5", "expected ')' to close '(' opened at line 1, but found 'y'", ""),
        ("x = (1 + 2]", "1:5", "expected ')' to close '(' opened at line 1, but found ']'", ""),
        ("x = f(a, (b + c)\ny = g(z)", "1:6", "expected ')' to close '(' opened at line 1, but found 'y'", ""),
        ("x = a[1, 2\ny = 3", "1:6", "expected ']' to close '[' opened at line 1, but found 'y'", ""),
        ("if (x > 1 {\n  y = 2\n}", "1:4", "expected ')' to close '(' opened at line 1, but found '{'", ""),
        ("for (i in 1:3) {\n x = i", "1:16", "expected '}' to close '{' opened at line 1, but found the end", ""),
        ("f = function(int x return (int y) { y = x }", "1:13", "expected ')' to close '('", ""),
        # left to the lexer, without further errors
        ("x = 1 @ 2", "1:7", "DML has no '@'", "%*%"),
        ("x = a ~ b\ny = 1", "1:7", "DML has no '~'", ""),
        ("x = c ? d : e", "1:7", "DML has no '?'", "ifelse"),
        ("3 -> x", "1:3", "DML has no '->'", ""),
        ('print("abc\nx = 3', "1:7", "never closed", ""),
        ('if (x) {\n y = "abc }\n', "2:6", "never closed", ""),
        ("if (x) { /* y", "1:10", "never closed", ""),
    ],
)
def test_one_error(text: str, at: str, message: str, hint: str) -> None:
    found = errors(text)
    assert [place(f) for f in found] == [at], [f.message for f in found]
    assert message in found[0].message
    assert hint in (found[0].hint or "")


def test_all_independent_errors_are_reported_in_order() -> None:
    text = """x = 3 4
y = f(1,)
if (a = 1) {
  z = 1 ** 2
  for (i = 1; i < 3; i++) {
    w = X[1:,]
  }
} elseif (b) {
  break
}
ok = 1
f = function(float a) {
  return (a)
}
s = "abc
last = (1 + 2
"""
    assert " ".join(places(text)) == "1:7 2:8 3:7 4:9 5:10 6:12 8:3 9:3 12:14 13:3 15:5 16:8"


def test_errors_inside_brackets_over_several_lines() -> None:
    assert places("x = f(\n a = 1,\n b = 2 3,\n c = 4\n)\ny = 3 4") == ["3:8", "6:7"]
    assert places("x = f(\n a = 1,\n b = 2\ny = 3\nprint(x y)") == ["1:6", "5:9"]


def test_a_wrong_head_does_not_hide_the_body() -> None:
    assert places("if (a b) {\n x = 3 4\n} else {\n y = 1 2\n}\nz = 1") == ["1:7", "2:8", "4:8"]
    assert places("while (a {\n x = 3 4\n}") == ["1:7", "2:8"]
    assert places("f = function(int a return (int b) {\n x = 3 4\n}\ny = 1 2") == ["1:13", "2:8", "4:7"]


def test_an_unclosed_bracket_says_where_it_should_have_ended() -> None:
    [found] = errors("x = f(a,\n  b\ny = 3")
    [(note, span)] = found.notes
    assert note == "')' is expected before"
    assert str(span) == "test.dml:3:1"


def test_an_unclosed_block_points_to_the_misindented_one() -> None:
    [found] = errors("for (i in 1:3) {\n  if (x) {\n    y = 1\n}\ng = function() {\n  a = 1\n}\n")
    assert place(found) == "1:16"
    [(note, span)] = found.notes
    assert "'{' of line 2" in note
    assert isinstance(span, Span)
    assert (span.line, span.column) == (4, 1)


def test_a_string_over_several_lines_is_suspected() -> None:
    [found] = errors('s = "abc\nprint("x", y)\nz = "d\nprint("e")\n')
    assert any("closing quote missing" in note for note, _ in found.notes)


def test_a_rendered_error_shows_the_line() -> None:
    with pytest.raises(ScriptError) as caught:
        parse(Source("test.dml", "a = 1\nx = 3 ** 4\n"))
    wanted = "test.dml:2:7: error: DML has no '**'\n    2 | x = 3 ** 4\n      |       ^^\n  hint: use ^ for powers"
    assert caught.value.render() == wanted


def test_there_is_a_limit_to_errors() -> None:
    found = errors("x = 3 4\n" * 1000)
    assert len(found) == 20
    assert found[-1].notes


# Robustness


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 10000 + "1" + ")" * 10000,
        "x = " + "(" * 10000,
        "x = " + "-" * 10000 + "1",
        "x = " + "!" * 10000 + "1",
        "x = " + "2^" * 10000 + "1",
        "x = " + "f(" * 10000 + "1" + ")" * 10000,
        "x = " + "X[" * 10000 + "1" + "]" * 10000,
        "x = " + "[" * 10000 + "1" + "]" * 10000,
        "x = " + "a|b&c==d+e*f%/%g%*%h^(" * 300 + "1" + ")" * 300,
        "if (a) " * 10000 + "x = 1",
        "if (a) {" * 10000 + "}" * 10000,
        "if (a) x = 1 else " * 10000 + "x = 1",
    ],
    ids=lambda text: text[:15],
)
def test_nested_too_deeply(text: str) -> None:
    [found] = errors(text)
    assert "nested too deeply" in found.message


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 100 + "1" + ")" * 100,
        "x = " + "1 + f(" * 100 + "1" + ")" * 100,
        "if (a) {" * 100 + "}" * 100,
        "x = " + "1 + " * 5000 + "1",
        "x = f(" + "1, " * 5000 + "1)",
        "x = 1; " * 5000,
    ],
    ids=lambda text: text[:15],
)
def test_large_but_fine(text: str) -> None:
    assert parse(Source("t", text)).statements


def test_a_long_script_is_parsed_quickly() -> None:
    text = "".join(f'X{i} = A[{i}, ] %*% B + {i}.5 * sum(C)\nif (i > {i}) print("at " + i)\n' for i in range(500))
    source = Source("t", text)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        parse(source)
        best = min(best, time.perf_counter() - start)
    # About 60 ms on a slow machine; the limit only catches a change of order.
    assert best < 0.5


def test_the_limit_may_be_reached_by_lexer_and_parser_together() -> None:
    for count in range(15, 25):
        for first in ("source", "(", "x ="):
            parse_or_refuse(first + " 1L" * count)


def parse_or_refuse(text: str) -> None:
    """Whatever the text is, the parser gives a tree or findings with places, and nothing else happens."""
    for read in (parse, parse_expression):
        error = None
        try:
            read(Source("fuzz.dml", text))
        except ScriptError as raised:
            error = raised
        if error is not None:
            assert 1 <= len(error.diagnostics) <= 20
            assert all(found.span is not None for found in error.diagnostics)
            assert error.render()


_WORDS = (
    'x y X f ns::f as.scalar a.b _z T TRUE FALSE 1 2.5 1L 9999999999999999999 "s" \'q\' "open $p $1 $ if else for in '
    "parfor while function return externalFunction implemented source as setwd ifdef int double matrix Matrix string "
    "break repeat elseif and ^ %*% %/% %% * / + - > >= < <= == != ! & && | || = <- += ( ) [ ] { } , : ; @ ** <> -> ~ "
    "? \\ :: . # /* */ é “ ” \u00a0 \ufeff \0 \n \r\n"
)
SOUP = _WORDS.split(" ")


@given(st.lists(st.sampled_from(SOUP), max_size=60))
@settings(max_examples=400, deadline=None)
def test_token_soup(parts: list[str]) -> None:
    parse_or_refuse(" ".join(parts))


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_text(text: str) -> None:
    parse_or_refuse(text)


@given(st.sampled_from(SCRIPTS), st.data())
@settings(max_examples=300, deadline=None)
def test_mutated_scripts(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 6)))
        text = text[:at] + data.draw(st.sampled_from(["", " ", *SOUP])) + text[end:]
    parse_or_refuse(text)


def test_every_node_has_an_s_expression() -> None:
    # So that a new kind of node does not go untested.
    shown = {
        name
        for name, node in vars(tree).items()
        if isinstance(node, type) and hasattr(node, "__dataclass_fields__") and "span" in {f.name for f in fields(node)}
    }
    known = (
        "Expr Literal Name Parameter Unary Binary Arg Call Subscript Index ListLiteral Stmt Target Assign MultiAssign "
        "CallStmt If While For Import SetWd Declared Function"
    )
    assert shown - {"Span"} == set(known.split())
