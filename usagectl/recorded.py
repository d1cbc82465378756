"""Own the exact requests that would carry what tools recorded: the spool's own bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from usagectl import consent, spool, tools
from usagectl.delivery.requests import build_post
from usagectl.errors import UsagectlError
from usagectl.preview import Preview, Request, endpoint_caution
from usagectl.settings import OWN_NAME
from usagectl.spool import ALL, Selection
from usagectl.tools.base import MASK, Caution, mask_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.consent import Consent
    from usagectl.delivery.requests import Post
    from usagectl.machine.environment import Environment

_MOST_DIGITS = 4000
_FIRST_EVENTS = 20
"""So many events of a tool are shown unless all are asked for."""


def preview_own(
    environment: Environment,
    *,
    present: bytes | None,
    if_enabled: bool = False,
    reveal: bool = False,
) -> Preview:
    """Build the request that would carry usagectl's last and present `cli_cmd` events.

    Args:
        environment: whose.
        present: the exact bytes of the event of the running command.
        if_enabled: show it although everything is off.
        reveal: show credentials that the endpoint's URL carries.
    """
    verdict = consent.evaluate(environment, ["usagectl"])[0]
    if verdict.telemetry == "off" and not if_enabled:
        return Preview(verdict, ())
    try:
        last = spool.last_event(environment, tool="usagectl")
    except UsagectlError:  # Status says what is wrong with the spool; the present event is here.
        last = None
    bodies = [event for event in (last, present) if event is not None and _is_event(event)]
    if not bodies:
        return Preview(verdict, ())
    if caution := endpoint_caution(verdict, "ANALYTICS_API"):
        return Preview(verdict, (), (caution,))
    base = verdict.endpoint if reveal else mask_credentials(verdict.endpoint)
    return Preview(verdict, (events_request(bodies, base=base),))


def _is_event(event: bytes) -> bool:
    """Tell whether spooled bytes are an event; a file that people can edit may hold anything."""
    try:
        document = _reader.decode(event.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        return False
    return all(isinstance(document.get(group), dict) for group in ("metadata", "payload"))


def events_request(bodies: Sequence[bytes], *, base: str) -> Request:
    """Build the request that carries usagectl's own events: the one that delivery sends."""
    post = build_post(bodies, base=base)
    names = tuple(_name_of(event) for event in bodies)
    return _own_request(post, names)


def _own_request(post: Post, names: tuple[str, ...], *, tool: str = OWN_NAME) -> Request:
    from usagectl._version import __version__

    return Request(
        tool, "cli", "POST", post.url, post.headers, post.body, names, version=__version__
    )


def preview_tool(
    environment: Environment, tool: str, *, if_enabled: bool = False, reveal: bool = False
) -> Preview:
    """Build the requests that would carry the first events that wait of a registered tool.

    Raises:
        UnknownToolError: no such tool registered.
        FileUnreadableError: the spool cannot be read.
    """
    verdict = consent.evaluate(environment, [tool])[0]
    if verdict.telemetry == "off" and not if_enabled:
        return Preview(verdict, ())
    found = _preview_waiting(
        environment, verdict, Selection(tools=(tool,)), limit=_FIRST_EVENTS, reveal=reveal
    )
    cautions = found.cautions
    if not found.requests and not cautions:
        message = f"{tool} has recorded nothing that waits."
        cautions = (Caution("nothing-waits", message, f"usagectl spool list --tool {tool} --sent"),)
    elif sum(len(request.events) for request in found.requests) == _FIRST_EVENTS:
        message = f"Only the first {_FIRST_EVENTS} events that wait are shown."
        cautions = (*cautions, Caution("shortened", message, f"usagectl preview {tool} --waiting"))
    return Preview(verdict, found.requests, cautions)


def preview_waiting(
    environment: Environment, tool: str = OWN_NAME, *, reveal: bool = False
) -> Preview:
    """Build every request that a replay of what waits of a tool would send, as it would send it.

    Raises:
        UnknownToolError: no such tool.
        FileUnreadableError: the spool cannot be read.
    """
    verdict = consent.evaluate(environment, [tool])[0]
    others = tuple(each.name for each in tools.emitters(environment) if each.name != OWN_NAME)
    selection = Selection(tools=(tool,)) if tool != OWN_NAME else ALL._replace(without=others)
    return _preview_waiting(environment, verdict, selection, reveal=reveal)


def _preview_waiting(
    environment: Environment,
    verdict: Consent,
    selection: Selection,
    *,
    limit: int | None = None,
    reveal: bool,
) -> Preview:
    from usagectl.delivery import replay

    if caution := endpoint_caution(verdict, "ANALYTICS_API"):
        return Preview(verdict, (), (caution,))
    base = verdict.endpoint if reveal else mask_credentials(verdict.endpoint)
    options = replay.Options(selection=selection, limit=limit)
    with spool.open_spool(environment, read_only=True) as store:
        requests = [
            _own_request(post, tuple(_names_in(post.body)), tool=verdict.tool)
            for post, _ in replay.posts(options, base=base, store=store)
        ]
    return Preview(verdict, tuple(each if reveal else _mask_token(each) for each in requests))


def _mask_token(request: Request) -> Request:
    """Hide the token of a session event; every other byte stays."""
    if request.events != ("session",):
        return request
    payload = _reader.decode(str(request.body, "utf-8")).get("payload")
    token = payload.get("api_key") if isinstance(payload, dict) else None
    if not isinstance(token, str) or not token:
        return request
    written = json.dumps(token, ensure_ascii=False).encode()
    body = request.body.replace(b'"api_key":' + written, b'"api_key":"' + MASK.encode() + b'"')
    if body == request.body:  # It is written with escapes.
        document = _reader.decode(str(body, "utf-8"))
        document["payload"]["api_key"] = MASK
        body = json.dumps(document).encode()
    return replace(request, body=body, masked=("/payload/api_key",))


def _names_in(body: bytes) -> list[str]:
    document = _reader.decode(str(body, "utf-8"))
    events = document.get("events", [document]) if isinstance(document, dict) else []
    return [str(event.get("name", "")) for event in events]


def _name_of(event: bytes) -> str:
    return str(_reader.decode(str(event, "utf-8"))["name"])


def _read_number(text: str) -> float:
    """Read a whole number; Python takes none of thousands of digits, and nobody needs them here."""
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


_reader = json.JSONDecoder(parse_int=_read_number)
