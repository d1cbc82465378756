"""Tests of what counts as telemetry: by host and path, requests, look-ups, refused certificates."""

from __future__ import annotations

from usagectl.capture import Captured
from usagectl.capture.observations import Observation
from usagectl.catalogue.entry import Entry
from usagectl.verify.traffic import Telemetry, Traffic

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


def test_a_host_is_telemetry_by_its_entry() -> None:
    """Where a host takes several things the path decides; without hosts all is telemetry."""
    telemetry = Telemetry(ENTRY)
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
        traffic = Traffic((request(1, host, path),), ((Observation("look-up", host), 1),))
        assert telemetry.sent(traffic).requests == count, host
        assert telemetry.sent(traffic).is_silent == (not count), host
    any_host = Traffic((request(1, "any.example", "/"),))
    assert Telemetry(Entry({"name": "x"})).sent(any_host).requests == 1


def test_what_was_sent_is_counted_by_request() -> None:
    """Events of one request count once; without a request a look-up or connection counts."""
    telemetry = Telemetry(ENTRY)
    look_up = (Observation("look-up", "events.example", detail="A"), 2)
    silent = (Observation("connection", "events.example", "198.18.0.1", 443, "silent"), 1)
    refused = (Observation("tls-refused", "events.example", "198.18.0.1", 443), 1)
    foreign = (Observation("look-up", "registry.example", detail="A"), 1)
    own = (Observation("connection", "127.0.0.1", "127.0.0.1", 80, "silent"), 1)
    same = request(1, "events.example", "/v1/a")
    every = Traffic((same, same, request(2, "registry.example", "/")), (look_up, silent, foreign))
    sent = telemetry.sent(every)
    assert (sent.requests, sent.traces, sent.text) == (1, 0, "1 request")
    assert sent.lines == ("POST events.example/v1/a",)
    assert telemetry.others(every) == ("registry.example",)
    assert telemetry.sent(Traffic((), (look_up, silent))).text == "3 look-ups and connections"
    assert telemetry.sent(Traffic((), (look_up, refused))).text == "1 refused certificate"
    assert telemetry.sent(Traffic((), (foreign, own))).is_silent
