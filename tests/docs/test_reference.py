"""The reference page tells the truth about today's records."""

from pathlib import Path

from gramian.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "builtins.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
