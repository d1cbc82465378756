"""Own the form of a capture file: the spool's own lines, with what is known of the request.

`{"uid":…,"time":…,"tool":…,"kind":…,"request":…,"method":…,"path":…,"headers":{…},
"event":{…}}`; spool, audit and replay read it. An event that held line ends is
kept exactly in `raw` (base64), and in `event` with blanks in their place. A body
without events is a line of the kind `unparsed` with `problem` and `body` (base64).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from usagectl.capture import bodies, masking
from usagectl.events import record, slicing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

UNPARSED = "unparsed"
UNNAMED = "unnamed"
_BESIDE = "it holds more than its events"
_MOST_CHARACTERS = 300
_MOST_HEADERS = 20
"""What is known of a request is repeated with each event: it must not fill the disk."""


class Request(NamedTuple):
    """Hold one request as it came in.

    Attributes:
        method: such as `POST`.
        path: as it was asked for, without its query.
        query: what followed the question mark.
        headers: names in lower case.
        body: its bytes, chunks joined, its content coding still on.
        problem: why the body is not whole, else empty.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    problem: str = ""


class Recorded(NamedTuple):
    """Hold what is written of one request.

    Attributes:
        lines: whole lines, joined.
        names: the name of each event.
        tool: whose they are, as far as that can be told.
        path: the request's path, as it may be shown.
        method: its method, likewise.
    """

    lines: bytes
    names: list[str]
    tool: str
    path: str
    method: str


class Privacy(NamedTuple):
    """Say what is withheld: everything secret unless it is revealed."""

    reveal: bool = False
    secrets: tuple[str, ...] = ()


def build(
    request: Request, *, now: datetime, entropy: Callable[[int], bytes], privacy: Privacy
) -> Recorded:
    """Build the lines of one request."""
    coding = request.headers.get("content-encoding", "")
    parsed = bodies.parse(request.body, coding)
    if request.problem:
        parsed = bodies.Parsed([], request.problem)
    shown = [_shown(event, privacy) for event in parsed.events]
    names = [slicing.name_of(event) or UNNAMED for event, _ in shown]
    tool = _tool_of(request.headers.get("user-agent", ""), names)
    path, method = shown_path(request, privacy), shown_method(request, privacy)
    about = _about(request, record.build_uid(now, entropy), privacy)

    def line(event: bytes, members: Mapping[str, object]) -> bytes:
        made = record.new_record(event, tool=tool, kind="", now=now, entropy=entropy)
        return record.to_line(made, members) + b"\n"

    if parsed.problem:
        kept = _kept_body(request.body, privacy, is_coded=bool(coding))
        members = {"kind": UNPARSED, **about, "problem": parsed.problem, **kept}
        return Recorded(_without_event(line(b"", members)), [], tool, path, method)
    found = [
        line(event, {"kind": name, **about, **members})
        for name, (event, members) in zip(names, shown, strict=True)
    ]
    if parsed.beside:
        kept = _kept_body(parsed.beside, privacy, is_coded=False)
        members = {"kind": UNPARSED, **about, "problem": _BESIDE, **kept}
        found.append(_without_event(line(b"", members)))
    return Recorded(b"".join(found), names, tool, path, method)


def _without_event(line: bytes) -> bytes:
    return line.removesuffix(record.EVENT_KEY + b"}\n") + b"}\n"


def _shown(event: bytes, privacy: Privacy) -> tuple[bytes, dict[str, object]]:
    """Mask an event where that is wanted, and bring it into one line."""
    members: dict[str, object] = {}
    if not privacy.reveal:
        event, pointers = masking.mask_event(event, privacy.secrets)
        if pointers:
            members["masked"] = list(pointers)
    if b"\n" in event:
        members["raw"] = base64.b64encode(event).decode("ascii")
        event = event.replace(b"\n", b" ")  # A line end can only stand between the tokens.
    return event, members


def _kept_body(body: bytes, privacy: Privacy, *, is_coded: bool) -> dict[str, object]:
    """Keep a body that nothing could be cut out of, masked; one that cannot be looked into not."""
    size = len(body)
    if not privacy.reveal:
        if is_coded or not masking.is_searchable(body, privacy.secrets):
            return {"bytes": size, "withheld_body": True}
        body = masking.mask_bytes(body, privacy.secrets)
    return {"bytes": size, "body": base64.b64encode(body).decode("ascii")}


def _about(request: Request, uid: str, privacy: Privacy) -> dict[str, object]:
    if privacy.reveal:
        query = f"?{request.query}" if request.query else ""
        return {
            "request": uid,
            "method": _cut(request.method),
            "path": _cut(request.path + query),
            "headers": {
                _cut(name): _cut(value)
                for name, value in sorted(request.headers.items())[:_MOST_HEADERS]
            },
        }
    kept = {
        name: _cut(masking.mask_value(value, privacy.secrets))
        for name, value in request.headers.items()
        if name in masking.KEPT_HEADERS
    }
    withheld = sorted(name for name in request.headers if name not in masking.KEPT_HEADERS)
    shown = [_cut(masking.mask_text(name, privacy.secrets)) for name in withheld[:_MOST_HEADERS]]
    return {
        "request": uid,
        "method": shown_method(request, privacy),
        "path": _cut(shown_path(request, privacy) + _query_names(request.query, privacy)),
        "headers": kept,
        **({"withheld": shown} if withheld else {}),
    }


def shown_method(request: Request, privacy: Privacy) -> str:
    """Give a request's method as it may be shown; a client may make one up."""
    return _cut(masking.mask_text(request.method, privacy.secrets))


def shown_path(request: Request, privacy: Privacy) -> str:
    """Give a request's path as it may be shown."""
    return _cut(masking.mask_text(masking.without_user(request.path), privacy.secrets))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _query_names(query: str, privacy: Privacy) -> str:
    """Keep the names of a query, and none of its values."""
    if not query:
        return ""
    try:
        names = [name for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=100)]
    except ValueError:
        names = []
    found = "?" + "&".join(f"{name}=*" for name in names)
    return masking.mask_text(found, privacy.secrets)


def _tool_of(user_agent: str, names: list[str]) -> str:
    """Tell whose request it is, by what the client calls itself (facts, part 1)."""
    if user_agent.startswith("localstack lstk/") or any(n.startswith("lstk_") for n in names):
        return "lstk"
    known = {"localstack/": "localstack", "usagectl/": "usagectl"}
    return next((tool for start, tool in known.items() if user_agent.startswith(start)), "unknown")
