"""What a run sent: its requests, look-ups and refused certificates, and which are telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import count_of

if TYPE_CHECKING:
    from usagectl.capture import Captured
    from usagectl.capture.hosts import Hosts
    from usagectl.capture.observations import Seen

_MOST_LINES = 6


class Traffic(NamedTuple):
    """Everything that a run tried to send."""

    captured: tuple[Captured, ...] = ()  # Its events, and its requests without one.
    observed: tuple[Seen, ...] = ()  # What else was seen.


class Sent(NamedTuple):
    """What of a run's traffic is telemetry of the tool."""

    requests: int = 0
    refused: int = 0  # Certificates that the tool did not take: what it would say is not known.
    traces: int = 0  # Where there is neither: look-ups, connections without a request, datagrams.
    lines: tuple[str, ...] = ()  # The same for a person.
    others: tuple[str, ...] = ()  # Hosts that were asked for and are not known to take telemetry.

    @property
    def is_silent(self) -> bool:
        """True if there is no trace of telemetry."""
        return not (self.requests or self.refused or self.traces)

    @property
    def text(self) -> str:
        """The counts in words."""
        parts = {
            count_of(self.requests, "request"): self.requests,
            count_of(self.refused, "refused certificate"): self.refused,
            count_of(self.traces, "look-up or connection", "look-ups and connections"): self.traces,
        }
        return ", ".join(words for words, count in parts.items() if count) or "nothing"


def telemetry_of(traffic: Traffic, hosts: Hosts) -> Sent:
    """Count what of some traffic is telemetry of a tool, by its hosts; without one, all is."""
    requests = {
        each.request: f"{each.method} {each.host}{each.path.partition('?')[0]}"
        for each in traffic.captured
        if hosts.is_telemetry(each.host, each.path)
    }
    asked = {each.host for each in traffic.captured}  # Of these the requests tell more.
    seen = [each for each in traffic.observed if not each.observation.is_own]
    others = asked | {each.observation.host for each in seen}
    counts = {"tls-refused": 0, "": 0}
    lines = []
    for what, times, _ in seen:
        is_refused = what.kind == "tls-refused"
        if (is_refused or what.host not in asked) and hosts.is_telemetry(what.host):
            counts["tls-refused" if is_refused else ""] += times
            lines.append(f"{what.kind} {what.host} {what.detail}".rstrip())
    refused = counts["tls-refused"]
    return Sent(
        len(requests),
        refused,
        0 if requests or refused else counts[""],
        _bounded([*dict.fromkeys(requests.values() or lines)]),
        tuple(sorted(each for each in others if each and not hosts.is_telemetry(each))),
    )


def _bounded(lines: list[str]) -> tuple[str, ...]:
    left = len(lines) - _MOST_LINES
    return (*lines[:_MOST_LINES], *([f"and {left} more"] if left > 0 else []))
