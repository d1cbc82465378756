"""Words in which a preview is asked for and given: wishes, requests, what running programs said."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from usagectl.tools.base import Caution, Installation, PartReading


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
    unknown: tuple[str, ...] = ()  # JSON pointers of members that nobody tells; null stands there.
    version: str = ""  # The version whose rules apply.


class Live(NamedTuple):
    """What running programs said: Docker's `info`, and that of a running instance of the tool."""

    docker: Mapping[str, object] = MappingProxyType({})
    instance: Mapping[str, object] = MappingProxyType({})
    started_with: Mapping[str, str] | None = None  # The instance's variables; None if unknown.
    told_by: str = ""  # Where those were read.
    started_at: float = 0.0  # When it was, in seconds since 1970; 0 where nobody tells.
    is_container: bool = False  # Whether they are a container's, before its entrypoint ran.


class PreviewWish(NamedTuple):
    """What a preview is asked for, and what it is built from."""

    if_enabled: bool = False  # Show the requests of parts that are off too.
    reveal: bool = False  # Show tokens and credentials.
    version: str | None = None  # The version whose rules are followed; None for the installed one.
    live: Live | None = None  # What running programs said; None when they were not asked.
    on: frozenset[str] = frozenset()  # The parts whose telemetry is on.
    stored_ids: Mapping[str, object] = MappingProxyType({})  # By part, what its ID file holds.
    is_named: bool = True  # Whether the tool was asked for by name.
    is_changed: bool = False  # Whether the environment is the one that the tool makes of it.

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
    reading: PartReading | None = None  # Its switches, where they are not those of this shell.
    installation: Installation | None = None  # What runs, where it was not found otherwise.
