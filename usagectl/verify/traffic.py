"""What a run sent: its requests, look-ups and refused certificates, and which are telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl.capture.hosts import Hosts
from usagectl.errors import count_of

if TYPE_CHECKING:
    from usagectl.capture import Captured
    from usagectl.capture.observations import Observation
    from usagectl.catalogue.entry import Entry

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


class Telemetry:
    """What of some traffic is telemetry of a tool, by its entry; without a host in it, all is."""

    def __init__(self, entry: Entry) -> None:
        self._hosts = Hosts([entry])

    def _is_telemetry(self, host: str, path: str = "") -> bool:
        """True if a host takes telemetry; a path that no entry knows counts there too."""
        owner = self._hosts.owner(host, path)
        if not self._hosts.knows_telemetry:
            return owner.kind != "loopback"
        return owner.is_telemetry or (
            owner.kind == "unknown" and self._hosts.owner(host).is_telemetry
        )

    def sent(self, traffic: Traffic) -> Sent:
        """Count what of a run is telemetry."""
        requests = {
            each.request: f"{each.method} {each.host}{each.path.partition('?')[0]}"
            for each in traffic.captured
            if self._is_telemetry(each.host, each.path)
        }
        told = {each.host for each in traffic.captured}  # Of these the requests tell more.
        seen = [
            (observed, count)
            for observed, count in traffic.observed
            if observed.kind == "tls-refused" or observed.host not in told
            if not observed.is_own and self._is_telemetry(observed.host)
        ]
        refused = sum(count for observed, count in seen if observed.kind == "tls-refused")
        traces = 0 if requests or refused else sum(count for _, count in seen)
        lines = requests.values() if requests else [_line(observed) for observed, _ in seen]
        return Sent(len(requests), refused, traces, tuple(_bounded(list(dict.fromkeys(lines)))))

    def others(self, traffic: Traffic) -> tuple[str, ...]:
        """List the hosts that were asked for and are not known to take telemetry."""
        asked = {(each.host, each.path) for each in traffic.captured}
        asked |= {(each.host, "") for each, _ in traffic.observed if not each.is_own}
        ours = {host for host, path in asked if self._is_telemetry(host, path)}
        return tuple(sorted({host for host, _ in asked} - ours - {""}))


def _line(observed: Observation) -> str:
    return f"{observed.kind} {observed.host} {observed.detail}".rstrip()


def _bounded(lines: list[str]) -> list[str]:
    left = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and {left} more"] if left > 0 else lines
