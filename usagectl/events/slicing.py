"""Exact event bytes, cut out of JSON text and streams that others wrote.

Bytes are cut, never serialised again. msgspec does it; what is JSON and refused by msgspec
all the same (half a surrogate pair as an escape, which Python's json writes for a path that
is not UTF-8) is cut with Python's own reader.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLANKS = re.compile(r"[ \t\n\r]*")


class _Body(msgspec.Struct):
    events: list[msgspec.Raw]


class _Named(msgspec.Struct):
    name: str
    metadata: dict[str, msgspec.Raw] | None = None
    payload: msgspec.Raw = msgspec.Raw(b"null")


_body = msgspec.json.Decoder(_Body)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_named = msgspec.json.Decoder(_Named)
REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises at bytes that it does not take for JSON of the wanted form."""


def name_of(event: bytes) -> str:
    """Return an event's name; empty for anything else."""
    try:
        return _named.decode(event).name
    except REFUSED:
        return _name_slowly(event) if b"\\u" in event else ""


def _name_slowly(event: bytes) -> str:
    try:
        document = _reader.decode(str(event, "utf-8"))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict) or not isinstance(document.get("metadata", {}), dict | None):
        return ""
    name = document.get("name")
    return name if isinstance(name, str) else ""


def events_of(text: bytes) -> list[bytes]:
    """Cut the events out of one event or one body; empty for anything else."""
    if name_of(text):
        return [text]
    try:
        found = [bytes(raw) for raw in _body.decode(text).events]
    except REFUSED:
        found = objects_of(text) or [] if b"\\u" in text else []
    return found if all(name_of(event) for event in found) else []


def events_of_list(text: bytes) -> list[bytes]:
    """Cut the events out of a list of events; empty for anything else."""
    try:
        found = [bytes(raw) for raw in _list.decode(text)]
    except REFUSED:
        return []
    return found if all(name_of(event) for event in found) else []


def objects_of(text: bytes) -> list[bytes] | None:
    """Cut out the JSON objects that a request reports, with a name or without.

    These are the members of the list `events`, those of a list, or the one object. None
    when the text is not JSON, or holds anything else.
    """
    try:
        str(text, "utf-8")  # msgspec does not look into what it cuts.
    except UnicodeDecodeError:
        return None
    text = text.strip(b" \t\r\n")
    try:
        found = _cut(text)
    except REFUSED:
        try:
            found = _cut_slowly(str(text, "utf-8"))
        except (ValueError, RecursionError):
            return None
    return found if all(each.startswith(b"{") for each in found) else None


def beside_events(text: bytes) -> bytes:
    """Cut out the other members of an object with a list of events, as an object or as nothing."""
    document = str(text, "utf-8").strip(" \t\r\n")
    if not document.startswith("{") or '"events"' not in document:
        return b""
    try:
        members = list(_members(document))
    except (ValueError, RecursionError, IndexError):
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


def _cut(text: bytes) -> list[bytes]:
    if text.startswith(b"["):
        return [bytes(raw) for raw in _list.decode(text)]
    members = _object.decode(text)
    if "events" in members and bytes(members["events"]).startswith(b"["):
        return [bytes(raw) for raw in _body.decode(text).events]
    return [text]


def _cut_slowly(document: str) -> list[bytes]:
    """Cut with Python's own reader.

    Raises:
        ValueError: it is not JSON, or neither an object nor a list.
    """
    _reader.decode(document)
    found = [document]
    if document.startswith("["):
        found = list(_elements(document, 0))
    else:
        for name, value in _members(document):
            if name == "events" and value.startswith("["):
                found = list(_elements(value, 0))
    return [each.encode() for each in found]


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


# A number stays text: int() of thousands of digits is refused, and nobody asks for its value.
_reader = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def _elements(document: str, at: int) -> Iterator[str]:
    """Cut a valid list into its elements."""
    at = _skip(document, at + 1)
    while document[at] != "]":
        end = _reader.raw_decode(document, at)[1]
        yield document[at:end]
        at = _skip(document, end)
        at = _skip(document, at + 1) if document[at] == "," else at


def _members(document: str) -> Iterator[tuple[str, str]]:
    """Cut a valid object into its members: name and text of each value."""
    if not document.startswith("{"):
        raise ValueError(document[:1])
    at = _skip(document, 1)
    while document[at] != "}":
        name, end = _reader.raw_decode(document, at)
        at = _skip(document, _skip(document, end) + 1)
        end = _reader.raw_decode(document, at)[1]
        yield str(name), document[at:end]
        at = _skip(document, end)
        at = _skip(document, at + 1) if document[at] == "," else at


def _skip(document: str, at: int) -> int:
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
