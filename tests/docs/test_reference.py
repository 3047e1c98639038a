"""The reference pages tell the truth about today's records."""

from pathlib import Path

from gramian.reference import page, rewrites_page
from gramian.rewrite.rules import all_rules

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "builtins.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_page_of_rewrites_is_up_to_date() -> None:
    written = (DOCS / "rewrites.md").read_text(encoding="utf-8")
    assert written == rewrites_page(), "run `make docs`"
    assert all(f"`{rule.left} -> {rule.right}`".replace("|", "\\|") in written for rule in all_rules())
