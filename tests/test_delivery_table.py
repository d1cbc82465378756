"""What becomes of each event for every answer and every failure, over real sockets.

The table of the protocol (design, section 5): 2xx acknowledges, 413 splits, what
may pass is tried again within the time there is, other 4xx refuse for good.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.endpoint import (
    Endpoint,
    always,
    drip,
    drip_body,
    garbage,
    hang,
    in_turn,
    reset,
    reset_in_body,
    too_large_above,
)
from usagectl import spool
from usagectl.delivery import attempts, replay
from usagectl.spool import listing

if TYPE_CHECKING:
    from tests.support.endpoint import Behaviour
    from tests.support.machine import Machine
    from usagectl.delivery.replay import ReplayResult

EVENTS = 5
PATIENCE = timedelta(seconds=1.5)
GRACE = 5.0  # A busy machine; without the bound, each of these takes 10 s or for ever.
FALSE = b'{"track_events": false}'


def fill(machine: Machine, count: int = EVENTS, *, kind: str = "cli_cmd") -> list[bytes]:
    """Put events into the spool, and give their bytes."""
    bodies = [
        b'{"name":"%s","metadata":{},"payload":{"n":%d}}' % (kind.encode(), number)
        for number in range(count)
    ]
    for body in bodies:
        spool.append(machine.environment(), body, tool="usagectl", kind=kind)
    return bodies


def send(machine: Machine, base: str, **options: object) -> ReplayResult:
    """Replay everything that waits to an address."""
    policy = attempts.Policy(patience=PATIENCE)
    chosen = replay.Options(to=base, **{"policy": policy, **options})  # type: ignore[arg-type]
    environment = machine.environment()
    folder = replay.folder_for(environment, chosen)
    return replay.run(environment, chosen, base=base, folder=folder)


def states(machine: Machine) -> dict[str, list[bytes]]:
    """Give the events' bytes by state."""
    found: dict[str, list[bytes]] = {state: [] for state in listing.STATES}
    for entry in listing.entries(machine.environment(), listing.STATES):
        found[entry.state].append(entry.body)
    return found


ALL_SENT = ("sent", None, 1)
ALL_REJECTED = ("rejected", "events-rejected", 1)
TABLE: list[tuple[str, Behaviour, tuple[str, str | None, int | None]]] = [
    ("200", always(200), ALL_SENT),
    ("200 without JSON", always(200, b"hello"), ALL_SENT),
    ("200 that refuses tracking", always(200, FALSE), ("sent", "tracking-refused", 1)),
    ("201", always(201), ALL_SENT),
    ("204", always(204), ALL_SENT),
    ("301", always(301, location="https://x.test/a"), ("pending", "endpoint-redirects", 1)),
    ("302", always(302, location="/elsewhere"), ("pending", "endpoint-redirects", 1)),
    ("307 to nowhere", always(307), ("pending", "endpoint-redirects", 1)),
    ("400", always(400), ALL_REJECTED),
    ("401", always(401), ALL_REJECTED),
    ("403 without track_events", always(403, b"{}"), ALL_REJECTED),
    ("403 that tracks", always(403), ALL_REJECTED),
    ("403 that refuses tracking", always(403, FALSE), ("pending", "tracking-refused", 1)),
    ("404", always(404), ALL_REJECTED),
    ("407", always(407), ("pending", "endpoint-unreachable", 1)),
    ("408", always(408), ("pending", "endpoint-busy", None)),
    ("413 for one event", always(413), ("rejected", "events-rejected", 9)),
    ("425", always(425), ("pending", "endpoint-busy", None)),
    ("429", always(429), ("pending", "endpoint-busy", None)),
    ("429 for an hour", always(429, retry_after="3600"), ("pending", "endpoint-busy", 1)),
    ("500", always(500), ("pending", "endpoint-busy", None)),
    ("502", always(502), ("pending", "endpoint-busy", None)),
    ("503", always(503), ("pending", "endpoint-busy", None)),
    ("504", always(504), ("pending", "endpoint-busy", None)),
    ("503, then well", in_turn(always(503), always(200)), ("sent", None, 2)),
    ("429 with seconds", in_turn(always(429, retry_after="1"), always(200)), ("sent", None, 2)),
    ("reset", reset, ("pending", "endpoint-unreachable", None)),
    ("reset, then well", in_turn(reset, always(200)), ("sent", None, 2)),
    ("reset within the answer of a 200", reset_in_body, ("sent", None, 1)),
    ("never answers", hang, ("pending", "endpoint-unreachable", 1)),
    ("answers garbage", garbage, ("pending", "endpoint-unreachable", None)),
    ("a head that drips", drip, ("pending", "endpoint-unreachable", 1)),
    ("a body that drips after 200", drip_body, ("sent", None, 1)),
]


