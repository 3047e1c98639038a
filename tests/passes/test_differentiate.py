"""grad(): derivatives against central differences, through operators, broadcasting, branches, loops and calls.

All cases of a group are one script, which computes the differences itself and prints one line for each parameter.
"""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from gramian.api.script import Script
from gramian.errors import ScriptError
from gramian.settings import Settings
from gramian.source import Source

Case = tuple[str, dict[str, str]]  # the functions, of which the last is to be differentiated, and its arguments

WEIGHTS = "  loss = sum(Y * (1.5 + sin(matrix(seq(1, length(Y)), nrow(Y), ncol(Y)))))\n"
A, B = 'matrix("0.3 1.2 0.7 0.9 0.4 1.1", 2, 3)', 'matrix("0.8 0.35 1.3 0.6 1.05 0.25", 2, 3)'
ROW, COLUMN, ONE = 'matrix("0.4 0.9 1.3", 1, 3)', 'matrix("0.75 1.6", 2, 1)', "matrix(0.8, 1, 1)"
SQUARE, TALL = 'matrix("2 0.3 0.1 0.4 1.5 0.2 0.3 0.1 1.8", 3, 3)', 'matrix("1 1 1 2 1 3.5 1 5", 4, 2)'


def run(text: str) -> str:
    script = Script.compile(Source("gradients.dml", text), Settings())
    out = io.StringIO()
    with redirect_stdout(out):
        script.run()
    return out.getvalue()


def refused(text: str) -> str:
    with pytest.raises(ScriptError) as raised:
        run(text)
    return "\n".join(f"{d.message}: {d.span.text if d.span else ''}" for d in raised.value.diagnostics)


def differences(name: str, function: str, arguments: dict[str, str]) -> str:
    """The lines that differentiate a function in both ways and print how far apart the results are."""
    lines = [f"{name}_{p} = {value}" for p, value in arguments.items()]
    given = [f"{name}_{p}" for p in arguments]
    lines.append(f"[{', '.join(f'd{name}_{p}' for p in arguments)}] = grad({function}, {', '.join(given)})")
    for at, (p, value) in enumerate(arguments.items()):
        up = ", ".join([*given[:at], "up", *given[at + 1 :]])
        down = up.replace("up", "down")
        if "matrix" in value or "(" in value:
            lines.append(f"""N = 0 * {given[at]}
for (i in 1:nrow(N)) for (j in 1:ncol(N)) {{
  up = {given[at]}
  up[i, j] = up[i, j] + 1e-6
  down = {given[at]}
  down[i, j] = down[i, j] - 1e-6
  N[i, j] = ({function}({up}) - {function}({down})) / 2e-6
}}
fits = nrow(N) == nrow(d{given[at]}) & ncol(N) == ncol(d{given[at]})
print("{name} {p} " + fits + " " + max(abs(N - d{given[at]})) / max(1, max(abs(N))) + " " + max(abs(N)))""")
        else:
            up, down = up.replace("up", f"{value} + 1e-6"), down.replace("down", f"{value} - 1e-6")
            lines.append(f"""n = ({function}({up}) - {function}({down})) / 2e-6
print("{name} {p} TRUE " + abs(n - d{given[at]}) / max(1, abs(n)) + " " + abs(n))""")
    return "\n".join(lines) + "\n"


def check(cases: dict[str, Case], *, also_zero: tuple[str, ...] = ()) -> None:
    functions, calls = "", ""
    for name, (text, arguments) in cases.items():
        function = re.findall(r"^(\w+) = function", text, re.MULTILINE)[-1]
        functions += re.sub(rf"\b{function}\b", f"f_{name}", text) + "\n"
        calls += differences(name, f"f_{name}", arguments).replace("up", f"up_{name}").replace("down", f"down_{name}")
    printed = [line.split() for line in run(functions + calls).splitlines()]
    assert len(printed) == sum(len(arguments) for _, arguments in cases.values())
    wrong = [line for line in printed if line[2] != "TRUE" or not float(line[3]) < 2e-7]
    flat = [line for line in printed if not float(line[4]) > 1e-3 and line[0] not in also_zero]
    assert not wrong, wrong
    assert not flat, f"nothing was tried: {flat}"


def expression(text: str, **arguments: str) -> Case:
    def declared(name: str, value: str) -> str:
        return f"{'matrix[double]' if '(' in value else 'double'} {name}"

    params = ", ".join(declared(name, value) for name, value in arguments.items())
    return f"f = function({params}) return (double loss) {{\n  Y = {text}\n{WEIGHTS}}}", arguments


