"""The files of a program: each with its functions and namespaces, loaded once, in cycles too if they like.

`source("p") as ns` looks for `p` beside the file that contains it (or in the folder that an earlier `setwd` names), then in
the working directory and its folder `scripts`, then in the library that comes with gramian, where `scripts/nn/...` is the
same as `nn/...`. Files of the library find their own kind first: what lies in the working directory does not change them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from gramian.errors import Diagnostic, ScriptError
from gramian.lang import tree
from gramian.source import Source, Span

LIBRARY = Path(__file__).resolve().parent.parent / "lib"
BY_NAME = LIBRARY / "builtin"  # the part whose functions need no source()

_WRITES = re.compile(r"\bwrite\s*\(")

Parse = Callable[[Source], tree.Script]


@dataclass(eq=False)
class File:
    """One source file: its syntax tree, its functions by name, and the files behind its namespaces."""

    script: tree.Script
    stem: str
    functions: dict[str, Signature] = field(default_factory=dict)
    namespaces: dict[str, File] = field(default_factory=dict)
    # What could not be loaded or parsed was reported, and calls of it are no errors of their own.
    missing: set[str] = field(default_factory=set)
    broken: bool = False
    sourced_at: Span | None = None
    is_packaged: bool = False
    is_library: bool = False  # its functions may be called without source()

    @cached_property
    def has_lazy_operators(self) -> bool:
        """Most files have no && or ||, and need no thought of them."""
        text = self.script.source.text
        return "&&" in text or "||" in text

    @cached_property
    def writes(self) -> bool:
        """May the file write files?"""
        return _WRITES.search(self.script.source.text) is not None


@dataclass(frozen=True, eq=False)
class Signature:
    """A function of a file; `name` is unique in the program."""

    name: str
    title: str
    declared: tree.Function
    file: File


class Files:
    """Loads files and gives their functions names that are unique in the program."""

    def __init__(self, parse: Parse, taken: Callable[[str], bool]) -> None:
        self._parse = parse
        self._taken = taken
        self._loaded: dict[Path, File] = {}
        self._names: set[str] = set()
        self.all: list[File] = []
        self.errors: list[Diagnostic] = []

    def main(self, source: Source) -> File:
        """The file of the main script. Functions keep their names, unless a builtin has the same."""
        path = Path(source.name)
        return self._add(source, path.resolve() if path.exists() else None, path.stem)

    def library(self, name: str) -> Signature | None:
        """The library function of that name, which scripts may call without `source`."""
        path = BY_NAME / f"{name}.dml"
        if not name.isidentifier() or not path.is_file():
            return None
        return self._load(path, f"builtin/{path.name}").functions.get(name)

    def sourced(self, path: str, file: File, span: Span) -> File | None:
        """The file that `source(path)` at the end of a file would load, or None if there is no such file."""
        folders = [Path(s.path) for s in file.script.statements if isinstance(s, tree.SetWd)]
        candidates = _candidates(path, file, folders[-1] if folders else None)
        found = next((candidate for candidate in candidates if candidate.is_file()), None)
        return None if found is None else self._load(found, _shown(found, path), span)

    def _load(self, path: Path, shown: str, sourced_at: Span | None = None) -> File:
        key = path.resolve()
        if key not in self._loaded:
            source = Source(shown, path.read_text(encoding="utf-8"), LIBRARY in key.parents)
            self._add(source, key, path.stem, sourced_at=sourced_at)
        return self._loaded[key]

    def _add(self, source: Source, key: Path | None, stem: str, sourced_at: Span | None = None) -> File:
        broken = False
        try:
            script = self._parse(source)
        except ScriptError as error:
            self.errors += error.diagnostics
            script = tree.Script(source, (), ())
            broken = True
        file = File(script, _identifier(stem), broken=broken, sourced_at=sourced_at)
        file.is_packaged = key is not None and LIBRARY in key.parents
        file.is_library = key is not None and BY_NAME in key.parents
        if key:
            self._loaded[key] = file
        self.all.append(file)
        self._declare(file)
        self._follow(file)
        return file

    def _declare(self, file: File) -> None:
        for function in file.script.functions:
            if function.name in file.functions:
                first = file.functions[function.name].declared.name_span
                self.errors.append(
                    Diagnostic(
                        f"function '{function.name}' is defined twice",
                        function.name_span,
                        "give one of them another name; functions cannot be overloaded",
                        (("first defined at", first),),
                    )
                )
                continue
            name = self._unique(function.name, file)
            file.functions[function.name] = Signature(name, function.name, function, file)

    def _unique(self, wanted: str, file: File) -> str:
        """Functions of the main script keep their names, unless a builtin or the script itself has the same."""
        plain = file is self.all[0] and not self._taken(wanted) and wanted != "main"
        name = wanted if plain else f"{file.stem}__{wanted}"
        base, number = name, 2
        while name in self._names:
            name, number = f"{base}{number}", number + 1
        self._names.add(name)
        return name

    def _follow(self, file: File) -> None:
        """Load what a file sources, in the order of its statements, since `setwd` moves the search."""
        folder: Path | None = None
        for statement in file.script.statements:
            if isinstance(statement, tree.SetWd):
                folder = Path(statement.path)
            elif isinstance(statement, tree.Import):
                self._import(file, statement, folder)

    def _import(self, file: File, statement: tree.Import, folder: Path | None) -> None:
        candidates = _candidates(statement.path, file, folder)
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            self.errors.append(_not_found(statement, candidates))
            file.missing.add(statement.namespace)
            return
        loaded = self._load(found, _shown(found, statement.path), statement.span)
        known = file.namespaces.setdefault(statement.namespace, loaded)
        if known is not loaded:
            self.errors.append(
                Diagnostic(
                    f"namespace '{statement.namespace}' already stands for {known.script.source.name}",
                    statement.span,
                    "choose another name after 'as'",
                )
            )


def _shown(found: Path, path: str) -> str:
    """What messages call a file that was found by a path."""
    return os.path.relpath(found) if LIBRARY not in found.parents else _packaged(path)


def _identifier(stem: str) -> str:
    """The name of a file as the beginning of a function's name."""
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in stem)
    return name if name[:1].isalpha() else f"file{name}"