@pytest.mark.parametrize(
    ("behave", "expected"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_what_becomes_of_each_event(
    behave: Behaviour, expected: tuple[str, str | None, int | None], machine: Machine
) -> None:
    """Every event ends in one place, whole, within the time that the endpoint has."""
    bodies = fill(machine)
    where, code, requests = expected
    with Endpoint(behave) as endpoint:
        started = time.monotonic()
        result = send(machine, endpoint.base)
        took = time.monotonic() - started
    assert took < PATIENCE.total_seconds() + GRACE
    found = states(machine)
    assert {state: len(each) for state, each in found.items()} == {
        state: EVENTS if state == where else 0 for state in listing.STATES
    }
    assert sorted(found[where]) == sorted(bodies)
    assert (result.problem.code if result.problem else None) == code
    assert (result.planned, result.kept) == (EVENTS, EVENTS if where == "pending" else 0)
    if requests is None:
        assert len(endpoint.received) > 1
    else:
        assert len(endpoint.received) == requests
    if where == "sent":
        assert b'{"events":[' + b",".join(bodies) + b"]}" == endpoint.bodies[-1]


def test_connection_refused(machine: Machine) -> None:
    """Where nothing listens every event is kept, and it is tried more than once."""
    with Endpoint() as endpoint:
        base = endpoint.base
    fill(machine)
    started = time.monotonic()
    result = send(machine, base)
    assert time.monotonic() - started < PATIENCE.total_seconds() + GRACE
    assert len(states(machine)["pending"]) == EVENTS
    assert result.problem is not None
    assert "refused), tried" in result.problem.message


def test_a_batch_that_is_too_large_is_split(machine: Machine) -> None:
    """413 halves a batch until it fits: each event arrives once, in order, whatever the limit."""
    bodies = fill(machine, 37)
    with Endpoint(too_large_above(5)) as endpoint:
        result = send(machine, endpoint.base)
    taken = [request for request in endpoint.received if len(request.events) <= 5]
    joined = b",".join(request.body[11:-2] for request in taken)
    assert joined == b",".join(bodies)
    assert (result.progress.sent, result.kept, result.problem) == (37, 0, None)


def test_retry_after_as_a_date(machine: Machine) -> None:
    """A date in `Retry-After` is waited for; one far ahead ends the delivery at once."""
    fill(machine)
    with Endpoint(always(503, retry_after="Fri, 31 Dec 2100 23:59:59 GMT")) as endpoint:
        started = time.monotonic()
        result = send(machine, endpoint.base)
    assert time.monotonic() - started < GRACE
    assert result.problem is not None
    assert "s of rest" in result.problem.message
    with Endpoint(
        in_turn(always(503, retry_after="Fri, 31 Dec 1999 23:59:59 GMT"), always(200))
    ) as endpoint:
        assert send(machine, endpoint.base).problem is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("99999999999999", 30 * 86_400),
        ("Mon, 23 Nov 2026 06:30:10 GMT", 10),
        ("Mon, 23 Nov 2026 06:29:00 GMT", 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("\u0661", None),
    ],
)
def test_retry_after_is_read(text: str, seconds: float | None) -> None:
    """Seconds or a date (RFC 9110); what has passed is no wait, what is neither is nothing."""
    from datetime import UTC, datetime

    now = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
    found = attempts.parse_retry_after(text, now=lambda: now)
    assert (None if found is None else found.total_seconds()) == seconds


def test_an_endpoint_that_refuses_everything_gets_three_tries(machine: Machine) -> None:
    """A wrong address must not drain the spool: after three refusals in a row the rest is kept."""
    fill(machine, 50)
    with Endpoint(always(404, b"not here")) as endpoint:
        result = send(machine, endpoint.base, batch_size=5)
    found = states(machine)
    assert (len(found["rejected"]), len(found["pending"])) == (15, 35)
    assert len(endpoint.received) == 3
    assert (result.progress.rejected, result.kept) == (15, 35)


def test_rejected_events_keep_status_and_answer_and_can_be_sent_again(machine: Machine) -> None:
    """What was refused stays with what was answered, and leaves when it is taken after all."""
    bodies = fill(machine)
    with Endpoint(always(400, b"no \x1b[31mgood")) as endpoint:
        send(machine, endpoint.base)
    entries = list(listing.entries(machine.environment(), ["rejected"]))
    assert [entry.body for entry in entries] == bodies
    for entry in entries:
        assert entry.handover is not None
        assert (entry.handover.status, entry.handover.answer) == (400, "no \x1b[31mgood")
    with Endpoint() as endpoint:
        result = send(machine, endpoint.base, rejected=True)
    assert (result.progress.sent, result.problem) == (EVENTS, None)
    assert states(machine) == {"pending": [], "sent": bodies, "rejected": []}


def test_sessions_go_one_by_one_with_their_own_header(machine: Machine) -> None:
    """A session event has an address of its own; the header is there only if it has a session."""
    with_session = b'{"name":"session","metadata":{"session_id":"s-1"},"payload":{}}'
    without = b'{"name":"session","metadata":{},"payload":{}}'
    other = b'{"name":"x","metadata":{"session_id":"s-1"},"payload":{}}'
    for body in (other, with_session, without, other):
        kind = "session" if b"session" in body[:20] else "x"
        spool.append(machine.environment(), body, tool="t", kind=kind)
    with Endpoint() as endpoint:
        assert send(machine, endpoint.base).problem is None
    assert [(r.path, r.headers.get("Localstack-Session-ID")) for r in endpoint.received] == [
        ("/v1/events", None),
        ("/v1/session", "s-1"),
        ("/v1/session", None),
        ("/v1/events", None),
    ]
    assert endpoint.bodies[1] == with_session


def test_no_cookie_is_kept(machine: Machine) -> None:
    """A cookie would link one delivery's requests: none is sent back."""
    fill(machine)
    with Endpoint(always(200, set_cookie="id=1; Path=/")) as endpoint:
        send(machine, endpoint.base, batch_size=1)
    assert len(endpoint.received) == EVENTS
    assert all("Cookie" not in request.headers for request in endpoint.received)
    assert endpoint.accepted == 1


def test_gzip_is_for_who_asks(machine: Machine) -> None:
    """Bodies are compressed only when asked for, and unpack to the same bytes."""
    import gzip

    bodies = fill(machine)
    with Endpoint() as endpoint:
        send(machine, endpoint.base, policy=attempts.Policy(compress=True))
    (request,) = endpoint.received
    assert request.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(request.body) == b'{"events":[' + b",".join(bodies) + b"]}"


def test_a_proxy_is_not_asked_on_the_way_to_this_machine(machine: Machine) -> None:
    """HTTP_PROXY names a dead port in every test; a loopback endpoint is reached all the same."""
    fill(machine)
    with Endpoint() as endpoint:
        assert send(machine, endpoint.base).problem is None


def test_a_proxy_is_asked_on_the_way_elsewhere(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host is reached through the proxy of the environment, as httpx reads it."""
    fill(machine)
    with Endpoint() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base.removesuffix("/v1"))
        result = send(machine, "http://telemetry.invalid/v1", allow_http=True)
    assert result.problem is None
    assert proxy.received[0].path == "http://telemetry.invalid/v1/events"


def test_consent_that_is_withdrawn_stops_a_delivery(machine: Machine) -> None:
    """An opt-out stops what goes elsewhere before its next request; the rest is kept."""
    fill(machine, 20)
    environment = machine.environment()
    options = replay.Options(batch_size=5)

    def withdraw(connection: object, _request: object) -> None:
        machine.config_dir.mkdir(exist_ok=True)
        (machine.config_dir / "settings.toml").write_text('[telemetry]\nmode = "off"\n')
        time.sleep(0.2)
        connection.answer(200)  # type: ignore[attr-defined]

    with Endpoint(withdraw) as endpoint:
        folder = replay.folder_for(environment, options)
        result = replay.run(environment, options, base=endpoint.base, folder=folder)
    assert len(endpoint.received) == 1
    assert (result.progress.sent, result.kept) == (5, 15)
    assert result.problem is not None
    assert result.problem.code == "telemetry-off"