CELLS = {
    f"cell{at}": expression(text, X=A)
    for at, text in enumerate(
        [
            "exp(-X)",
            "log(X) + log(X, 3)",
            "sqrt(X) * abs(X - 0.5)",
            "sigmoid(X) - tanh(X)",
            "sin(X) * cos(X) + tan(X)",
            "asin(X / 2) + acos(X / 2) + atan(X)",
            "sinh(X) / cosh(X)",
            "X ^ 3 - 2 ^ X",
            "max(X, 0.8) + min(0.6, X, 1.05)",
            "ifelse(X > 0.8, X ^ 2, 3 * X)",
            "X %% 0.5 + round(X) * X",
            "pnorm(target=X, mean=0.2, sd=1.5) * X",
            "pnorm(target=X, lower.tail=FALSE) * X",
            "-X * (X > 0.5) + !X",
        ]
    )
}
SHAPES = {
    f"shape{at}": expression(text, X=A)
    for at, text in enumerate(
        [
            "t(X) %*% X",
            "cbind(X, 2 * X, X[, 1])",
            "rbind(X, X[1, ] ^ 2, X)",
            "cbind(matrix(0, nrow(X), 0), X ^ 2)",
            "X[2, ] * X[1, 2:3] %*% t(X[, 1:2]) %*% X",
            "rev(X) + matrix(X, 3, 2)[1:2, 1] + matrix(X, rows=3, cols=2, byrow=FALSE)[2:3, 1]",
            "cumsum(X) * rowcumsum(X)",
            "rowSums(X) %*% colSums(X) * rowMeans(X) + colMeans(X ^ 2)",
            "rowVars(X) %*% colSds(X) + rowMaxs(X) * colMins(X)[1, 1]",
            "diag(diag(t(X) %*% X)) * trace(X %*% t(X))",
            "as.matrix(sum(X) * mean(X ^ 2) + var(X) - sd(X) * max(X) / min(X))",
            "as.matrix(as.scalar(X[1, 2]) ^ 2 + as.scalar(X[2, 3]))",
            "matrix(sum(X), 2, 2) * mean(X[, 1], X[, 2])",
            "X * nrow(X) + ncol(X)",
            "as.matrix(mean(X[, 1], X[, 2]))",
        ]
    )
}
PAIRS = {
    f"{name}_{at}": expression(text, X=A, Y0=other)
    for name, other in {"full": B, "row": ROW, "column": COLUMN, "one": ONE, "number": "0.8"}.items()
    for at, text in enumerate(
        [
            "X + Y0 ^ 2",
            "X * Y0",
            "(X - Y0) * X / Y0",
            "X ^ Y0",
            "max(X, Y0) * min(X, Y0)",
            "ifelse(X > 0.5, X * Y0, Y0)",
        ]
    )
}
PAIRS |= {
    f"left_{name}": expression("Y0 - X + Y0 / X + Y0 ^ X", X=A, Y0=other)
    for name, other in {"full": B, "row": ROW, "column": COLUMN, "number": "0.8"}.items()
}
ALGEBRA = {
    "solve": expression("solve(S, t(X))", S=SQUARE, X=A),
    "least": expression("solve(S, C)", S=TALL, C='matrix("2 1 4 3 1 0 2 2", 4, 2)'),
    "inv": expression("inv(S) * det(S)", S=SQUARE),
    "product": expression("X %*% S %*% t(X)", S=SQUARE, X=A),
}


@pytest.mark.parametrize("cases", [CELLS, SHAPES, PAIRS, ALGEBRA], ids=["cells", "shapes", "pairs", "algebra"])
def test_operators(cases):
    check(cases)


