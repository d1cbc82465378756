"""Exact event bytes, cut out of JSON text and streams that others wrote.

Bytes are cut, never serialised again. Python's own reader says where a value ends: it takes
half a surrogate pair as an escape, which Python's json writes for a path that is not UTF-8.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from usagectl.events.record import EVENT_KEY, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLANKS = re.compile(r"[ \t\n\r]*")
_LABELS = ("uid", "time", "tool", "kind", "consent")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


# int() refuses thousands of digits, and nobody asks for a number's value.
_reader = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
_UNREADABLE = (ValueError, RecursionError)
"""What it raises for anything but JSON, and for JSON that nests too deep."""


def parse_line(line: bytes) -> Record | None:
    """Read a record's line, with its line end or without; None for a torn or a foreign line."""
    line = line.rstrip(b"\r\n")
    try:
        texts = {"consent": '""', **dict(_members(str(line, "utf-8")))}
    except _UNREADABLE:
        return None
    labels = [texts.get(name, "") for name in _LABELS]
    event = texts.get("event", "").encode()
    is_last = line.endswith(EVENT_KEY + event + b"}") and event.startswith(b"{")
    if not is_last or not all(label.startswith('"') for label in labels):
        return None
    uid, time, tool, kind, consent = map(json.loads, labels)
    return Record(uid, time, tool, kind, event, consent)


def name_of(event: bytes) -> str:
    """Return an event's name; empty for anything else."""
    try:
        document = _reader.decode(str(event, "utf-8"))
    except _UNREADABLE:
        return ""
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict | None):
        return ""
    name = document.get("name")
    return name if isinstance(name, str) else ""


def events_of(text: bytes) -> list[bytes]:
    """Cut the events out of one event, one body or a list; empty for anything else."""
    if name_of(text):
        return [text]
    found = objects_of(text) or []
    return found if all(name_of(event) for event in found) else []


def objects_of(text: bytes) -> list[bytes] | None:
    """Cut out the JSON objects that a request reports, with a name or without.

    These are the members of the list `events`, those of a list, or the one object. None
    when the text is not JSON, or holds anything else.
    """
    try:
        document = str(text, "utf-8").strip(" \t\r\n")
        members = _members(document)
        found = [document]
        if document.startswith("["):
            found = [value for _, value in members]
        for name, value in members:
            if name == "events" and value.startswith("["):
                found = [each for _, each in _members(value)]
    except _UNREADABLE:
        return None
    is_whole = all(each.startswith("{") for each in found)
    return [each.encode() for each in found] if is_whole else None


def beside_events(text: bytes) -> bytes:
    """Cut out the other members of an object with a list of events, as an object or as nothing."""
    try:
        members = _members(str(text, "utf-8").strip(" \t\r\n"))
    except _UNREADABLE:
        return b""
    lists = [value for name, value in members if name == "events" and value.startswith("[")]
    if not lists:
        return b""  # The object is itself the event.
    # Of a repeated member the last one counts, as for every reader of JSON.
    rest = [
        f"{json.dumps(name)}:{value}"
        for name, value in members
        if name != "events" or value is not lists[-1]
    ]
    return ("{" + ",".join(rest) + "}").encode() if rest else b""


def _members(document: str) -> list[tuple[str, str]]:
    """Cut an object or a list into its members: the name, empty in a list, and the value's text.

    Raises:
        ValueError: it is not JSON, or neither of these.
        RecursionError: it nests too deep.
    """
    if not document.startswith(("{", "[")):
        raise ValueError(document[:1])
    _reader.decode(document)
    found = []
    at = _skip(document, 1)
    while document[at] not in "]}":
        name = ""
        if document[0] == "{":
            name, end = _reader.raw_decode(document, at)
            at = _skip(document, _skip(document, end) + 1)
        end = _reader.raw_decode(document, at)[1]
        found.append((name, document[at:end]))
        at = _skip(document, end)
        at = _skip(document, at + 1) if document[at] == "," else at
    return found


def _skip(document: str, at: int) -> int:
    """Return the place of the next character from `at` on that is not blank."""
    found = _BLANKS.match(document, at)
    return found.end() if found else at


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut pieces into lines with their ends; the last may lack its end."""
    rest: list[bytes] = []
    for piece in pieces:
        *whole, last = piece.split(b"\n")
        for line in whole:
            yield b"".join([*rest, line, b"\n"])
            rest = []
        if last:
            rest.append(last)
    if rest:
        yield b"".join(rest)
