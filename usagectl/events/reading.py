"""JSON values of a stream: one a line or one after another, each with its line and repeated names.

A line is forgotten once it is read. Of a line longer than any event, as of a document
larger than memory should hold, nothing is kept whole.
"""

from __future__ import annotations

import codecs
import json
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl.events.record import as_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

UNPARSED = "unparsed"
"""The kind of a captured request without an event, or of what a request held besides."""

EMPTY = "it is empty"
NO_EVENTS = "it holds no event"
NOT_JSON = "it is not JSON"
NO_OBJECT = "it holds what is no object"
BESIDE = "it holds more than its events"
"""The `problem` of such a body that was read; all others say why it could not be."""

OBSERVED = "observed"
"""The member that a capture's line begins with that tells of no request: of a look-up, say."""

PIECE_BYTES = 64 * 1024
_MOST_LINE_BYTES = 32 * 1024 * 1024
_MOST_DOCUMENT_BYTES = 64 * 1024 * 1024
_MOST_DIGITS = 300
_NOT_BLANK = re.compile(r"[^ \t\r\n]")
_NO_JSON = b"\0"


Hidden = dict[int, tuple[object, list[tuple[str, object]]]]
"""What later members of the same name overwrite in objects: it was sent all the same.

By the object's number: the object, kept alive so that no other gets that number, and members.
"""


class Item(NamedTuple):
    """One JSON value of a stream."""

    line: int  # The number of the line in which it begins; 0 where there are no lines.
    value: object  # JSON as Python values; None where the line holds no JSON.
    hidden: Hidden  # What repeated names hide in it.
    text: bytes = b""  # Its exact bytes, in UTF-8.


def is_observation(document: object) -> bool:
    """True for a line of a capture that tells of what was seen beside the requests."""
    if not isinstance(document, dict) or next(iter(document), "") != OBSERVED:
        return False
    return "count" in document and "name" not in document  # An event has a name.


def pieces_of(source: BinaryIO | Iterable[bytes]) -> Iterable[bytes]:
    """Read a stream in pieces, as they come; other iterables give pieces by themselves."""
    stream: Any = source
    if not hasattr(stream, "read"):
        return source
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return iter(lambda: read(PIECE_BYTES), b"")


def cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut pieces of any size into lines; one that is too long becomes a line without JSON."""
    held: list[bytes] = []
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for part in ended:
            yield b"".join([*held, part])
            held = []
        held.append(rest)
        if sum(map(len, held)) > _MOST_LINE_BYTES:
            held = [_NO_JSON]
    if any(held):
        yield b"".join(held)


class Reader:
    """Reader of JSON values that keeps, for each of them, what repeated names hide."""

    def __init__(self) -> None:
        self._json = json.JSONDecoder(object_pairs_hook=self._build, parse_int=_number)
        self._hidden: Hidden = {}

    def _build(self, members: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(members)
        if len(found) != len(members):
            last = {name: place for place, (name, _) in enumerate(members)}
            hidden = [each for place, each in enumerate(members) if last[each[0]] != place]
            self._hidden[id(found)] = (found, hidden)
        return found

    def decode(self, text: bytes, *, line: int = 0) -> Item:
        """Read one JSON value as Python's clients write it: with NaN, or half a surrogate pair.

        The mark that Windows programs put before UTF-8 may stand inside a file as well, where
        two such files were joined.
        """
        self._hidden = {}
        text = text.removeprefix(codecs.BOM_UTF8)
        try:
            value = self._json.decode(str(text, "utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return Item(line, None, {}, text)
        return Item(line, value, self._hidden, text)

    def read(self, pieces: Iterable[bytes]) -> Iterator[Item]:
        """Read every JSON value of a stream; a line without one gives an item without a value."""
        lines = cut(as_utf8(pieces))
        for blank_lines, line in enumerate(lines):
            text = line.strip()
            if text:
                # JSON that begins in this line and goes on in the next is set out over many.
                is_document = text.startswith((b"{", b"[")) and self.decode(text).value is None
                read = self._read_document if is_document else self._read_lines
                yield from read(chain([line], lines), first=blank_lines + 1)

    def _read_lines(self, lines: Iterable[bytes], *, first: int) -> Iterator[Item]:
        for number, line in enumerate(lines, start=first):
            text = line.strip()
            if text:
                yield self.decode(text, line=number)

    def _read_document(self, lines: Iterator[bytes], *, first: int) -> Iterator[Item]:
        """Read a pretty-printed document, or several; fall back to one event a line."""
        held, size = [], 0
        for each in lines:
            held.append(each)
            size += len(each)
            if size > _MOST_DOCUMENT_BYTES:
                yield from self._read_lines(chain(held, lines), first=first)
                return
        text = b"\n".join(held).decode("utf-8", "surrogateescape")
        place, line = 0, first
        while (found := _NOT_BLANK.search(text, place)) is not None:
            start = found.start()
            line += text.count("\n", place, start)
            self._hidden = {}
            try:
                value, place = self._json.raw_decode(text, start)
            except (ValueError, RecursionError):
                yield from self._read_lines(_encode(text[start:]).split(b"\n"), first=line)
                return
            yield Item(line, value, self._hidden, _encode(text[start:place]))
            line += text.count("\n", start, place)


def _encode(text: str) -> bytes:
    """Give back the bytes of a document, also those that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _number(digits: str) -> float:
    """Read a whole number; one of thousands of digits, which Python refuses, as a float."""
    return float(digits) if len(digits) > _MOST_DIGITS else int(digits)