CONTROL: dict[str, Case] = {
    "branch": (
        """f = function(matrix[double] X, double s) return (double loss) {
  Y = X * s
  if (sum(X) > 3) {
    Z = Y ^ 2
    loss = sum(Z)
  } else {
    loss = sum(Y)
    Z = Y
  }
  loss = loss + sum(Z * X)
}""",
        {"X": A, "s": "0.7"},
    ),
    "other_branch": (
        """f = function(matrix[double] X, double s) return (double loss) {
  loss = sum(X ^ 2)
  if (sum(X) > 30) loss = loss * s
  if (sum(X) < 30) {
    if (s > 0) { loss = loss * s ^ 2 }
  }
}""",
        {"X": A, "s": "0.7"},
    ),
    "recurrent": (
        """f = function(matrix[double] X, matrix[double] W, matrix[double] U) return (double loss) {
  h = matrix(0, 1, ncol(U))
  out = matrix(0, nrow(X), ncol(U))
  for (i in 1:nrow(X)) {
    h = tanh(X[i, ] %*% W + h %*% U)
    out[i, ] = h * i
  }
  loss = sum(out ^ 2) + sum(h)
}""",
        {"X": A, "W": 'matrix("0.1 -0.2 0.3 0.4 0.2 -0.6", 3, 2)', "U": 'matrix("0.5 0.1 -0.3 0.2", 2, 2)'},
    ),
    "nested": (
        """f = function(matrix[double] X, double s) return (double loss) {
  total = 0.0
  Y = X
  for (i in 1:nrow(X)) {
    row = X[i, ]
    for (j in seq(ncol(X), 1, -1)) {
      if (j != 2) {
        row[1, j] = as.scalar(row[1, j]) ^ 2 * s
        Y = Y * s + i
      } else {
        total = total + as.scalar(row[1, j]) * total + i
      }
      last = sum(row) * j
    }
    total = total * 1.1 + last
  }
  loss = total + sum(Y)
}""",
        {"X": A, "s": "0.7"},
    ),
    "never": (
        """f = function(matrix[double] X, double s) return (double loss) {
  Y = X
  for (i in seq(5, 1)) { Y = Y * s }
  for (i in seq(1, 0, 1)) { Y = Y * s * i }
  loss = sum(Y)
}""",
        {"X": A, "s": "0.7"},
    ),
    "while_loop": (
        """f = function(matrix[double] X, double s) return (double loss) {
  i = 0
  Y = X
  while (sum(Y) < 40 & i < 50) {
    Y = Y * (1 + s) + X
    i = i + 1
  }
  loss = sum(Y) * i
}""",
        {"X": A, "s": "0.7"},
    ),
    "growing": (
        """f = function(matrix[double] X, double s) return (double loss) {
  Y = matrix(0, nrow(X), 0)
  for (j in 1:ncol(X)) { Y = cbind(Y, X[, j] ^ j * s) }
  loss = sum(Y %*% t(Y))
}""",
        {"X": A, "s": "0.7"},
    ),
    "parallel": (
        """f = function(matrix[double] X, double s) return (double loss) {
  R = matrix(1, nrow(X), ncol(X))
  G = matrix(0, 1, ncol(X))
  parfor (i in 1:nrow(X)) {
    y = X[i, ] * s
    R[i, ] = y ^ 2
    G += y
  }
  loss = sum(R) + sum(G ^ 3)
}""",
        {"X": A, "s": "0.7"},
    ),
    "cells_written": (
        """f = function(matrix[double] X, double s) return (double loss) {
  Y = X
  Y[1, 2:3] = X[2, 1:2] * s
  Y[2, ] = s
  Z = Y
  Z[, 1] = Y[, 2] ^ 2
  loss = sum(Z ^ 2) + sum(Y)
}""",
        {"X": A, "s": "0.7"},
    ),
    "parameter_assigned": (
        """f = function(matrix[double] X, double s) return (double loss) {
  X = X * s
  X = X ^ 2
  s = s + sum(X)
  loss = s * sum(X)
}""",
        {"X": A, "s": "0.7"},
    ),
    "calls": (
        """scaled = function(matrix[double] X, double by = 2) return (matrix[double] Y, double s) {
  Y = X * by
  s = sum(Y)
  if (by > 1) { Y = Y + by ^ 2 }
}
norm = function(matrix[double] X, int p) return (double n) {
  n = 0.0
  for (k in 1:p) {
    [Y, s] = scaled(X, n / 10 + k)
    n = n + s / k + sum(Y ^ 2)
  }
}
f = function(matrix[double] X, double s) return (double loss) {
  [Y, t] = scaled(X)
  Z = scaled(by=s, X=Y)
  loss = norm(Y, 2) * t + norm(X * s, 3)
}""".replace("Z = scaled(by=s, X=Y)", "[Z, u] = scaled(by=s, X=Y)").replace(
            "norm(X * s, 3)", "norm(X * s, 3) + sum(Z) * u"
        ),
        {"X": A, "s": "0.7"},
    ),
    "modes": (
        """layer = function(matrix[double] X, string mode) return (matrix[double] Y) {
  if (mode == "sorted") Y = order(target=X, by=1)
  else if (mode == "square") Y = X ^ 2
  else Y = X
}
f = function(matrix[double] X) return (double loss) { loss = sum(layer(X, "square")) }""",
        {"X": A},
    ),
    "library": (
        """f = function(matrix[double] X) return (double loss) {
  Y = scale(X)
  Z = X - colMeans(X)
  loss = sum(Z ^ 3) + sum(X ^ 2)
}""".replace("  Y = scale(X)\n", ""),
        {"X": A},
    ),
}


