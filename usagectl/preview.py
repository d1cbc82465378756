"""Exact requests that a tool would send, built without sending anything.

A tool that sends by itself builds its own (`Tool.preview`); of a tool that records
through usagectl they carry the spool's own bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl._version import __version__
from usagectl.consent import decide, evaluate_tool
from usagectl.errors import UsagectlError
from usagectl.events.record import CLI_CMD, new_record
from usagectl.identity import read_all
from usagectl.sensitive import MASK, mask_url_credentials
from usagectl.settings import OWN_NAME, load
from usagectl.spool import ALL, Batch, Selection, open_spool
from usagectl.tools.base import Caution, endpoint_caution
from usagectl.tools.previews import Request
from usagectl.tools.registry import emitters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from usagectl.consent import Consent
    from usagectl.delivery.requests import Post, Wire
    from usagectl.events.record import Record
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Tool
    from usagectl.tools.previews import PartPreview, PreviewWish

_reader = json.JSONDecoder(parse_int=float)
"""A whole number may have thousands of digits, which `int` refuses."""

_FIRST_EVENTS = 20
"""So many events of a tool are shown unless all are asked for."""


_DRAWN = (
    Caution(
        "varying",
        "The event of the present command gets its uid and its time when the command has ended.",
        "usagectl preview usagectl --waiting",
    ),
)


class Preview(NamedTuple):
    """What one tool part would send and whether it would."""

    consent: Consent  # The verdict of all switches.
    requests: tuple[Request, ...] = ()  # Empty when it is off and nothing else was asked for.
    cautions: tuple[Caution, ...] = ()  # What a person should know about these requests.
    is_unknown: bool = False  # Whether something is sent whose bytes are not known here.

    @property
    def would_send(self) -> bool | None:
        """True if these requests would leave the machine by themselves; None if nobody tells."""
        if self.consent.telemetry == "unknown":
            return None
        is_on = self.consent.counts and self.consent.telemetry == "on"
        return is_on and (bool(self.requests) or self.is_unknown)


def preview(
    environment: Environment,
    tool: Tool,
    wish: PreviewWish,
    *,
    present: bytes | None = None,
    waiting: bool = False,
) -> tuple[tuple[Preview, ...], tuple[str, ...]]:
    """Build the requests that a tool would send: one preview a part, and remarks on all.

    `present` is the running command's own event; with `waiting` a tool of ours shows
    everything that a replay would send.

    Raises:
        FileUnreadableError: the spool, or an event in it, cannot be read.
    """
    if not tool.is_ours:
        return _preview_client(environment, tool, wish)
    verdict = evaluate_tool(environment, tool)[0]
    if waiting:
        found = _preview_waiting(environment, verdict, wish)
    elif verdict.telemetry == "off" and not wish.if_enabled:
        found = Preview(verdict)
    elif tool.name == OWN_NAME:
        found = _preview_own(environment, verdict, wish, present=present)
    else:
        found = _preview_first(environment, verdict, wish)
    return (found,), ()


def _preview_client(
    environment: Environment, tool: Tool, wish: PreviewWish
) -> tuple[tuple[Preview, ...], tuple[str, ...]]:
    found = evaluate_tool(environment, tool, is_named=wish.is_named)
    verdicts = {each.part: each for each in found}
    on = frozenset(part for part, each in verdicts.items() if each.telemetry == "on")
    changed = tool.sending_environment(environment, wish.version)
    stored_ids = dict(_stored_ids(changed, tool.name))
    wish = wish._replace(on=on, stored_ids=stored_ids, is_changed=changed is not environment)
    parts = tool.preview(changed, wish)
    previews = (
        Preview(
            _verdict_on(tool, each, verdicts[each.part]),
            _shown(each.requests, wish),
            each.cautions,
            each.is_unknown,
        )
        for each in parts
    )
    return tuple(previews), tuple(remark for each in parts for remark in each.remarks)


def _verdict_on(tool: Tool, part: PartPreview, found: Consent) -> Consent:
    """Decide by what the part itself was started with, where the tool read that."""
    installation = part.installation or found.installation
    counts = found.counts or installation.installed
    if part.reading is None:
        return found._replace(installation=installation, counts=counts)
    return decide(tool, part.reading, installation, counts=counts)


def _stored_ids(environment: Environment, name: str) -> Iterator[tuple[str, object]]:
    """Yield the ID that each part's file holds; the first place of a part comes last and wins."""
    for mid in reversed(read_all(environment)):
        if mid.place.tool == name and mid.kind not in ("missing", "unreadable"):
            yield mid.place.part, mid.value


def _preview_own(
    environment: Environment, verdict: Consent, wish: PreviewWish, *, present: bytes | None
) -> Preview:
    """Build the request that would carry usagectl's last and present `cli_cmd` events."""
    try:
        with open_spool(environment, read_only=True) as store:
            found = store.entries(["pending"], Selection(tools=(OWN_NAME,)), newest=1)
            records = [entry.record for entry in found]
    except UsagectlError:  # Status says what is wrong with the spool; the present event is here.
        records = []
    records += [] if present is None else [_record_of(environment, present)]
    records = [each for each in records if _is_event(each.event)]
    if not records:
        return Preview(verdict)
    if caution := _endpoint_caution(environment, verdict):
        return Preview(verdict, (), (caution,))
    wire, batch = _wire(environment, wish), Batch((), tuple(records))
    post = wire.build(batch, base=_base(verdict, wish))
    is_drawn = wire.name == "otlp" and present is not None
    request = _request(verdict, post, batch)._replace(masked=wire.masks(batch))
    return Preview(verdict, (request,), _DRAWN if is_drawn else ())


