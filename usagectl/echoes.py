"""Own the removal of a call's own parameters from the text of the error that answers it.

"Role deploy not found": no look at the text alone tells the name in it from a word.
A look at the call does. The parameters are read when a call was refused, and not kept;
the text that is left is scrubbed by the tracker like any other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACEHOLDER: Final = "<name>"
MOST_CHARACTERS: Final = 1 << 16
"""How much of the parameters is read; with more of them, no text is left at all."""
_MOST_TEXT: Final = 1 << 12

_LONG = 8
"""How many characters of a value tell it within a code: shorter ones are in ordinary words too."""

_WORD = re.compile(r"[^\W_]+")


def without_echoes(text: str, params: object, shape: Any) -> str | None:  # noqa: ANN401
    """Put a placeholder for every part of a text that repeats a word of the parameters.

    Case does not matter, and one word is enough: `[my-queue],` goes as a whole where a
    parameter holds `queue`. None: there is too much in the parameters to be sure.

    Args:
        text: what the emulator says about the error; it ends with the last word that is
            whole within 4096 characters.
        params: what the call was made with.
        shape: botocore's description of them, which tells a map's keys, the caller's
            own, from the names of members; None: all keys are the caller's.
    """
    said: set[str] = set()
    for words in _words_of(params, shape):
        if words is None:
            return None
        said.update(words)
    parts = re.split(r"(\s+)", text[:_MOST_TEXT])
    if len(text) > _MOST_TEXT:
        parts.pop()  # Half a name is no word of the parameters.
    return "".join(
        part if said.isdisjoint(_WORD.findall(part.casefold())) else PLACEHOLDER for part in parts
    )


def is_echo(code: str, params: object, shape: Any) -> bool:  # noqa: ANN401
    """Tell whether the code of an error repeats a value of the parameters, or may do so.

    `AcmeSecretProject` repeats `acme-secret-project`, and so does a code that holds it; a
    short value is found only as a word of its own.
    """
    words = set(_WORD.findall(code.casefold()))
    joined = "".join(_WORD.findall(code.casefold()))
    for said in _words_of(params, shape):
        if said is None:
            return True
        value = "".join(said)
        if value == joined or not words.isdisjoint(said):
            return True
        if len(value) >= _LONG and value in joined:
            return True
    return False


def _words_of(params: object, shape: Any) -> Iterator[list[str] | None]:  # noqa: ANN401
    """Give the words of each value, in small letters; None where there is too much to read."""
    left = MOST_CHARACTERS
    for value in _values(params, shape):
        left -= len(value)
        if left < 0:
            yield None
            return
        yield _WORD.findall(value.casefold())


def _values(value: object, shape: Any) -> Iterator[str]:  # noqa: ANN401
    """Give everything that the caller chose, as text."""
    if isinstance(value, dict):
        members = getattr(shape, "members", None)
        inner = getattr(shape, "value", None)
        for key, each in value.items():
            if members is None or key not in members:
                yield str(key)
            yield from _values(each, (members or {}).get(key, inner))
    elif isinstance(value, (list, tuple, set)):
        for each in value:
            yield from _values(each, getattr(shape, "member", None))
    elif isinstance(value, (bytes, bytearray)):
        yield bytes(value[: MOST_CHARACTERS + 1]).decode("utf-8", "replace")
    elif isinstance(value, (str, int, float)) and not _is_of_aws(value, shape):
        yield str(value)


def _is_of_aws(value: object, shape: Any) -> bool:  # noqa: ANN401
    """Tell whether AWS chose a word: a name of a list, or true and false."""
    return isinstance(value, bool) or value in getattr(shape, "enum", ())