def test_control_flow_and_calls():
    check(CONTROL)


SECOND: dict[str, Case] = {
    "twice": (
        """inner = function(matrix[double] X, double s) return (double loss) { loss = sum(exp(X * s)) + sum(X ^ 3) * s }
f = function(matrix[double] X, double s) return (double loss) {
  [dX, ds] = grad(inner, X, s)
  loss = sum(dX ^ 2) + ds * sum(X)
}""",
        {"X": A, "s": "0.7"},
    ),
    "twice_in_branches": (
        """inside = function(matrix[double] X, matrix[double] w) return (double loss) {
  Z = X * w
  if (sum(Z) > 0) loss = sum(Z ^ 3) else loss = sum(Z)
}
f = function(matrix[double] X, matrix[double] w) return (double loss) {
  dw = grad(inside, X, w, wrt="w")
  loss = sum(dw * w)
}""",
        {"X": A, "w": ROW},
    ),
}


def test_second_derivatives():
    check(SECOND)


def test_second_derivatives_through_loops_are_refused():
    text = """g = function(double x) return (double y) { y = 1; for (i in 1:3) { y = y * x } }
f = function(double x) return (double y) { y = grad(g, x) }
print(grad(f, 2.0))
"""
    assert "values in a list have no derivative" in refused(text)


VECTOR_JACOBIAN = """
forward = function(matrix[double] X, matrix[double] W, matrix[double] b) return (matrix[double] out, double n) {
  out = X %*% W + b
  n = sum(W)
}
X = matrix("1 2 3 4 5 6", 3, 2)
W = matrix("1 -2 0.5 1", 2, 2)
b = matrix("0.1 0.2", 1, 2)
dout = matrix("1 2 3 4 5 6", 3, 2) / 7
"""


def test_vector_jacobian_products():
    assert (
        run(
            VECTOR_JACOBIAN
            + """[dX, dW, db] = grad(forward, X, W, b, dout=dout)
print(max(abs(dX - dout %*% t(W))) + max(abs(dW - t(X) %*% dout)) + max(abs(db - colSums(dout))) < 1e-14)
db2 = grad(forward, X, b=b, W=W, dout=dout, wrt=list("b"))
print(sum(abs(db2 - db)) == 0)
[dW3, dX3] = grad("forward", X, W, b, wrt=["W", "X"], dout=dout)
print(sum(abs(dW3 - dW)) + sum(abs(dX3 - dX)) == 0)
"""
        ).split()
        == ["TRUE"] * 3
    )


def test_the_result_of_a_layer_needs_its_gradient():
    assert "needs its gradient as dout" in refused(VECTOR_JACOBIAN + "[dX, dW, db] = grad(forward, X, W, b)\n")
    assert "must have the size of the result" in refused(
        VECTOR_JACOBIAN + "[dX, dW, db] = grad(forward, X, W, b, dout=t(dout))\n"
    )


def test_a_result_of_one_cell_needs_none():
    text = "f = function(matrix[double] X) return (matrix[double] y) { y = colSums(rowSums(X ^ 2)) }\n"
    assert run(text + "print(as.scalar(grad(f, matrix(3, 1, 1))))").split() == ["6.0"]


def test_what_the_result_does_not_depend_on_has_derivative_zero():
    text = """f = function(matrix[double] X, double s, int k) return (double y) { y = sum(sign(X)) * k }
[dX, ds] = grad(f, matrix(3, 2, 2), 1, 4)
print(sum(abs(dX)) + ds + nrow(dX))
"""
    assert run(text).split() == ["2.0"]


def test_random_numbers_are_those_of_the_forward_pass():
    """Also in loops, where the iterations are computed again for their adjoints."""
    text = """drop = function(matrix[double] X, double p) return (matrix[double] Y) {
  M = rand(rows=nrow(X), cols=ncol(X), min=0, max=1) < p
  Y = X * M
  print(toString(M * 1))
}
f = function(matrix[double] X) return (double loss) {
  loss = sum(drop(X, 0.5))
  for (i in 1:2) {
    for (j in 1:2) { if (i + j > 2) loss = loss + sum(drop(X, 0.5)) }
  }
}
print(toString(grad(f, matrix(1, 2, 6))))
"""
    numbers = np.array(run(text).split(), dtype=float).reshape(5, 2, 6)
    np.testing.assert_array_equal(numbers[:4].sum(axis=0), numbers[4])


