"""Lines of a capture file: from a request to lines, and back to captured events.

A line has the form of a spooled record (`events.record`), with what is known of the request
before the event: `request`, `method`, `path`, `headers`, and `foreign` if it came without the
secret path of its capture. An event that holds line ends is kept
exactly in `raw` (base64), and in `event` with blanks in their place. A body without events is a
line of the kind `unparsed` with `problem` and, where it is JSON, `body` (base64). A body may have
any form that an audit reads in a file.
"""

from __future__ import annotations

import base64
import json
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from usagectl import sensitive
from usagectl.capture import masking
from usagectl.events import record, slicing
from usagectl.events.reading import BESIDE, EMPTY, NO_EVENTS, NO_OBJECT, NOT_JSON, UNPARSED, Reader
from usagectl.tools import sender_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

MAX_DECODED_BYTES = 32 * 1024 * 1024
"""A larger body is not unpacked, however small it came in: a decompression bomb ends here."""

MOST_EVENTS = 20_000
"""No client sends more in one request; each becomes a line with the request's headers."""

UNNAMED = "unnamed"

_MOST_CHARACTERS = 300
_MOST_HEADERS = 20
"""Each event repeats what is known of its request: that must not fill the disk."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_MOST_CODINGS = 4
_MOST_MEMBERS = 1000


class Request(NamedTuple):
    """One request as it came in."""

    method: str
    path: str  # Without its query.
    query: str
    headers: Mapping[str, str]  # Names in lower case.
    body: bytes  # Its bytes, chunks joined, content coding still on.
    problem: str = ""  # Why the body is incomplete, else empty.
    is_foreign: bool = False  # Whether it came without the secret path of the capture.
    host: str = ""  # Where it was to go, as a recorder knows it; empty at the endpoint.
    port: int = 0
    scheme: str = ""  # `http` or `https`, for a recorder.


class Privacy(NamedTuple):
    """What is withheld unless all is revealed: every secret and every path into a home.

    Those that are known of this machine are looked for too.
    """

    reveal: bool = False
    secrets: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()


class Arrival(NamedTuple):
    """One request as it is shown the moment it comes in, its method and path masked."""

    method: str
    path: str
    tool: str  # The tool that sent it, as far as that is known.
    names: list[str]  # The name of each event.
    bytes: int  # The size of its body, as it came.
    problem: str  # Why it is incomplete or holds no event, else empty.
    is_foreign: bool = False  # Whether it came without the secret path of the capture.


class _Body(NamedTuple):
    """Content of a body: its events, what is wrong with it, and what stands beside them."""

    events: list[bytes]
    problem: str = ""
    beside: list[bytes] = []  # noqa: RUF012  (a tuple's default, which nobody changes)


class UndecodableError(Exception):
    """The coding of a body is unknown or broken, or the body becomes too large."""


def build(
    request: Request, *, now: datetime, entropy: Callable[[int], bytes], privacy: Privacy
) -> tuple[bytes, Arrival]:
    """Build the lines of one request."""
    parsed = _Body([], request.problem) if request.problem else _parse_body(request)
    shown = [_shown(event, privacy) for event in parsed.events]
    names = [slicing.name_of(event, is_strict=False) or UNNAMED for event, _ in shown]
    tool = sender_of(names, request.headers.get("user-agent", ""))
    method, path = (_cut(_masked(text, privacy)) for text in (request.method, request.path))
    about = _about(request, record.build_uid(now, entropy), privacy)

    def line(event: bytes, kind: str, members: Mapping[str, object]) -> bytes:
        made = record.new_record(event, tool=tool, kind=kind, now=now, entropy=entropy)
        return record.to_line(made, {**about, **members})

    def unparsed(body: bytes, problem: str, *, is_coded: bool) -> bytes:
        kept = _kept_body(body, privacy, is_coded=is_coded)
        found = line(b"", UNPARSED, {"problem": problem, **kept})
        return found.removesuffix(record.EVENT_KEY + b"}") + b"}"

    lines = [
        line(event, name, members) for name, (event, members) in zip(names, shown, strict=True)
    ]
    if parsed.problem:
        is_coded = bool(request.headers.get("content-encoding"))
        lines.append(unparsed(request.body, parsed.problem, is_coded=is_coded))
    lines += [unparsed(beside, BESIDE, is_coded=False) for beside in parsed.beside]
    problem = request.problem or ("" if names else parsed.problem)
    arrival = Arrival(method, path, tool, names, len(request.body), problem, request.is_foreign)
    return b"".join(each + b"\n" for each in lines), arrival


def _parse_body(request: Request) -> _Body:
    """Cut the exact bytes of the events out of a body."""
    try:
        decoded = decode(request.body, request.headers.get("content-encoding", ""))
    except UndecodableError as error:
        return _Body([], str(error))
    # Lines without an event are bounded too: the client waits until all are looked at.
    values = islice(Reader().read([decoded]), MOST_EVENTS + 1)
    parts = [_parse_value(value.text) for value in values]
    events = [event for part in parts for event in part.events]
    if max(len(parts), len(events)) > MOST_EVENTS:
        return _Body([], f"it holds more than {MOST_EVENTS} events")
    problems = [part.problem for part in parts if part.problem]
    problem = next((each for each in problems if each != NO_EVENTS or not events), "")
    beside = [each for part in parts for each in part.beside]
    return _Body(events, problem if parts else EMPTY, beside)


def _parse_value(text: bytes) -> _Body:
    """Cut one JSON value of a body: a record, an event, a list of events, or a whole body."""
    known = slicing.parse_line(text)
    if known is not None:
        labels = text.removesuffix(record.EVENT_KEY + known.event + b"}") + b"}"
        return _Body([known.event], beside=[labels])
    values = slicing.values_of(text, most=MOST_EVENTS + 1)
    if values is None:
        return _Body([], NOT_JSON)
    events = [value for value in values if value.startswith(b"{")]
    problem = NO_OBJECT if len(events) < len(values) else "" if values else NO_EVENTS
    beside = slicing.beside_events(text)
    return _Body(events, problem, [beside] if beside else [])


def decode(body: bytes, content_encoding: str) -> bytes:
    """Take off the codings of a `Content-Encoding`, the last one first (RFC 9110, 8.4).

    Raises:
        UndecodableError: a coding is unknown or broken, or more than `MAX_DECODED_BYTES` come out.
    """
    codings = [each.strip().lower() for each in content_encoding.split(",") if each.strip()]
    if len(codings) > _MOST_CODINGS:
        raise UndecodableError("it is coded more than four times")
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip", "deflate"):
            body = _inflate(body, is_deflate=coding == "deflate")
        elif coding != "identity":
            raise UndecodableError("its coding is not known")
    return body


def _inflate(body: bytes, *, is_deflate: bool) -> bytes:
    """Decompress every member; `deflate` means zlib's form, which some send without its frame."""
    window = _GZIP_OR_ZLIB
    found = b""
    rest = body
    for _ in range(_MOST_MEMBERS):
        if not rest:
            return found
        inflater = zlib.decompressobj(window)
        try:
            found += inflater.decompress(rest, MAX_DECODED_BYTES + 1 - len(found))
        except zlib.error as error:
            if is_deflate and not found and window == _GZIP_OR_ZLIB:
                window = -zlib.MAX_WBITS
                continue
            raise UndecodableError("its compression is broken") from error
        if len(found) > MAX_DECODED_BYTES:
            message = f"it becomes larger than {MAX_DECODED_BYTES} bytes"
            raise UndecodableError(message)
        if not inflater.eof:
            raise UndecodableError("its compression ends too soon")
        rest = inflater.unused_data.lstrip(b"\0")
    raise UndecodableError("its compression has too many parts")


