"""Lines of a capture file, made of requests and of what else was seen; `reading` takes them in.

A line has the form of a spooled record (`events.record`), with what is known of the request
before the event: `request`, `method`, `path`, `headers`, and `foreign` if it came without the
secret path of its capture. An event that holds line ends is kept
exactly in `raw` (base64), and in `event` with blanks in their place. A body without events is a
line of the kind `unparsed` with `problem` and, where it is JSON, `body` (base64). A body may have
any form that an audit reads in a file; an event that usagectl delivers as a log record of
OpenTelemetry stands as its log has it. A recorder, which knows where a request was to go,
adds `host`, `port` and `scheme`. What it saw beside the requests follows at the end, a line for
each observation: `observed` (its kind), `time` (of the first), `host`, `address`, `port`, `detail`,
`count`. The last line of a capture by command is an observation of the kind `run`, which says how
the file was made: the command, the way, what that could not see.
"""

from __future__ import annotations

import base64
import json
import shlex
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from usagectl import sensitive
from usagectl.capture import decoding, masking
from usagectl.capture.decoding import UndecodableError
from usagectl.capture.observations import Observation, Seen
from usagectl.events import record, slicing
from usagectl.events.reading import (
    BESIDE,
    EMPTY,
    NO_EVENTS,
    NO_OBJECT,
    NOT_JSON,
    OBSERVED,
    UNPARSED,
    Reader,
)
from usagectl.tools import sender_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime


MOST_EVENTS = 20_000
"""No client sends more in one request; each becomes a line with the request's headers."""

UNNAMED = "unnamed"
RUN = "run"
"""The kind of the line that says how a capture was made; whoever reads events passes it over."""

_MOST_CHARACTERS = 300
_MOST_HEADERS = 20
"""Each event repeats what is known of its request: that must not fill the disk."""


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
    """One request as it is shown the moment it comes in; method, path and host are masked."""

    method: str
    path: str
    tool: str  # The tool that sent it, as far as that is known.
    names: list[str]  # The name of each event.
    bytes: int  # The size of its body, as it came.
    problem: str  # Why it is incomplete or holds no event, else empty.
    is_foreign: bool = False  # Whether it came without the secret path of the capture.
    host: str = ""  # Where it was to go, as a recorder knows it.
    port: int = 0


class _Body(NamedTuple):
    """Content of a body: its events, what is wrong with it, and what stands beside them."""

    events: list[bytes]
    problem: str = ""
    beside: Sequence[bytes] = ()
    tools: Sequence[str] = ()  # The tool of each event, where the body says it.


def build(
    request: Request, *, now: datetime, entropy: Callable[[int], bytes], privacy: Privacy
) -> tuple[bytes, Arrival]:
    """Build the lines of one request."""
    parsed = _Body([], request.problem) if request.problem else _parse_body(request)
    shown = [_shown(event, privacy) for event in parsed.events]
    names = [slicing.name_of(event, is_strict=False) or UNNAMED for event, _ in shown]
    sender = sender_of(names, request.headers.get("user-agent", ""))
    tools = [*parsed.tools] or [sender] * len(names)
    method, path = (_cut(_masked(text, privacy)) for text in (request.method, request.path))
    about = _about(request, record.build_uid(now, entropy), privacy)

    def line(event: bytes, kind: str, members: Mapping[str, object], tool: str = sender) -> bytes:
        made = record.new_record(event, tool=tool, kind=kind, now=now, entropy=entropy)
        return record.to_line(made, {**about, **members})

    def unparsed(body: bytes, problem: str, *, is_coded: bool) -> bytes:
        kept = _kept_body(body, privacy, is_coded=is_coded)
        found = line(b"", UNPARSED, {"problem": problem, **kept})
        return found.removesuffix(record.EVENT_KEY + b"}") + b"}"

    lines = [
        line(event, name, members, tool)
        for name, tool, (event, members) in zip(names, tools, shown, strict=True)
    ]
    if parsed.problem:
        is_coded = bool(request.headers.get("content-encoding"))
        lines.append(unparsed(request.body, parsed.problem, is_coded=is_coded))
    lines += [unparsed(beside, BESIDE, is_coded=False) for beside in parsed.beside]
    problem = request.problem or ("" if names else parsed.problem)
    arrival = Arrival(
        method,
        path,
        tools[0] if tools else sender,
        names,
        len(request.body),
        problem,
        is_foreign=request.is_foreign,
        host=_cut(_masked(request.host, privacy)),
        port=request.port,
    )
    return b"".join(each + b"\n" for each in lines), arrival


def _parse_body(request: Request) -> _Body:
    """Cut the exact bytes of the events out of a body."""
    signal = decoding.otlp_signal(request.path, request.headers)
    try:
        decoded = decoding.decode(request.body, request.headers.get("content-encoding", ""))
        shown = decoded
        if signal:
            is_grpc = not request.path.endswith(f"/{signal}")
            shown = decoding.otlp_as_json(decoded, signal, is_grpc=is_grpc)
    except UndecodableError as error:
        return _Body([], str(error))
    if request.path.endswith("/v1/logs") and (delivered := _read_delivered(decoded, shown)):
        return delivered
    if signal:
        return _Body([], f"it is OTLP in protobuf ({signal})", [shown])
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


def _read_delivered(body: bytes, document: bytes) -> _Body | None:
    """Read the events that usagectl delivers as logs of OpenTelemetry; None for other logs."""
    from usagectl.delivery import otlp_reading  # few requests are such

    events = otlp_reading.read(body, document)
    if not events or len(events) > MOST_EVENTS:
        return None
    return _Body([each.event for each in events], tools=[each.tool for each in events])


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
    if request.host:
        about["host"] = _cut(_masked(request.host, privacy))
        about |= {"port": request.port, "scheme": request.scheme}
    if request.is_foreign:
        about["foreign"] = True
    withheld = sorted(request.headers.keys() - kept.keys())[:_MOST_HEADERS]
    if withheld and not privacy.reveal:
        about["withheld"] = [_cut(_masked(name, privacy)) for name in withheld]
    return about


def build_observation(seen: Seen, *, privacy: Privacy) -> bytes:
    """Build the line of what was seen beside the requests; masked as a request is."""
    observed = masked_observation(seen.observation, privacy)
    members = {
        OBSERVED: observed.kind,
        "time": seen.first.isoformat(),
        "host": observed.host,
        "address": observed.address,
        "port": observed.port,
        "detail": observed.detail,
        "count": seen.times,
    }
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def build_run(members: Mapping[str, object]) -> bytes:
    """Build the line that says how a capture was made, of members that may be shown."""
    whole = {OBSERVED: RUN, "count": 1, **members}
    text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"  # Words of a command may be any bytes.


def masked_command(words: Sequence[str], privacy: Privacy) -> str:
    """Write a command line as it may be shown; a word that is `*` was too telling."""
    shown = (word if word == "*" else shlex.quote(sensitive.without_user(word)) for word in words)
    return _cut(_masked(" ".join(shown), privacy))


def masked_observation(observed: Observation, privacy: Privacy) -> Observation:
    """Mask the texts of an observation, which are a program's or its peer's, unless revealed."""
    host, address, detail = (
        _cut(_masked(text, privacy)) for text in (observed.host, observed.address, observed.detail)
    )
    return Observation(observed.kind, host, address, observed.port, detail)


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
