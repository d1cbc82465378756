"""What a recorder saw of a command: all of it, what of that is telemetry, and whose by host."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from usagectl.capture.decoding import UndecodableError
from usagectl.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from usagectl.capture.file import Sums
    from usagectl.capture.hosts import Hosts
    from usagectl.capture.observations import Observation, Seen
    from usagectl.capture.reading import Captured

KINDS = (
    *("telemetry", "errors", "unknown"),
    *("update-check", "configuration", "own", "loopback"),
)
"""What a host is for the tool that it belongs to, worst first; the first three are `is_loud`."""

LOUD = frozenset(KINDS[:3])
WORDS = {
    "telemetry": "telemetry",
    "errors": "error reports",
    "unknown": "unknown",
    "update-check": "update check",
    "configuration": "settings",
    "own": "own",
    "loopback": "loopback",
}
"""The same in words."""

COUNTED = {
    "look-up": "look_ups",
    "connection": "connections",
    "tls-refused": "tls_refused",
    "datagram": "packets",
    "packet": "packets",
}
"""By the kind of an observation: the member that counts it."""


COUNTS = ("look_ups", "connections", "requests", "bytes", "tls_refused", "packets")
"""The members of a row that are counts, in their order."""

_MOST_LINES = 6


class Sent(NamedTuple):
    """What of some traffic is telemetry."""

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


class Traffic(NamedTuple):
    """Everything that a command tried to send to another machine."""

    captured: tuple[Captured, ...] = ()  # Its events, and its requests without one.
    observed: tuple[Seen, ...] = ()  # What else was seen.

    def parts(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield all of it, part by part, with what each is; None for what cannot be read."""
        for request in self.captured:
            yield "the address", f"{request.host}{request.path}".encode()
            for name, value in request.headers.items():
                yield f"the header {name}", f"{name}: {value}".encode()
            content = None
            with suppress(UndecodableError):
                content = request.content
            yield f"the body of {request.method} {request.path.partition('?')[0]}", content
        for what, times, _ in self.observed:
            yield "a name of a host", what.host.encode()
            yield from [("", None)] * (times if what.kind == "tls-refused" else 0)

    def telemetry(self, hosts: Hosts) -> Sent:
        """Count what of it is telemetry, by the hosts that take some; without one, all of it is."""
        requests = {
            each.request: f"{each.method} {each.host}{each.path.partition('?')[0]}"
            for each in self.captured
            if hosts.is_telemetry(each.host, each.path)
        }
        asked = {each.host for each in self.captured}  # Of these the requests tell more.
        others = asked | {what.host for what, _, _ in self.observed}
        seen = [
            (what, times)
            for what, times, _ in self.observed
            if (what.kind == "tls-refused" or what.host not in asked)
            and hosts.is_telemetry(what.host)
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


class Owner(Protocol):
    """Whom a host belongs to."""

    @property
    def tool(self) -> str:
        """The tool, or several with commas; empty where that is not known."""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""

    @property
    def service(self) -> str:
        """The service behind it, where many programs post to one; else empty."""


class HostTraffic(NamedTuple):
    """What went to one port of a host, as far as it belongs to one owner."""

    host: str
    port: int  # 0 where no more than its name was asked for.
    tool: str
    kind: str
    service: str
    look_ups: int = 0
    connections: int = 0
    requests: int = 0
    bytes: int = 0  # Of the requests' bodies.
    tls_refused: int = 0
    packets: int = 0  # Of any other kind, such as UDP.

    @property
    def is_loud(self) -> bool:
        """True if this may be telemetry: nobody has said that it is something else."""
        return self.kind in LOUD


class _Key(NamedTuple):
    host: str
    port: int
    tool: str
    kind: str
    service: str


def by_host(sums: Sums, owner_of: Callable[[str, str], Owner]) -> tuple[HostTraffic, ...]:
    """Sum up by host, port and owner, worst first; `owner_of` takes a host and a path or none.

    A look-up and a connection say no path: they count with the first request to that host.
    """
    rows: dict[_Key, Counter[str]] = {}
    known: dict[tuple[str, int], _Key] = {}  # By host and port, and by host alone with port 0.

    def add(key: _Key, counts: Mapping[str, int]) -> None:
        known.setdefault((key.host, key.port), key)
        known.setdefault((key.host, 0), key)
        rows.setdefault(key, Counter()).update(counts)

    for target, count in sums.by_target.items():
        owner = owner_of(target.host, target.path)
        key = _key(target.host, target.port, owner)
        add(key, {"requests": count, "bytes": sums.target_bytes[target]})
    for observed, count in _look_ups_last(sums):
        found = known.get((observed.host, observed.port))
        new = found or _key(observed.host, observed.port, owner_of(observed.host, ""))
        add(new, {COUNTED[observed.kind]: count})
    made = (HostTraffic(*key, *map(rows[key].__getitem__, COUNTS)) for key in rows)
    return tuple(sorted(made, key=_rank))


def _look_ups_last(sums: Sums) -> Iterator[tuple[Observation, int]]:
    """Yield what was observed; of a host that was reached, the look-up has a row already."""
    seen = sorted(sums.observed, key=lambda each: each.observation.kind == "look-up")
    for each in seen:
        yield each.observation, each.times


def _key(host: str, port: int, owner: Owner) -> _Key:
    return _Key(host, port, owner.tool, owner.kind, owner.service)


def _rank(row: HostTraffic) -> tuple[int, int, int, int, str, int]:
    """What comes first: the worst, and of these the one of which most came."""
    counts = (-row.requests, -row.connections, -row.look_ups)
    return (KINDS.index(row.kind), *counts, row.host, row.port)
