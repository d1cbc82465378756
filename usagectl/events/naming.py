"""Own the form of the names in a command's event: its words, and its parameters.

It stands apart from `closing`, which has these two forms from here: every command of an
instrumented program needs them, and none of the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

OTHER = "other"
"""What stands for a word that has not the form of a command's name, as it has for a region."""

MOST_WORDS = 8
"""How long a command path may be, the program's name included."""

WORD = (
    r"(?![0-9]+(?:[ :]|$)|(?i:arn):|[^ :]:|[^ ]{65})[A-Za-z0-9][A-Za-z0-9_-]*"
    r"(?::[A-Za-z][A-Za-z0-9_-]*){0,3}"
)
"""One word: `build`, `cache-dir`, `db:migrate`; `arn:…`, `C:…`, `host:4566`, `s3://…` are none."""

COMMAND_PATH = rf"{WORD}(?: {WORD}){{0,{MOST_WORDS - 1}}}"
PARAMETER = "[A-Za-z_][A-Za-z0-9_-]{0,63}"

_is_word = re.compile(WORD).fullmatch
_is_parameter = re.compile(PARAMETER).fullmatch


def close_path(words: Iterable[object]) -> str:
    """Join words to a command path; one that is no name is replaced, and too many are left out."""
    closed = [word if isinstance(word, str) and _is_word(word) else OTHER for word in words]
    return " ".join(closed[:MOST_WORDS])


def close_parameters(names: Iterable[object]) -> list[str]:
    """Give the names that are names of parameters, in their order."""
    return [name for name in names if isinstance(name, str) and _is_parameter(name)]
