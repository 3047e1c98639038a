"""Chunks of lines, and the threads that work on them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from gramian.io import chunks
from gramian.io.chunks import in_order, places


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("text", [b"", b"a", b"a\n", b"ab\r\nc\n\nlong line\nd", b"\xef\xbb\xbfx\n", b"\xef\xbb\xbf"])
def test_chunks_are_whole_lines(size: int, text: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
    Path(tmp_path, "x").write_bytes(text)
    found = [place.read() for place in places(str(tmp_path / "x"))]
    plain = text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    assert b"".join(chunk.text for chunk in found).removesuffix(b"\n") == plain.removesuffix(b"\n")
    lines = 1
    for chunk in found:
        assert chunk.text.endswith(b"\n")
        assert chunk.line == lines
        lines += chunk.text.count(b"\n")


def test_order_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "cores", lambda: 3)
    threads = set()

    def work(number: int) -> int:
        threads.add(threading.get_ident())
        time.sleep(0.002 * (number % 3))
        if number == 30:
            raise ZeroDivisionError
        return number * 2

    assert list(in_order(work, range(20))) == list(range(0, 40, 2))
    assert len(threads) > 1
    assert list(in_order(work, [4])) == [8]
    assert list(in_order(work, [])) == []
    results = in_order(work, range(1000))
    assert [next(results) for _ in range(30)] == list(range(0, 60, 2))
    with pytest.raises(ZeroDivisionError):
        next(results)
    for _ in in_order(work, range(25)):
        break  # the rest is not waited for


def test_items_are_taken_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "cores", lambda: 2)
    taken = []

    def items() -> object:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, items())
    next(results)
    assert len(taken) < 10
    results.close()
