"""What a run sent: its requests, look-ups and refused certificates, and which are telemetry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from usagectl.errors import count_of

if TYPE_CHECKING:
    from usagectl.capture import Captured
    from usagectl.capture.observations import Observation
    from usagectl.catalogue.entry import Entry

_TELEMETRY = ("telemetry", "errors")
_PLACEHOLDER = re.compile(r"<[^<>]*>")
_MOST_LINES = 6


class Traffic(NamedTuple):
    """Everything that a run tried to send."""

    captured: tuple[Captured, ...] = ()  # Its events, and its requests without one.
    observed: tuple[tuple[Observation, int], ...] = ()  # What else was seen, and how often.


class Sent(NamedTuple):
    """What of a run's traffic is telemetry of the tool."""

    requests: int = 0
    refused: int = 0  # Certificates that the tool did not take: what it would say is not known.
    traces: int = 0  # Where there is neither: look-ups, connections without a request, datagrams.
    lines: tuple[str, ...] = ()  # The same for a person.

    @property
    def is_silent(self) -> bool:
        """True if there is no trace of telemetry."""
        return not (self.requests or self.refused or self.traces)

    @property
    def text(self) -> str:
        """The counts in words."""
        parts = (
            count_of(self.requests, "request") if self.requests else "",
            count_of(self.refused, "refused certificate") if self.refused else "",
            count_of(self.traces, "look-up or connection", "look-ups and connections")
            if self.traces
            else "",
        )
        return ", ".join(filter(None, parts)) or "nothing"


class Hosts:
    """The hosts of a tool's telemetry, by its entry; without any in it, every host is one."""

    def __init__(self, entry: Entry) -> None:
        self._endpoints = [
            (_pattern(host), urlsplit(each.url).path.partition("<")[0], each.kind in _TELEMETRY)
            for each in entry.endpoints
            if (host := each.url.partition("://")[2].partition("/")[0].partition(":")[0])
        ]
        self._knows_any = any(is_telemetry for _, _, is_telemetry in self._endpoints)

    def is_telemetry(self, host: str, path: str = "") -> bool:
        """True if a host takes telemetry; where it takes other things too, the path decides."""
        if not self._knows_any:
            return True
        name = host.lower().rstrip(".")
        here = [each for each in self._endpoints if each[0].fullmatch(name)]
        fitting = [each for each in here if path and path.startswith(each[1])]
        longest = max((len(prefix) for _, prefix, _ in fitting), default=0)
        said = [is_telemetry for _, prefix, is_telemetry in fitting if len(prefix) == longest]
        if said:
            return any(said)
        kinds = {is_telemetry for _, _, is_telemetry in here}
        return kinds == {True} or (bool(path) and True in kinds)

    def sent(self, traffic: Traffic) -> Sent:
        """Count what of a run is telemetry."""
        requests = {
            each.request: f"{each.method} {each.host}{each.path.partition('?')[0]}"
            for each in traffic.captured
            if self.is_telemetry(each.host, each.path)
        }
        seen = [
            (observed, count)
            for observed, count in traffic.observed
            if not observed.is_own and self.is_telemetry(observed.host)
        ]
        refused = sum(count for observed, count in seen if observed.kind == "tls-refused")
        traces = 0 if requests or refused else sum(count for _, count in seen)
        lines = requests.values() if requests else [_line(observed) for observed, _ in seen]
        return Sent(len(requests), refused, traces, tuple(_bounded(list(dict.fromkeys(lines)))))

    def others(self, traffic: Traffic) -> tuple[str, ...]:
        """List the hosts that were asked for and are not known to take telemetry."""
        every = {each.host for each in traffic.captured if each.host}
        every |= {each.host for each, _ in traffic.observed if not each.is_own}
        ours = {each.host for each in traffic.captured if self.is_telemetry(each.host, each.path)}
        return tuple(sorted(each for each in every - ours if not self.is_telemetry(each)))


def _pattern(host: str) -> re.Pattern[str]:
    """Return what matches a host, in which `<…>` stands for what differs."""
    parts = map(re.escape, _PLACEHOLDER.split(host.lower()))
    return re.compile("[^/]+".join(parts))


def _line(observed: Observation) -> str:
    return f"{observed.kind} {observed.host} {observed.detail}".rstrip()


def _bounded(lines: list[str]) -> list[str]:
    left = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and {left} more"] if left > 0 else lines