def test_effects_happen_once():
    text = """f = function(double x) return (double y) {
  y = x
  for (i in 1:2) { y = y * x; print(i) }
}
print(grad(f, 3.0))
"""
    assert run(text).split() == ["1", "2", "27.0"]


def test_namespaces_and_functions_that_are_called_by_name(tmp_path):
    (tmp_path / "layer.dml").write_text(
        "forward = function(matrix[double] X) return (matrix[double] Y) { Y = X ^ 2 }\n"
        "slope = function(matrix[double] X) return (matrix[double] D) { D = grad(forward, X, dout=matrix(1, 1, 1)) }\n"
    )
    path = (tmp_path / "layer.dml").as_posix()
    text = f'''source("{path}") as layer
X = matrix(3, 1, 1)
print(as.scalar(grad(layer::forward, X, dout=X)) + as.scalar(grad("layer::forward", X)))
D = eval("layer::slope", X)
print(as.scalar(D))
'''
    assert run(text).split() == ["24.0", "6.0"]


def test_several_results_of_operators():
    text = """f = function(matrix[double] X, matrix[double] W, matrix[double] b, matrix[double] h, matrix[double] c)
    return (double loss) {
  [out, last, c1, c2, c3] = lstm(X, W, b, h, c, TRUE)
  loss = sum(out ^ 2) + sum(last)
}"""
    cells = "matrix(sin(seq(1, 40)), 5, 8)"
    arguments = {
        "X": "matrix(cos(seq(1, 18)), 2, 9)",
        "W": cells,
        "b": "matrix(0.1, 1, 8)",
        "h": "matrix(0.1, 2, 2)",
        "c": "matrix(0.2, 2, 2)",
    }
    check({"lstm": (text, arguments)})
    text = """f = function(matrix[double] X, matrix[double] gamma, matrix[double] beta) return (double loss) {
  [Y, m, v, sm, sv] = batch_norm2d(X, gamma, beta, matrix(0, 2, 1), matrix(1, 2, 1), "train", 1e-5, 0.9)
  loss = sum(Y ^ 3)
}"""
    check(
        {
            "norm": (
                text,
                {
                    "X": "matrix(sin(seq(1, 16)), 2, 8)",
                    "gamma": 'matrix("1 2", 2, 1)',
                    "beta": 'matrix("0.3 0.2", 2, 1)',
                },
            )
        }
    )


UNARY = ["exp({} / 4)", "sin({})", "tanh({})", "sigmoid({})", "({}) ^ 2", "abs({} + 0.123)", "-({})", "max({}, 0.31)"]
BINARY = ["({}) + ({})", "({}) * ({})", "({}) - ({})", "({}) / (1.5 + ({}) ^ 2)", "min({}, {})"]
LEAVES = ["X", "v", "w", "s", "0.7", "rowSums(X)", "colMeans(X)", "mean(X)"]


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(LEAVES))
    if draw(st.booleans()):
        return draw(st.sampled_from(UNARY)).format(draw(expressions(depth - 1)))
    parts = [draw(expressions(depth - 1)) for _ in range(2)]
    return draw(st.sampled_from(BINARY)).format(*parts)


@settings(
    max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True
)
@given(st.lists(expressions(), min_size=8, max_size=8))
def test_random_expressions(texts):
    arguments = {"X": A, "v": ROW, "w": COLUMN, "s": "0.7"}
    # X stands first, so that a column never meets a row alone.
    check(
        {
            f"random{at}": expression(f"X * (X + ({text} + X)) - (X * s + v) * w", **arguments)
            for at, text in enumerate(texts)
            if _fits(text)
        }
    )


def _fits(text: str) -> bool:
    values = {"X": np.ones((2, 3)), "v": np.ones((1, 3)), "w": np.ones((2, 1)), "s": 1.0}
    try:
        run(
            "X = matrix(1, 2, 3)\nv = matrix(1, 1, 3)\nw = matrix(1, 2, 1)\ns = 0.7\n"
            f"Y = X + ({text} + X)\nprint(sum(Y))"
        )
    except ScriptError:
        return False
    return bool(values)
