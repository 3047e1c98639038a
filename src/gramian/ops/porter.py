"""Stems of English words, by M. F. Porter, "An algorithm for suffix stripping", Program 14 (3), 1980."""

from __future__ import annotations

import re
from collections.abc import Mapping

Rules = Mapping[str, str]


def _rules(text: str) -> Rules:
    """Rules in pairs: a suffix, and behind a slash what replaces it."""
    return dict(pair.split("/") for pair in text.split())


_SECOND = _rules(
    "ational/ate tional/tion enci/ence anci/ance izer/ize abli/able alli/al entli/ent eli/e ousli/ous ization/ize "
    "ation/ate ator/ate alism/al iveness/ive fulness/ful ousness/ous aliti/al iviti/ive biliti/ble"
)
_THIRD = _rules("icate/ic ative/ alize/al iciti/ic ical/ic ful/ ness/")
_FOURTH = _rules("al/ ance/ ence/ er/ ic/ able/ ible/ ant/ ement/ ment/ ent/ ion/ ou/ ism/ ate/ iti/ ous/ ive/ ize/")
_SHORTEST = 3  # letters of a word that is changed


def stem(word: str) -> str:
    """The stem, in lower case; words of one or two letters stay as they are."""
    word = word.lower()
    if len(word) < _SHORTEST:
        return word
    word = _past(_plural(word))
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replaced(_replaced(word, _SECOND, 0), _THIRD, 0)
    return _ending(_replaced(word, _FOURTH, 1))


def _kinds(letters: str) -> str:
    """c for each consonant, v for each vowel; y is a vowel behind a consonant."""
    kinds = ""
    for letter in letters:
        vowel = letter in "aeiou" or (letter == "y" and kinds.endswith("c"))
        kinds += "v" if vowel else "c"
    return kinds


def _measure(letters: str) -> int:
    """How often a consonant follows a vowel, about the number of syllables."""
    return _kinds(letters).count("vc")


def _has_vowel(letters: str) -> bool:
    return "v" in _kinds(letters)


def _is_doubled(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _kinds(word)[-1] == "c"


def _is_short(word: str) -> bool:
    """Ends in consonant, vowel, consonant, the last not w, x or y: such words end in e."""
    return _kinds(word).endswith("cvc") and word[-1] not in "wxy"


def _plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    rest = re.sub(r"(ed|ing)$", "", word)
    if rest == word or not _has_vowel(rest):
        return word
    if rest.endswith(("at", "bl", "iz")):
        return rest + "e"
    if _is_doubled(rest) and rest[-1] not in "lsz":
        return rest[:-1]
    return rest + "e" if _measure(rest) == 1 and _is_short(rest) else rest


def _replaced(word: str, rules: Rules, more_than: int) -> str:
    """The word with its longest suffix among the rules replaced, if what stays before it measures enough."""
    suffix = max((s for s in rules if word.endswith(s)), key=len, default=None)
    if suffix is None:
        return word
    rest = word[: len(word) - len(suffix)]
    if _measure(rest) <= more_than or (suffix == "ion" and not rest.endswith(("s", "t"))):
        return word
    return rest + rules[suffix]


def _ending(word: str) -> str:
    rest = word[:-1]
    if word.endswith("e") and (_measure(rest) > 1 or (_measure(rest) == 1 and not _is_short(rest))):
        word = rest
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
