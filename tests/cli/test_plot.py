"""`gramian plot`: which curves go where, the files that are written, and what is said about bad input."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from gramian.errors import OperationError, UsageError
from gramian.plot import Panel, axis, panels, plot, read_columns

HISTORY = (
    "epoch,loss,validation_loss,validation_accuracy,seconds\n1,2.5,0.5,0.9,10\n2,1.5,0.25,0.95,11\n3,1.25,,0.97,9\n"
)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    return path


def columns(path: Path) -> dict[str, list[float]]:
    return read_columns(str(path))


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_losses_and_accuracies_have_panels(history: Path) -> None:
    found = panels(columns(history), "epoch", [])
    assert found == [Panel("loss", ("loss", "validation_loss")), Panel("accuracy", ("validation_accuracy",))]


def test_columns_that_were_asked_for_have_panels_of_their_own(history: Path) -> None:
    found = panels(columns(history), "epoch", ["seconds", "loss"])
    assert found == [Panel("loss", ("loss",)), Panel("seconds", ("seconds",))]


def test_without_losses_everything_is_drawn(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "step,learning_rate,closs\n1,0.5,2\n")
    assert panels(read_columns(path), "step", []) == [
        Panel("learning rate", ("learning_rate",)),
        Panel("closs", ("closs",)),
    ]


def test_axis(history: Path, tmp_path: Path) -> None:
    assert axis(columns(history), None) == "epoch"
    assert axis(columns(history), "seconds") == "seconds"
    assert axis(read_columns(written(tmp_path / "b.csv", "loss\n1\n2\n")), None) == "row"


def test_empty_fields_are_gaps_and_text_is_no_curve(history: Path, tmp_path: Path) -> None:
    assert math.isnan(columns(history)["validation_loss"][2])
    path = written(tmp_path / "t.csv", '\ufeffname,loss\n"a, b",1e-3\nc,Infinity\n')
    assert read_columns(path) == {"loss": [1e-3, math.inf]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\nx,y\n", "no column of numbers"),
        ("a,b\n", "no column of numbers"),
        ("1,2\n3,4\n", "has no header"),
        ("a,a\n1,2\n", "two columns with the name 'a'"),
        ("a,b\n1,2\n3\n", "line 3: 1 fields, but the header has 2"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(OperationError, match=message):
        read_columns(written(tmp_path / "bad.csv", text))


def test_bad_wishes(history: Path, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="no column 'los'") as caught:
        panels(columns(history), "epoch", ["los"])
    assert caught.value.hint == "did you mean 'loss'?"
    with pytest.raises(OperationError, match="nothing to draw along 'epoch'"):
        panels({"epoch": [1.0]}, "epoch", [])
    with pytest.raises(UsageError, match=r"cannot draw 'a\.bmp'[^$]*\.png"):
        plot(str(history), "a.bmp", None, [])
    (tmp_path / "f.png").mkdir()
    with pytest.raises(UsageError, match="it is a folder"):
        plot(str(history), str(tmp_path / "f.png"), None, [])


def test_without_matplotlib(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'gramian\[plot\]'"):
        plot(str(history), None, None, [])
    assert [path.name for path in history.parent.iterdir()] == ["history.csv"]


def test_png_and_svg(history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    plot(str(history), None, None, [])
    png = (tmp_path / "history.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    assert width > 1.5 * height  # two panels side by side
    assert capsys.readouterr().out.endswith("not drawn: seconds (name them with --columns)\n")

    svg = tmp_path / "new" / "curves.svg"
    plot(str(history), str(svg), "epoch", ["loss"])
    text = svg.read_text()
    assert text.startswith("<?xml")
    assert text.rstrip().endswith("</svg>")
    before = svg.read_bytes()
    plot(str(history), str(svg), "epoch", ["loss"])
    assert svg.read_bytes() == before


def test_a_failure_leaves_the_old_file(history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = pytest.importorskip("matplotlib.figure")

    def fails(self: object, file: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    old = tmp_path / "history.png"
    old.write_bytes(b"old")
    monkeypatch.setattr(figure.Figure, "savefig", fails)
    with pytest.raises(UsageError, match="No space left"):
        plot(str(history), None, None, [])
    assert old.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "history.png"]


def test_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gramian", "plot"]
    done = subprocess.run(
        [*command, "nothere.csv"], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: cannot find the file 'nothere.csv'")
    helped = subprocess.run([*command, "-h"], capture_output=True, text=True, timeout=60, check=False).stdout
    assert "gramian plot out/history.csv --out curves.svg --x epoch" in helped
