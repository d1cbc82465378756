"""Tests of traffic: whose a host is, which counts belong together, and what is telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.support.machine import NOW
from usagectl.capture import Captured, traffic
from usagectl.capture.file import Sums, Target
from usagectl.capture.hosts import Hosts
from usagectl.capture.observations import Observation, Seen
from usagectl.capture.traffic import Traffic
from usagectl.catalogue.entry import Entry

if TYPE_CHECKING:
    from usagectl.capture.observations import Kind


class Owner(NamedTuple):
    """Whom a host belongs to."""

    tool: str
    kind: str
    service: str = ""


OWNERS = {
    "t.example": Owner("next", "telemetry"),
    "registry.example/next": Owner("next", "update-check"),
    "registry.example": Owner("", "own"),
}


def owner_of(host: str, path: str) -> Owner:
    """Return the owner of a host, by its path where it has several."""
    return OWNERS.get(host + path) or OWNERS.get(host) or Owner("", "unknown")


def sums_of(requests: dict[Target, int] | None = None, /, **seen: list[tuple[str, int]]) -> Sums:
    """Build sums of requests, and of observations by kind, host and port."""
    sums = Sums()
    sums.by_target.update(requests or {})
    sums.target_bytes.update({each: 10 * n for each, n in (requests or {}).items()})
    for name, places in seen.items():
        kind: Kind = name.replace("_", "-")  # type: ignore[assignment]
        for host, port in places:
            sums.observed.add(Observation(kind, host, "", port), now=NOW)
    return sums


def told(sums: Sums) -> list[tuple[object, ...]]:
    """Return the rows without their zeros."""
    rows = traffic.by_host(sums, owner_of)
    return [
        (*row[:4], {n: v for n, v in row._asdict().items() if v and n in COUNTS}) for row in rows
    ]


COUNTS = ("look_ups", "connections", "requests", "bytes", "tls_refused", "packets")


def test_what_belongs_to_one_host_is_one_row() -> None:
    """A look-up has no port, and a connection no path: both count with the host's requests."""
    sums = sums_of(
        {Target("t.example", 443, "/api"): 2, Target("t.example", 443, "/b"): 1},
        look_up=[("t.example", 0), ("silent.example", 0), ("t.example", 0)],
        connection=[("t.example", 443), ("t.example", 8125)],
        datagram=[("t.example", 8125)],
        tls_refused=[("t.example", 443)],
    )
    first = {"look_ups": 2, "connections": 1, "requests": 3, "bytes": 30, "tls_refused": 1}
    assert told(sums) == [
        ("t.example", 443, "next", "telemetry", first),
        ("t.example", 8125, "next", "telemetry", {"connections": 1, "packets": 1}),
        ("silent.example", 0, "", "unknown", {"look_ups": 1}),
    ]


def test_the_path_tells_owners_of_one_host_apart() -> None:
    """An update check at a package index is one row, the packages another; the worst is first."""
    targets = {Target("registry.example", 443, f"/{name}"): 1 for name in ("next", "left", "pad")}
    targets[Target("x.example", 80)] = 1
    rows = traffic.by_host(sums_of(targets, look_up=[("registry.example", 0)]), owner_of)
    found = [(row.kind, row.tool, row.requests, row.look_ups, row.is_loud) for row in rows]
    assert found == [
        ("unknown", "", 1, 0, True),
        ("update-check", "next", 1, 1, False),
        ("own", "", 2, 0, False),
    ]


def test_every_kind_of_observation_is_counted() -> None:
    """None is lost on the way to the sums."""
    seen = {name.replace("-", "_"): [("a.example", 1)] for name in traffic.COUNTED}
    (row,) = traffic.by_host(sums_of(**seen), owner_of)
    assert sum(getattr(row, name) for name in COUNTS) == len(seen) == 5


ENTRY = Entry(
    {
        "name": "mytool",
        "endpoint": [
            {"url": "https://events.example/v1"},
            {"url": "https://<region>.sentry.example", "kind": "errors"},
            {"url": "https://shared.example/track"},
            {"url": "https://shared.example/latest", "kind": "update-check"},
            {"url": "https://updates.example", "kind": "update-check"},
        ],
    }
)


def request(number: int, host: str, path: str) -> Captured:
    """Make a request as a recorder kept it."""
    return Captured("unparsed", b"", "unknown", "POST", path, {}, str(number), host=host)


def seen(observation: Observation, times: int) -> Seen:
    """Count an observation."""
    return Seen(observation, times, NOW)


def test_a_host_is_telemetry_by_its_entry() -> None:
    """Where a host takes several things the path decides; without hosts all is telemetry."""
    hosts = Hosts([ENTRY])
    counted = {
        ("events.example", "/v1/x"): 1,
        ("Events.Example", "/other"): 1,
        ("eu.sentry.example", "/api/1"): 1,
        ("shared.example", "/track?x=1"): 1,
        ("shared.example", "/latest"): 0,
        ("updates.example", "/"): 0,
        ("my-events.example", "/v1"): 0,
    }
    for (host, path), count in counted.items():
        sent = Traffic((request(1, host, path),), (seen(Observation("look-up", host), 1),))
        assert sent.telemetry(hosts).requests == count, host
        assert sent.telemetry(hosts).is_silent == (not count), host
    any_host = Traffic((request(1, "any.example", "/"),))
    assert any_host.telemetry(Hosts([Entry({"name": "x"})])).requests == 1


def test_what_was_sent_is_counted_by_request() -> None:
    """Events of one request count once; without a request a look-up or connection counts."""
    hosts = Hosts([ENTRY])
    look_up = seen(Observation("look-up", "events.example", detail="A"), 2)
    silent = seen(Observation("connection", "events.example", "198.18.0.1", 443, "silent"), 1)
    refused = seen(Observation("tls-refused", "events.example", "198.18.0.1", 443), 1)
    foreign = seen(Observation("look-up", "registry.example", detail="A"), 1)
    same = request(1, "events.example", "/v1/a")
    every = Traffic((same, same, request(2, "registry.example", "/")), (look_up, silent, foreign))
    sent = every.telemetry(hosts)
    assert (sent.requests, sent.traces, sent.text) == (1, 0, "1 request")
    assert sent.lines == ("POST events.example/v1/a",)
    assert sent.others == ("registry.example",)
    assert Traffic((), (look_up, silent)).telemetry(hosts).text == "3 look-ups and connections"
    assert Traffic((), (look_up, refused)).telemetry(hosts).text == "1 refused certificate"
    assert Traffic((), (foreign,)).telemetry(hosts).is_silent
