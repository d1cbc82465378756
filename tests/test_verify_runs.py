"""Tests of what counts as telemetry: by host and path, requests, look-ups, refused certificates."""

from __future__ import annotations

from datetime import UTC, datetime

from usagectl.capture import Captured
from usagectl.capture.hosts import Hosts
from usagectl.capture.observations import Observation, Seen
from usagectl.capture.traffic import Traffic
from usagectl.catalogue.entry import Entry
from usagectl.verify.runs import telemetry_of

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
    return Seen(observation, times, datetime.now(UTC))


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
        traffic = Traffic((request(1, host, path),), (seen(Observation("look-up", host), 1),))
        assert telemetry_of(traffic, hosts).requests == count, host
        assert telemetry_of(traffic, hosts).is_silent == (not count), host
    any_host = Traffic((request(1, "any.example", "/"),))
    assert telemetry_of(any_host, Hosts([Entry({"name": "x"})])).requests == 1


def test_what_was_sent_is_counted_by_request() -> None:
    """Events of one request count once; without a request a look-up or connection counts."""
    hosts = Hosts([ENTRY])
    look_up = seen(Observation("look-up", "events.example", detail="A"), 2)
    silent = seen(Observation("connection", "events.example", "198.18.0.1", 443, "silent"), 1)
    refused = seen(Observation("tls-refused", "events.example", "198.18.0.1", 443), 1)
    foreign = seen(Observation("look-up", "registry.example", detail="A"), 1)
    same = request(1, "events.example", "/v1/a")
    every = Traffic((same, same, request(2, "registry.example", "/")), (look_up, silent, foreign))
    sent = telemetry_of(every, hosts)
    assert (sent.requests, sent.traces, sent.text) == (1, 0, "1 request")
    assert sent.lines == ("POST events.example/v1/a",)
    assert sent.others == ("registry.example",)
    assert telemetry_of(Traffic((), (look_up, silent)), hosts).text == "3 look-ups and connections"
    assert telemetry_of(Traffic((), (look_up, refused)), hosts).text == "1 refused certificate"
    assert telemetry_of(Traffic((), (foreign,)), hosts).is_silent
