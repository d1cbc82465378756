"""Requests that the parts of a tool would send, as values; what a preview is asked for."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from usagectl.settings import is_http_url
from usagectl.tools.base import Caution

if TYPE_CHECKING:
    from collections.abc import Mapping


class Request(NamedTuple):
    """One HTTP request as it would go out."""

    tool: str  # Who would send it.
    part: str
    method: str  # Always `POST`.
    url: str
    headers: Mapping[str, str]  # In the order in which they are written.
    body: bytes  # The exact bytes, but for masked members.
    events: tuple[str, ...]  # Names of the events in it.
    masked: tuple[str, ...] = ()  # JSON pointers of members whose value is hidden here.
    varying: tuple[str, ...] = ()  # JSON pointers of members that are drawn at send time.
    version: str = ""  # The version whose rules apply.


class Live(NamedTuple):
    """What running programs said: Docker's `info`, and that of a running instance of the tool."""

    docker: Mapping[str, object] = MappingProxyType({})
    instance: Mapping[str, object] = MappingProxyType({})


class PreviewWish(NamedTuple):
    """What a preview is asked for, and what it is built from."""

    if_enabled: bool = False  # Show the requests of parts that are off too.
    reveal: bool = False  # Show tokens and credentials.
    version: str | None = None  # The version whose rules are followed; None for the installed one.
    live: Live | None = None  # What running programs said; None when they were not asked.
    on: frozenset[str] = frozenset()  # The parts whose telemetry is on.
    stored_ids: Mapping[str, object] = MappingProxyType({})  # By part, what its ID file holds.

    def shows(self, part: str) -> bool:
        """True if the requests of a part are wanted."""
        return self.if_enabled or part in self.on


class PartPreview(NamedTuple):
    """What one part would send."""

    part: str
    requests: tuple[Request, ...] = ()  # What is known exactly.
    cautions: tuple[Caution, ...] = ()  # What a person should know about these requests.
    is_unknown: bool = False  # Whether something is sent whose bytes are not known here.
    remarks: tuple[str, ...] = ()  # What a person should know about the preview of the whole tool.


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