def _candidates(path: str, file: File, folder: Path | None) -> list[Path]:
    beside = Path(file.script.source.name).parent
    places = [beside / folder, folder] if folder is not None else [beside]
    bare = _packaged(path)
    own = [] if bare.startswith(("/", "..")) else [LIBRARY / bare]
    if file.is_packaged and own and own[0].is_file():
        return own
    return [*(place / path for place in places), Path(path), Path("scripts") / path, *own]


def _packaged(path: str) -> str:
    """What a path is called in the library, whichever way it is written."""
    return Path(os.path.normpath(path)).as_posix().removeprefix("scripts/")


def _not_found(statement: tree.Import, candidates: list[Path]) -> Diagnostic:
    hint = _nearest(statement, candidates) or f"the working directory is {os.getcwd()}"
    return Diagnostic(f"source file '{statement.path}' does not exist", statement.path_span, hint)


def _nearest(statement: tree.Import, candidates: list[Path]) -> str | None:
    """A file of a similar name where it was looked for; for a path of the library, also elsewhere in it."""
    wanted, own = Path(statement.path), Path(statement.span.source.name).name
    folder = _packaged(statement.path).split("/")[0]
    packaged = {path.name: path for path in sorted((LIBRARY / folder).rglob("*.dml"))} if folder == "nn" else {}
    near = {name for path in candidates if path.parent.is_dir() for name in os.listdir(path.parent)} - {own}
    here = get_close_matches(wanted.name, sorted(near), n=1, cutoff=0.7)
    elsewhere = get_close_matches(wanted.name, packaged, n=1, cutoff=1.0 if here else 0.7)
    if elsewhere:
        return f"did you mean '{packaged[elsewhere[0]].relative_to(LIBRARY).as_posix()}'?"
    return f"did you mean '{wanted.parent / here[0]}'?" if here else None