def _shown(event: bytes, privacy: Privacy) -> tuple[bytes, dict[str, object]]:
    """Mask an event unless it is revealed, and bring it into one line."""
    members: dict[str, object] = {}
    if not privacy.reveal:
        event, pointers = masking.mask_json(event, privacy.secrets, privacy.homes)
        if pointers:
            members["masked"] = list(pointers)
    if b"\n" in event:
        members["raw"] = base64.b64encode(event).decode("ascii")
        event = event.replace(b"\n", b" ")  # A line end can only stand between the tokens.
    return event, members


def _kept_body(body: bytes, privacy: Privacy, *, is_coded: bool) -> dict[str, object]:
    """Keep a body without events, masked; of a body that is not JSON only the size."""
    size = len(body)
    if not privacy.reveal:
        if is_coded or not _is_json(body):
            return {"bytes": size, **({"withheld_body": True} if body else {"body": ""})}
        body = masking.mask_json(body, privacy.secrets, privacy.homes).text
    return {"bytes": size, "body": base64.b64encode(body).decode("ascii")}


def _is_json(body: bytes) -> bool:
    try:
        json.loads(str(body, "utf-8"))
    except (ValueError, RecursionError):
        return False
    return True


def _about(request: Request, uid: str, privacy: Privacy) -> dict[str, object]:
    """Describe a request; without `reveal` no value of a query and only harmless headers."""
    query = _query_names(request.query)
    kept = {name: text for name, text in request.headers.items() if name in masking.KEPT_HEADERS}
    if privacy.reveal:
        query = request.query
        kept = dict(sorted(request.headers.items())[:_MOST_HEADERS])
    path = _masked(request.path, privacy) + _masked(f"?{query}" if query else "", privacy)
    about: dict[str, object] = {
        "request": uid,
        "method": _cut(_masked(request.method, privacy)),
        "path": _cut(path),
        "headers": {_cut(name): _cut(_masked(text, privacy)) for name, text in kept.items()},
    }
    if request.is_foreign:
        about["foreign"] = True
    withheld = sorted(request.headers.keys() - kept.keys())[:_MOST_HEADERS]
    if withheld and not privacy.reveal:
        about["withheld"] = [_cut(_masked(name, privacy)) for name in withheld]
    return about


