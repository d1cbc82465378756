"""What runs of a tool's commands showed: how they ended, what they sent, what is telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl.capture.running import Ended
from usagectl.capture.traffic import Traffic
from usagectl.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.capture.hosts import Hosts

_MOST_LINES = 6


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


class Ran(NamedTuple):
    """What a row was expected to do, how it ended, and what it sent."""

    expected: str = "unknown"  # The verdict of `consent` in that home, or `breaks`.
    ended: Ended = Ended()
    traffic: Traffic = Traffic()
    sent: Sent = Sent()  # What of the traffic is telemetry.
    problem: str = ""  # Why it could not be run, else empty.
    folders: Mapping[str, str] = {}  # The paths of `home` and `work`.
    written: Mapping[str, str] = {}  # The tool's files that the row's switch has changed.
    conditions: tuple[str, ...] = ()  # What the machine is, as evidence names it.


def telemetry_of(traffic: Traffic, hosts: Hosts) -> Sent:
    """Count what of some traffic is telemetry of a tool, by its hosts; without one, all is."""
    requests = {
        each.request: f"{each.method} {each.host}{each.path.partition('?')[0]}"
        for each in traffic.captured
        if hosts.is_telemetry(each.host, each.path)
    }
    asked = {each.host for each in traffic.captured}  # Of these the requests tell more.
    others = asked | {what.host for what, _, _ in traffic.observed}
    seen = [
        (what, times)
        for what, times, _ in traffic.observed
        if (what.kind == "tls-refused" or what.host not in asked) and hosts.is_telemetry(what.host)
    ]
    refused = sum(times for what, times in seen if what.kind == "tls-refused")
    return Sent(
        len(requests),
        refused,
        0 if requests or refused else sum(times for _, times in seen),
        _bounded([*dict.fromkeys(requests.values() or [what.text for what, _ in seen])]),
        tuple(sorted(each for each in others if each and not hosts.is_telemetry(each))),
    )


def _bounded(lines: Sequence[str]) -> tuple[str, ...]:
    left = len(lines) - _MOST_LINES
    return (*lines[:_MOST_LINES], *([f"and {left} more"] if left > 0 else []))