def _record_of(environment: Environment, event: bytes) -> Record:
    """Label the present command's event, which is recorded when the command has ended."""
    now, entropy = environment.now(), environment.entropy
    return new_record(event, tool=OWN_NAME, kind=CLI_CMD, now=now, entropy=entropy)


def _preview_first(environment: Environment, verdict: Consent, wish: PreviewWish) -> Preview:
    """Build the requests that would carry the first events that wait of a registered tool."""
    name = verdict.tool
    found = _preview_waiting(environment, verdict, wish, limit=_FIRST_EVENTS)
    cautions = found.cautions
    if not found.requests and not cautions:
        message = f"{name} has recorded nothing that waits."
        cautions = (Caution("nothing-waits", message, f"usagectl spool list --tool {name} --sent"),)
    elif sum(len(request.events) for request in found.requests) == _FIRST_EVENTS:
        message = f"Only the first {_FIRST_EVENTS} events that wait are shown."
        cautions = (*cautions, Caution("shortened", message, f"usagectl preview {name} --waiting"))
    return found._replace(cautions=cautions)


def _preview_waiting(
    environment: Environment, verdict: Consent, wish: PreviewWish, *, limit: int | None = None
) -> Preview:
    """Build every request that a replay of a tool's waiting events would send."""
    from usagectl.delivery import replay

    if caution := _endpoint_caution(environment, verdict):
        return Preview(verdict, (), (caution,))
    selection = Selection(tools=(verdict.tool,))
    if verdict.tool == OWN_NAME:  # With what is left of tools that are registered no more.
        others = tuple(each.name for each in emitters(environment) if each.name != OWN_NAME)
        selection = ALL._replace(without=others)
    wire = _wire(environment, wish)
    options = replay.Options(selection=selection, limit=limit, wire=wire)
    with open_spool(environment, read_only=True) as store:
        posts = replay.posts(options, base=_base(verdict, wish), store=store)
        requests = [
            _request(verdict, post, batch)._replace(masked=wire.masks(batch))
            for post, batch in posts
        ]
    if wire.name == "otlp":  # It masks by itself: in its bytes no token is found again.
        return Preview(verdict, tuple(requests))
    return Preview(verdict, _shown(requests, wish))


def _wire(environment: Environment, wish: PreviewWish) -> Wire:
    from usagectl.delivery import replay

    wire = replay.wire_of(environment)
    return wire if wish.reveal else wire.masked()


def _endpoint_caution(environment: Environment, verdict: Consent) -> Caution | None:
    tool = next(each for each in emitters(environment) if each.name == verdict.tool)
    address = tool.endpoint(environment, load(environment))
    variable = address.origin if address.source == "environment" else "ANALYTICS_API"
    return endpoint_caution(verdict.tool, verdict.endpoint, variable=variable)


def _base(verdict: Consent, wish: PreviewWish) -> str:
    return verdict.endpoint if wish.reveal else mask_url_credentials(verdict.endpoint)


def _request(verdict: Consent, post: Post, batch: Batch) -> Request:
    """Describe the request that delivery would send."""
    documents = map(_decode, batch.events)
    events = tuple(str(event.get("name", "")) for event in documents)
    url, headers, body = post
    return Request(verdict.tool, "cli", "POST", url, headers, body, events, version=__version__)


def _shown(requests: Iterable[Request], wish: PreviewWish) -> tuple[Request, ...]:
    return tuple(each if wish.reveal else _mask(each) for each in requests)


def _mask(request: Request) -> Request:
    """Hide credentials of the URL, and the token of a session event; every other byte stays."""
    request = request._replace(url=mask_url_credentials(request.url))
    if request.events != ("session",):
        return request
    payload = _decode(request.body).get("payload")
    token = payload.get("api_key") if isinstance(payload, dict) else None
    if not isinstance(token, str) or not token:
        return request
    written = json.dumps(token, ensure_ascii=False).encode("utf-8", "surrogatepass")
    body = request.body.replace(b'"api_key":' + written, b'"api_key":"' + MASK.encode() + b'"')
    if body == request.body:  # It is written with blanks or escapes, as LocalStack does.
        document = json.loads(body)
        document["payload"]["api_key"] = MASK
        body = json.dumps(document).encode()
    return request._replace(body=body, masked=("/payload/api_key",))


def _is_event(event: bytes) -> bool:
    """True if spooled bytes are an event; a file that people can edit may hold anything."""
    try:
        document = _decode(event)
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        return False
    return all(isinstance(document.get(group), dict) for group in ("metadata", "payload"))


def _decode(body: bytes) -> Any:  # noqa: ANN401  (any JSON)
    return _reader.decode(body.decode("utf-8"))
