"""Functions of words that the expressions of map() may call: how similar two are, and what one consists of."""

from __future__ import annotations

RECODE_MARK = "·"  # between token and code in the metadata of transformencode()


def jaccard_similarity(a: str, b: str) -> float:
    """The share of characters that both texts have among those that either has; two empty texts are alike."""
    mine, theirs = set(a), set(b)
    return len(mine & theirs) / len(mine | theirs) if mine or theirs else 1.0


def word_error_rate(reference: str, found: str) -> float:
    """Words to insert, delete or replace, per word of the reference."""
    words, others = reference.split(), found.split()
    before = list(range(len(others) + 1))
    for i, word in enumerate(words, 1):
        row = [i]
        for j, other in enumerate(others, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (word != other)))
        before = row
    return before[-1] / max(len(words), 1)


def ascii_at(text: str, position: int) -> int:
    """The code of the character at a position, which counts from 1; 0 outside of the text."""
    return ord(text[position - 1]) if 1 <= position <= len(text) else 0


def split_recode_entry(entry: str) -> list[str]:
    """Token and code of a cell of the metadata."""
    token, mark, code = entry.rpartition(RECODE_MARK)
    if not mark:
        raise ValueError(f"'{entry}' is no entry of recode metadata, which looks like token{RECODE_MARK}code")
    return [token, code]
