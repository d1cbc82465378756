"""Own which names look like tokens: known issuers' forms, and letters that no words are made of.

It judges names, in which words are written as one or with hyphens between: of the 15,000
operations, 3,000 errors and 88,000 parameters that botocore knows none looks like a
token here, of random texts of 24 letters and digits less than two in a hundred do not.
A token of lower-case letters alone can often not be told from a name.
"""

from __future__ import annotations

import re

_ISSUED = re.compile(
    r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9_]{20}|npm_[A-Za-z0-9]{36}"
    r"|glpat-[A-Za-z0-9_-]{20}|xox[abeoprs]-[A-Za-z0-9-]{10}|dop_v1_[a-f0-9]{20}"
    r"|(?:sk|pypi)-(?=[A-Za-z_-]{0,250}[0-9])[A-Za-z0-9_-]{20}|[sr]k_(?:live|test)_[A-Za-z0-9]{16}"
    r"|AIza[A-Za-z0-9_-]{20}|GOCSPX-[A-Za-z0-9_-]{20}|eyJ[A-Za-z0-9_-]{8}"
    r"|(?:AKIA|ASIA|ABIA|ACCA|LSIA|LKIA|AROA|AIDA)[A-Z0-9]{16}"
    r"|ls-(?=[A-Za-z-]{0,80}[0-9])[A-Za-z0-9]{4,12}(?:-[A-Za-z0-9]{4,12}){2})"
)
_COUNTED = re.compile(r"[0-9]{9,}|(?=[0-9a-f]*[0-9])[0-9a-f]{12,}|(?=[0-9A-F]*[0-9])[0-9A-F]{16,}")
_PART = re.compile(r"[A-Za-z0-9]{12,}|[0-9]{9,}")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SHORTEST = 16
_MOST_NUMBERS = 2
_FEWEST_IN_WORD = 2.7
_MOST_TO_A_VOWEL = 7


def looks_like_token(name: str) -> bool:
    """Tell whether a name looks like a token, or like an identifier that a machine drew."""
    if _ISSUED.search(name):
        return True
    return any(_is_drawn(part) for part in _PART.findall(name))


def _is_drawn(part: str) -> bool:
    """Tell letters and digits that were drawn from words that are written as one."""
    if _COUNTED.fullmatch(part):
        return True
    if len(part) < _SHORTEST:
        return False
    words = _WORD.findall(part)
    vowels = sum(letter in "aeiouyAEIOUY" for letter in part)
    return (
        sum(word.isdigit() for word in words) > _MOST_NUMBERS
        or len(part) < _FEWEST_IN_WORD * len(words)
        or len(part) > _MOST_TO_A_VOWEL * vowels
    )
