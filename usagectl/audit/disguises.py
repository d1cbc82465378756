"""Disguises of texts: what programs make of one before they send it, and the search for these.

Known are base64, hexadecimal and the common hashes, and around them upper case, percent signs and
JSON's escapes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_Name = TypeVar("_Name")

PLAIN = "as it is"
"""The form of a text without a disguise."""

_SHORTEST = 10
"""The fewest characters of a disguise; shorter ones are found by chance."""

_RUN = re.compile(rb"[0-9A-Za-z+/_-]{%d,}" % _SHORTEST)
"""A word of the letters in which codes and hashes are written."""

_HASHES = ("md5", "sha1", "sha256", "sha512")
_HASH_DIGITS = 12
"""LocalStack's clients cut a digest to this many."""

_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")


class Disguises(Generic[_Name]):
    """Texts to look for, each under a name, in whatever form a program may send them.

    With a text come longer ones that hold it, since a program may hash these.
    """

    def __init__(self, texts: Iterable[tuple[_Name, Sequence[str]]]) -> None:
        self._plain: list[tuple[_Name, bytes]] = []
        self._coded: dict[bytes, list[tuple[_Name, str, bytes]]] = {}  # By their first characters.
        for name, each in texts:
            for form, needle in _forms(each):
                if form == PLAIN:
                    self._plain.append((name, needle))
                elif len(needle) >= _SHORTEST:
                    self._coded.setdefault(needle[:_SHORTEST], []).append((name, form, needle))

    def search(self, data: bytes) -> Iterator[tuple[_Name, str]]:
        """Yield the name of each text that is found, and its form in words; each pair once."""
        readings = _readings(data)
        for name, needle in self._plain:
            if any(needle in reading for reading in readings):
                yield name, PLAIN
        yield from dict.fromkeys(found for each in readings for found in self._search_coded(each))

    def _search_coded(self, reading: bytes) -> Iterator[tuple[_Name, str]]:
        """Look at the words that may be a code of something, at each of their letters."""
        for run in _RUN.finditer(reading):
            for start in range(run.start(), run.end() - _SHORTEST + 1):
                for name, form, needle in self._coded.get(reading[start : start + _SHORTEST], ()):
                    if reading.startswith(needle, start):
                        yield name, form


def _forms(texts: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield what a program may make of the first text, in the letters that `_readings` has.

    Of the others it may make hashes.
    """
    data, *longer = (text.encode("utf-8", "surrogateescape") for text in texts)
    yield PLAIN, data
    yield "in hexadecimal", data.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + data).rstrip(b"=")
        # The first characters and the last one hold bits of the neighbours.
        cut = coded[(0, 2, 3)[shift] : -1]
        yield "in base64", cut
        yield "in base64", cut.replace(b"+", b"-").replace(b"/", b"_")
    for each in (data, *longer):
        for name in _HASHES:
            digest = hashlib.new(name, each, usedforsecurity=False).digest()
            yield f"as its {name} hash", digest.hex()[:_HASH_DIGITS].encode()
            yield f"as its {name} hash", base64.b64encode(digest)[:_HASH_DIGITS]


def _readings(data: bytes) -> set[bytes]:
    """Return the bytes as they are and decoded, each in small letters too."""
    escaped = _ESCAPE.sub(lambda match: chr(int(match[1], 16)).encode("utf-8", "replace"), data)
    once = unquote_to_bytes(escaped)
    readings = {data, escaped, once, unquote_to_bytes(once)}
    return readings | {each.lower() for each in readings}
