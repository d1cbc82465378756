"""Exact event bytes, cut out of JSON text and streams that others wrote.

Bytes are cut, never serialised again. Python's own reader says where a value ends: it takes
half a surrogate pair as an escape, which Python's json writes for a path that is not UTF-8.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from usagectl.events.record import EVENT_KEY, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK = re.compile(r"[ \t\n\r]*[,:]?[ \t\n\r]*")
TOO_LONG = b"\0\n"
"""No JSON, whatever reads it."""

_NULL = "null"
_LABELS = ("uid", "time", "tool", "kind")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


# int() refuses thousands of digits, and nobody asks for a number's value. NaN, which Python's
# clients write, is cut with what it stands in; it is no JSON, so nobody delivers it.
_reader = json.JSONDecoder(parse_int=float)
_strict_reader = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
_UNREADABLE = (ValueError, RecursionError)
"""What it raises for anything but JSON, and for JSON that nests too deep."""


def parse_line(line: bytes) -> Record | None:
    """Read a record's line, with its line end or without; None for a torn or a foreign line."""
    line = line.rstrip(b"\r\n")
    if EVENT_KEY not in line:
        return None
    try:
        document, value = _read(line)
        texts = dict(_members(document)) if isinstance(value, dict) else {}
    except _UNREADABLE:
        return None
    event = texts.get("event", "").encode()
    if not (line.endswith(EVENT_KEY + event + b"}") and event.startswith(b"{")):
        return None
    labels = [*map(value.get, _LABELS), value.get("consent", "")]
    if not all(isinstance(label, str) for label in labels):
        return None
    uid, time, tool, kind, consent = labels
    return Record(uid, time, tool, kind, event, consent)


def name_of(event: bytes, *, is_strict: bool = True) -> str:
    """Return an event's name; empty for anything else, such as NaN if it is strict."""
    try:
        _, value = _read(event, is_strict=is_strict)
    except _UNREADABLE:
        return ""
    return _name_in(value)


def _name_in(value: object) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict | None):
        return ""
    name = value.get("name")
    return name if isinstance(name, str) else ""


def events_of(text: bytes) -> list[bytes]:
    """Cut the events out of one event, one body or a list; empty for anything else."""
    try:
        _, value = _read(text)
    except _UNREADABLE:
        return []
    if _name_in(value):
        return [text]
    listed = value.get("events") if isinstance(value, dict) else value
    if isinstance(listed, list) and not all(map(_name_in, listed)):
        return []  # Cutting millions of other values would take half a minute.
    found = values_of(text) or []
    return found if all(name_of(event) for event in found) else []


def values_of(text: bytes, *, most: int | None = None) -> list[bytes] | None:
    """Cut out the JSON values that a request reports, which may be no objects.

    These are the members of the list `events`, those of a list, or the one value; no more
    than `most` of them. None when the text is not JSON.
    """
    try:
        document, value = _read(text, is_strict=False)
        found = [document]
        events = document if isinstance(value, list) else _split(document, value)[0]
        if _NULL in (events, document):
            found = []
        elif events:
            found = [each for _, each in islice(_members(events), most)]
    except _UNREADABLE:
        return None
    return [each.encode("utf-8", "surrogatepass") for each in found]


def beside_events(text: bytes) -> bytes:
    """Cut out the other members of an object with a list of events, as an object or as nothing."""
    try:
        document, value = _read(text, is_strict=False)
        _, rest = _split(document, value)
    except _UNREADABLE:
        return b""
    written = ",".join(f"{json.dumps(name)}:{each}" for name, each in rest)
    return f"{{{written}}}".encode("utf-8", "surrogatepass") if rest else b""


def _read(text: bytes, *, is_strict: bool = True) -> tuple[str, Any]:
    """Return JSON without the blanks around it, and its value.

    Unless it is strict, NaN and the bytes of half a surrogate pair are taken too.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it nests too deep.
    """
    document = str(text, "utf-8", "strict" if is_strict else "surrogatepass").strip(" \t\r\n")
    return document, (_strict_reader if is_strict else _reader).decode(document)


def _split(document: str, value: object) -> tuple[str, list[tuple[str, str]]]:
    """Return an object's list of events as text, and its other members; both empty without one.

    Programs in Go write an empty list as `null`.
    """
    if not isinstance(value, dict) or "events" not in value:
        return "", []
    members = list(_members(document))
    # Of a repeated member the last one counts, as for every reader of JSON.
    for place in reversed(range(len(members))):
        name, text = members[place]
        is_none = text == _NULL and "name" not in value
        if name == "events" and (text.startswith("[") or is_none):
            return text, members[:place] + members[place + 1 :]
    return "", []


def _members(document: str) -> Iterator[tuple[str, str]]:
    """Cut a valid object or list: yield the name, empty in a list, and the text of each value."""
    at = _skip(document, 1)
    while document[at] not in "]}":
        name = ""
        if document[0] == "{":
            name, end = _reader.raw_decode(document, at)
            at = _skip(document, end)
        end = _reader.raw_decode(document, at)[1]
        yield name, document[at:end]
        at = _skip(document, end)


def _skip(document: str, at: int) -> int:
    """Return where the next token stands, after blanks and one comma or colon."""
    found = _MARK.match(document, at)
    return found.end() if found else at


def lines_of(pieces: Iterable[bytes], *, most_bytes: int | None = None) -> Iterator[bytes]:
    """Cut pieces into lines with their ends; the last may lack its end.

    In the place of a line of more than `most_bytes` stands `TOO_LONG`; it is not kept.
    """
    rest: list[bytes] = []
    size = 0
    for piece in pieces:
        *whole, last = piece.split(b"\n")
        for line in whole:
            is_long = most_bytes is not None and size + len(line) > most_bytes
            yield TOO_LONG if is_long else b"".join([*rest, line, b"\n"])
            rest, size = [], 0
        size += len(last)
        if most_bytes is not None and size > most_bytes:
            rest = [TOO_LONG]
        elif last:
            rest.append(last)
    if rest:
        yield b"".join(rest)
