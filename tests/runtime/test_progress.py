"""Progress looks at a running script from outside."""

from __future__ import annotations

import time

import pytest

from gramian.api.script import Script
from gramian.ops.text import out
from gramian.runtime.progress import Progress
from gramian.settings import Settings
from gramian.source import Source

SCRIPT = """s = 0
for (epoch in 1:3) {
  i = 0
  while (i < 60000) {
    i = i + 1
    s = s + i %% 7
  }
}
print(s)
"""


def test_progress_names_loops_and_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def watch(progress: Progress) -> None:
        while not progress.done.is_set():
            text = progress.describe()
            if text:
                seen.append(text)
            time.sleep(0.002)

    monkeypatch.setattr(Progress, "_watch", watch)
    printed: list[str] = []
    with out.to(printed.append):
        Script.compile(Source("loop.dml", SCRIPT), Settings(progress=True)).run()
    assert len(printed) == 1
    assert any(text.startswith(("epoch = 1 of 3, line ", "epoch = 2 of 3, line ")) for text in seen)


def test_nothing_is_shown_for_short_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    Script.compile(Source("short.dml", "print(1)"), Settings(progress=True)).run()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("1\n", "")
