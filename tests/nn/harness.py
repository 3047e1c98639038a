"""Runs DML on NumPy arrays in this process, and compares hand-written gradients with central differences.

`run` compiles a script once for each text and sizes of inputs, so that it may be called in a loop. Arrays become matrices,
floats become doubles that the compiler does not know; ints, booleans and strings stand in the script as they are.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from gramian.api.script import Script
from gramian.settings import Settings
from gramian.source import Source

Input = np.ndarray | float | int | bool | str
Value = np.ndarray | float


@lru_cache(maxsize=64)
def _compiled(text: str, shapes: tuple[tuple[str, tuple[int, int]], ...]) -> tuple[Script, Path]:
    """A script and the folder of its inputs and outputs. The sizes only tell scripts apart: the files say them too."""
    folder = _folder_of(text, shapes)
    script = Script.compile(Source("test.dml", text.replace("@folder@", str(folder))), Settings())
    return script, folder


@lru_cache(maxsize=64)
def _folder_of(text: str, shapes: tuple[tuple[str, tuple[int, int]], ...]) -> Path:
    return Path(tempfile.mkdtemp(prefix="nn", dir=_root().name))


@lru_cache(maxsize=1)
def _root() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="gramian-nn-")  # its finalizer removes it when Python ends


def _literal(value: Input) -> str:
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _is_file(value: Input) -> bool:
    return isinstance(value, np.ndarray | float)


def _reading(name: str, value: Input) -> str:
    if not _is_file(value):
        return f"{name} = {_literal(value)}"
    read = f'read("@folder@/{name}.npy")'
    return f"{name} = {read if isinstance(value, np.ndarray) else f'as.scalar({read})'}"


def _file_cells(value: Input) -> np.ndarray:
    return np.atleast_2d(np.asarray(value, dtype=np.float64))


def run(text: str, inputs: Mapping[str, Input], outputs: Sequence[str]) -> dict[str, Value]:
    """The values of variables at the end of a script that finds its inputs in variables. Scalars come back as floats."""
    sources = "\n".join(re.findall(r"^\s*source\(.*$", text, re.MULTILINE))
    rest = re.sub(r"^\s*source\(.*$", "", text, flags=re.MULTILINE)
    lines = [_reading(name, value) for name, value in inputs.items()]
    writes = [f'write({name}, "@folder@/{name}.out", format="npy")' for name in outputs]
    whole = "\n".join([sources, *lines, rest, *writes, ""])
    files = {name: _file_cells(value) for name, value in inputs.items() if _is_file(value)}
    shapes = tuple((name, cells.shape) for name, cells in files.items())
    for name, cells in files.items():
        np.save(_folder_of(whole, shapes) / f"{name}.npy", cells)
    script, folder = _compiled(whole, shapes)
    script.run()
    return {name: _written(folder / f"{name}.out") for name in outputs}


def _written(path: Path) -> Value:
    metadata = json.loads(path.with_name(path.name + ".mtd").read_text())
    if metadata["data_type"] == "scalar":
        return float(path.read_text().replace("Infinity", "inf"))
    return np.asarray(np.load(path))


def central_differences(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """The gradient of a function of an array, one cell after the other."""
    gradient = np.zeros_like(x, dtype=np.float64)
    for cell in np.ndindex(*x.shape):
        up, down = x.astype(np.float64), x.astype(np.float64)
        up[cell] += h
        down[cell] -= h
        gradient[cell] = (f(up) - f(down)) / (2 * h)
    return gradient


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference as a share of the largest cell, so that cells near zero make no noise."""
    assert found.shape == expected.shape, f"{found.shape} is not {expected.shape}"
    scale = max(float(np.abs(expected).max(initial=0)), float(np.abs(found).max(initial=0)), 1e-8)
    return float(np.abs(found - expected).max(initial=0)) / scale


def check_gradient(
    sources: str,
    forward: str,
    backward: str,
    inputs: Mapping[str, Input],
    gradients: Mapping[str, str],
    *,
    loss: str = "sum(out * dout)",
    h: float = 1e-5,
    tolerance: float = 1e-6,
    also: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Compare what `backward` computes with central differences of `loss`, an expression, after `forward`.

    `sources` holds the source() statements. `forward` and `backward` are statements; `backward` runs after `forward` and may
    use its results. `gradients` names the variable with the gradient for each input to be checked. All runs in one script.

    The usual loss is a sum of the outputs with random weights `dout`, which has to be among the inputs then. Returns the
    gradients of `backward`, and other variables that `also` names.
    """
    names = ", ".join(inputs)
    parameters = ", ".join(f"{_declared(value)} {name}" for name, value in inputs.items())
    numeric = [_differences(of, names, h) for of in gradients]
    text = f"""{sources}
loss_of = function({parameters}) return (double value) {{
{forward}
value = {loss}
}}
{forward}
{backward}
{"".join(numeric)}"""
    outputs = [*gradients.values(), *(f"numeric_{of}" for of in gradients), *also]
    found = run(text, inputs, outputs)
    for of, name in gradients.items():
        got, expected = np.atleast_2d(found[name]), np.atleast_2d(found[f"numeric_{of}"])
        error = relative_error(got, expected)
        assert error < tolerance, f"gradient by {of}: relative error {error:.2e}\n{got}\n{expected}"
    return {name: np.atleast_2d(found[name]) for name in (*gradients.values(), *also)}


def _declared(value: Input) -> str:
    if isinstance(value, np.ndarray):
        return "matrix[double]"
    if isinstance(value, bool):
        return "boolean"
    return {int: "int", str: "string"}.get(type(value), "double")


def _differences(of: str, names: str, h: float) -> str:
    return f"""
numeric_{of} = matrix(0, rows=nrow({of}), cols=ncol({of}))
kept_{of} = {of}
for (i_ in 1:nrow({of})) {{
  for (j_ in 1:ncol({of})) {{
    {of} = kept_{of}
    {of}[i_, j_] = as.scalar(kept_{of}[i_, j_]) + {h!r}
    up_ = loss_of({names})
    {of}[i_, j_] = as.scalar(kept_{of}[i_, j_]) - {h!r}
    down_ = loss_of({names})
    numeric_{of}[i_, j_] = (up_ - down_) / {2 * h!r}
  }}
}}
{of} = kept_{of}
"""
