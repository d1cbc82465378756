"""Requests that the parts of a tool would send, as values; what a preview is asked for."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from usagectl.settings import is_http_url
from usagectl.tools.base import Caution

if TYPE_CHECKING:
    from collections.abc import Mapping


class Request(NamedTuple):
    """One HTTP request as it would go out.

    Attributes:
        tool: who would send it.
        part: which part of it.
        method: always `POST`.
        url: the whole URL.
        headers: in the order in which they are written.
        body: the exact bytes, but for masked members.
        events: names of the events in it.
        masked: JSON pointers of members whose value is hidden here.
        varying: JSON pointers of members that are drawn at send time.
        version: the version whose rules apply.
    """

    tool: str
    part: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    events: tuple[str, ...]
    masked: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    version: str = ""


class Live(NamedTuple):
    """What running programs said: Docker's `info`, and that of a running instance of the tool."""

    docker: Mapping[str, object] = MappingProxyType({})
    instance: Mapping[str, object] = MappingProxyType({})


class PreviewWish(NamedTuple):
    """What a preview is asked for, and what it is built from.

    Attributes:
        if_enabled: show the requests of parts that are off too.
        reveal: show tokens and credentials.
        version: the version whose rules are followed; None for the installed one.
        live: what running programs said; None when they were not asked.
        on: the parts whose telemetry is on.
        stored_ids: by part, the machine ID that its file holds.
    """

    if_enabled: bool = False
    reveal: bool = False
    version: str | None = None
    live: Live | None = None
    on: frozenset[str] = frozenset()
    stored_ids: Mapping[str, object] = MappingProxyType({})

    def shows(self, part: str) -> bool:
        """True if the requests of a part are wanted."""
        return self.if_enabled or part in self.on


class PartPreview(NamedTuple):
    """What one part would send.

    Attributes:
        part: which part.
        requests: what is known exactly.
        cautions: what a person should know about these requests.
        is_unknown: whether something is sent whose bytes are not known here.
        remarks: what a person should know about the preview of the whole tool.
    """

    part: str
    requests: tuple[Request, ...] = ()
    cautions: tuple[Caution, ...] = ()
    is_unknown: bool = False
    remarks: tuple[str, ...] = ()


def endpoint_caution(tool: str, endpoint: str, *, variable: str) -> Caution | None:
    """Warn when no client can post to the endpoint of a part."""
    if is_http_url(endpoint):
        return None
    if not endpoint:
        message = f"{tool} names no endpoint, so its events stay in the spool."
        hint = f"usagectl spool show --raw --tool {tool}"
        return Caution("endpoint-missing", message, hint)
    message = f"The endpoint that {variable} names is no http or https URL, so nothing can be sent."
    return Caution("endpoint-invalid", message, f"unset {variable}")