def _masked(text: str, privacy: Privacy) -> str:
    """Mask a text that stands beside the events, unless it is revealed."""
    if privacy.reveal:
        return text
    return masking.mask_text(sensitive.without_user(text), privacy.secrets, privacy.homes)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _query_names(query: str) -> str:
    """Return a query with its names, and an asterisk for each value."""
    try:
        names = [name for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=100)]
    except ValueError:
        return "*"
    # A token can stand there without a name: `?TOKEN`.
    shown = ("*" if sensitive.looks_like_secret(name) else name for name in names)
    return "&".join(f"{name}=*" for name in shown)


class Captured(NamedTuple):
    """One event as a client sent it, or one request without an event."""

    name: str  # The event's name; `unnamed` without one, `unparsed` for a request without an event.
    body: bytes  # The exact bytes of the event, or of such a request's body where it was kept.
    tool: str  # The tool that sent it, as far as that is known.
    method: str
    path: str
    headers: Mapping[str, str]  # The request's headers, in lower case, without secret ones.
    request: str  # The same for all events of one request.
    problem: str = ""  # Why no event was found, else empty.
    is_foreign: bool = False  # Whether it came without the secret path of the capture.
    host: str = ""  # Where it was to go, as a recorder knows it.

    @property
    def document(self) -> dict[str, Any]:
        """Parse the event.

        Raises:
            ValueError: there is no event.
        """
        found = json.loads(self.body)
        if not isinstance(found, dict):
            raise ValueError(self.problem)  # noqa: TRY004  (no JSON and no object are one to ask)
        return found


def load(file: Path) -> Iterator[Captured]:
    """Read a capture file, oldest first; skip lines of another form.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        for line in stream:
            found = _parse_line(line.rstrip(b"\n"))
            if found is not None:
                yield found


def _parse_line(line: bytes) -> Captured | None:
    head, key, event = line.partition(record.EVENT_KEY)
    try:
        members = json.loads(head + b"}" if key else line)
        body = event.removesuffix(b"}")
        coded = members.get("raw" if key else "body")
        if coded is not None:
            body = base64.b64decode(coded)
        return Captured(
            name=members["kind"] if key else UNPARSED,
            body=body,
            tool=members["tool"],
            method=members["method"],
            path=members["path"],
            headers=members["headers"],
            request=members["request"],
            problem=members.get("problem", ""),
            is_foreign=members.get("foreign") is True,
            host=members.get("host", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
