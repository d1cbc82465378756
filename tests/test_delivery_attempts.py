"""What becomes of each event for every answer and every failure, over real sockets.

The table of the protocol (design, section 5): 2xx acknowledges, 413 splits, what
may pass is tried again within the time there is, other 4xx refuse for good.
"""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support import endpoint as loopback
from tests.support.delivering import event, fill, send, states
from tests.support.endpoint import Endpoint, always, in_turn
from tests.support.machine import NOW, Machine
from tests.support.spooling import make_record, put
from usagectl import spool
from usagectl.delivery import attempts, replay
from usagectl.delivery.requests import Answer, NoAnswerError, build_post
from usagectl.spool import Batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.endpoint import Behaviour, Connection, Received
    from usagectl.delivery.requests import Post

EVENTS = 5
FALSE = b'{"track_events": false}'
MANY = -1

ALL_SENT = ("sent", None, 1)
ALL_REJECTED = ("rejected", "events-rejected", 1)
BUSY = ("pending", "endpoint-busy", MANY)
REDIRECTED = ("pending", "endpoint-redirects", 1)
TABLE: list[tuple[str, Behaviour, tuple[str, str | None, int]]] = [
    ("200", always(200), ALL_SENT),
    ("200 without JSON", always(200, b"hello"), ALL_SENT),
    ("200 that refuses tracking", always(200, FALSE), ("sent", "tracking-refused", 1)),
    *((f"{status}", always(status), ALL_SENT) for status in (201, 204)),
    ("301", always(301, location="https://x.test/a"), REDIRECTED),
    ("302", always(302, location="/elsewhere"), REDIRECTED),
    ("307 to nowhere", always(307), REDIRECTED),
    *((f"{status}", always(status), ALL_REJECTED) for status in (400, 401, 404)),
    *((f"{status}", always(status), BUSY) for status in (408, 425, 429, 500, 502, 503, 504)),
    ("403 without track_events", always(403, b"{}"), ALL_REJECTED),
    ("403 that tracks", always(403), ALL_REJECTED),
    ("403 that refuses tracking", always(403, FALSE), ("pending", "tracking-refused", 1)),
    ("407", always(407), ("pending", "endpoint-unreachable", 1)),
    ("413 for one event", always(413), ("rejected", "events-rejected", 9)),
    ("429 for an hour", always(429, retry_after="3600"), ("pending", "endpoint-busy", 1)),
    ("503, then well", in_turn(always(503), always(200)), ("sent", None, 2)),
    ("429 with seconds", in_turn(always(429, retry_after="1"), always(200)), ("sent", None, 2)),
    ("reset", loopback.reset, ("pending", "endpoint-unreachable", MANY)),
    ("reset, then well", in_turn(loopback.reset, always(200)), ("sent", None, 2)),
    ("reset within the answer of a 200", loopback.reset_in_body, ("sent", None, 1)),
    ("never answers", loopback.hang, ("pending", "endpoint-unreachable", 1)),
    ("answers garbage", loopback.garbage, ("pending", "endpoint-unreachable", MANY)),
    ("a head that drips", loopback.drip, ("pending", "endpoint-unreachable", 1)),
    ("a body that drips after 200", loopback.drip_body, ("sent", None, 1)),
]


def test_every_event_ends_in_one_place(tmp_path: Path) -> None:
    """Whatever the endpoint does, each event is there once, whole, where the table says."""

    def outcome_of(row: tuple[str, Behaviour, object]) -> object:
        name, behave, _ = row
        machine = Machine(tmp_path / name)
        bodies = fill(machine, EVENTS)
        with Endpoint(behave) as there:
            result = send(machine, there.base)
        found = states(machine)
        (where,) = (state for state, each in found.items() if sorted(each) == sorted(bodies))
        requests = len(there.received)
        sums = (sum(map(len, found.values())), result.planned, result.kept)
        assert sums == (EVENTS, EVENTS, EVENTS if where == "pending" else 0)
        if where == "sent":
            assert there.bodies[-1] == b'{"events":[' + b",".join(bodies) + b"]}"
        code = result.problem.code if result.problem else None
        return where, code, MANY if requests > 1 and row[2] != (where, code, requests) else requests

    with ThreadPoolExecutor(len(TABLE)) as pool:
        found = list(pool.map(outcome_of, TABLE))
    wrong = [
        (name, expected, outcome)
        for (name, _, expected), outcome in zip(TABLE, found, strict=True)
        if outcome != expected
    ]
    assert wrong == []


def test_nobody_listens(machine: Machine) -> None:
    """Every event is kept; here nobody comes to listen meanwhile; the hint makes an endpoint."""
    with Endpoint() as there:
        pass
    fill(machine, EVENTS)
    result = send(machine, there.base)
    assert len(states(machine)["pending"]) == EVENTS
    assert result.problem is not None
    assert result.problem.message.endswith("nothing listens there (connection refused).")
    assert result.problem.hint == f"usagectl capture --port {there.port}"


def test_a_batch_that_is_too_large_is_split(machine: Machine) -> None:
    """413 halves a batch until it fits: each event arrives once, in order, whatever the limit."""
    bodies = fill(machine, 37)
    with Endpoint(loopback.too_large_above(5)) as there:
        result = send(machine, there.base)
    taken = [request for request in there.received if len(request.events) <= 5]
    assert b",".join(request.body[11:-2] for request in taken) == b",".join(bodies)
    assert (result.progress.sent, result.kept, result.problem) == (37, 0, None)


def test_events_that_are_too_large_stop_no_others(machine: Machine) -> None:
    """413 for single events rejects these, also where they come first and one after another."""

    def behave(connection: Connection, request: Received) -> None:
        connection.answer(413 if len(request.body) > 2000 else 200)

    for size in [9000] * 6 + [10] * 3:
        put(machine, b'{"name":"cli_cmd","payload":"%b"}' % (b"x" * size))
    with Endpoint(behave) as there:
        result = send(machine, there.base, batch_size=2)
    assert (result.progress.sent, result.progress.rejected, result.kept) == (3, 6, 0)


def test_retry_after_is_read() -> None:
    """Seconds or a date (RFC 9110); what has passed is no wait, anything else says nothing."""
    now = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
    month = 30 * 86_400
    table = {
        "0": 0,
        "7": 7,
        " 7 ": 7,
        "99999999999999": month,
        "Mon, 23 Nov 2026 06:30:10 GMT": 10,
        "Mon, 23 Nov 2026 06:29:00 GMT": 0,
        "": None,
        "-1": None,
        "1.5": None,
        "soon": None,
        "\u0661": None,
        "٣": None,
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT": None,
        "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT": None,
        "Mon, 01 Jan 2026 00:00:00 +999999999999": None,
    }
    found = {text: attempts.parse_retry_after(text, now=now) for text in table}
    seconds = {text: each if each is None else each.total_seconds() for text, each in found.items()}
    assert seconds == table


class Clock:
    """A clock that only a sleep moves on, and a script of answers."""

    def __init__(self, *answers: Answer | NoAnswerError) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._answers = list(answers)

    def send(self, _post: Post, _deadline: float) -> Answer:
        """Answer as the script says, and then as its last line."""
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, NoAnswerError):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.waits.append(seconds)

    def deliver(
        self,
        *,
        patience: float = 30.0,
        may_continue: object = None,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Deliver one event."""
        deliverer = attempts.Deliverer(
            self.send,
            "http://127.0.0.1:9/v1",
            patience=timedelta(seconds=patience),
            may_continue=may_continue or (lambda: None),  # type: ignore[arg-type]
            on_wait=on_wait,
            clock=lambda: self.now,
            sleep=self.sleep,
            jitter=lambda: 1.0,
        )
        list(deliverer.deliver(Batch((1,), (make_record(event(1)),))))


def test_waits_double_within_the_patience() -> None:
    """Half a second, one, two, four, eight: no wait is begun that the patience does not cover."""
    clock = Clock(NoAnswerError("it did not answer in time"))
    with pytest.raises(attempts.EndpointUnreachableError, match="tried 7 times"):
        clock.deliver()
    assert clock.now == 0.5 + 1 + 2 + 4 + 8 + 8


def test_what_cannot_get_better_is_tried_once() -> None:
    """A certificate that cannot be verified does not change within half a minute."""
    clock = Clock(NoAnswerError("its certificate cannot be verified", is_final=True))
    with pytest.raises(attempts.EndpointUnreachableError, match=r"verified\.$"):
        clock.deliver()
    assert clock.waits == []


def test_a_refusal_that_may_be_a_proxys_loses_nothing() -> None:
    """403 through a proxy in clear may be the proxy's own: it ends at once, and the events wait."""
    for status, told in (
        (403, "the proxy p:1, or what is behind it, refuses it (status 403)"),
        (407, "the proxy p:1 asks for a password (status 407)"),
    ):
        clock = Clock(Answer(status, proxy="p:1"))
        with pytest.raises(attempts.EndpointUnreachableError) as caught:
            clock.deliver()
        assert (told in caught.value.message, clock.waits) == (True, [])
        assert caught.value.hint == "env | grep -i _proxy="
    with pytest.raises(attempts.TrackingRefusedError):
        Clock(Answer(403, b'{"track_events": false}', proxy="p:1")).deliver()


def test_what_is_waited_for_is_told() -> None:
    """Nothing before the first attempt, and the reason before each rest."""
    told: list[str] = []
    Clock(Answer(503), Answer(200)).deliver(on_wait=told.append)
    assert told == ["", "http://127.0.0.1:9 answers with status 503; trying again"]


def test_an_opt_out_ends_a_rest() -> None:
    """A rest that an endpoint asks for is over within half a second once somebody says No."""
    clock = Clock(Answer(503, retry_after="20"))

    def may_continue() -> None:
        if clock.now > 3:
            raise replay.TelemetryOffError("DISABLE_EVENTS=1")

    with pytest.raises(replay.TelemetryOffError):
        clock.deliver(may_continue=may_continue)
    assert 3 < clock.now <= 3.5


def test_rejected_events_keep_status_and_answer_and_can_be_sent_again(machine: Machine) -> None:
    """What was refused stays with the first words of the answer, and leaves when it is taken."""
    bodies = fill(machine, EVENTS)
    with Endpoint(always(400, b"no \x1b[31mgood" + b"!" * 1000)) as there:
        send(machine, there.base)
    with spool.open_spool(machine.environment()) as store:
        handovers = [entry.handover for entry in store.entries(("rejected",))]
    told = ("no \x1b[31mgood" + "!" * 500)[:500]
    assert handovers == [(NOW.isoformat(), there.base.removesuffix("/v1"), 400, told)] * EVENTS
    with Endpoint() as there:
        result = send(machine, there.base, rejected=True)
    assert (result.progress.sent, result.problem) == (EVENTS, None)
    assert states(machine) == {"pending": [], "sent": bodies, "rejected": []}


def test_sessions_go_one_by_one_with_their_own_header(machine: Machine) -> None:
    """A session event has an address of its own; a header links nothing that the events do not."""
    with_session = b'{"name":"session","metadata":{"session_id":"s-1"},"payload":{}}'
    without = b'{"name":"session","metadata":{},"payload":{}}'
    blank = b'{"name":"session","metadata":{"session_id":" abc"},"payload":{}}'
    other = b'{"name":"x","metadata":{"session_id":"s-1"},"payload":{}}'
    for body in (other, with_session, without, blank, other):
        kind = "session" if b"session" in body[:20] else "x"
        spool.append(machine.environment(), body, tool="t", kind=kind)
    with Endpoint() as there:
        assert send(machine, there.base).problem is None
    assert [(r.path, r.headers.get("Localstack-Session-ID")) for r in there.received] == [
        ("/v1/events", None),
        ("/v1/session", "s-1"),
        ("/v1/session", None),
        ("/v1/session", None),
        ("/v1/events", None),
    ]
    assert there.bodies[1] == with_session


def test_no_cookie_is_kept(machine: Machine) -> None:
    """A cookie would link one delivery's requests: none is sent back, over one connection."""
    fill(machine, EVENTS)
    with Endpoint(always(200, set_cookie="id=1; Path=/")) as there:
        send(machine, there.base, batch_size=1)
    assert len(there.received) == EVENTS
    assert all("Cookie" not in request.headers for request in there.received)
    assert there.accepted == 1


def test_gzip_is_for_who_asks(machine: Machine) -> None:
    """Bodies are compressed only when asked for, and unpack to the same bytes."""
    bodies = fill(machine, EVENTS)
    with Endpoint() as there:
        send(machine, there.base, compress=True)
    (request,) = there.received
    assert request.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(request.body) == b'{"events":[' + b",".join(bodies) + b"]}"


def test_credentials_of_a_url_become_a_header(machine: Machine) -> None:
    """They reach the endpoint as they do with any client, decoded, and leave the address."""
    fill(machine, 1)
    with Endpoint() as there:
        send(machine, there.base.replace("//", "//me:se%3Acret@"))
    (request,) = there.received
    assert request.headers["Authorization"] == "Basic bWU6c2U6Y3JldA=="
    assert request.headers["Host"] == f"127.0.0.1:{there.port}"
    table = {"http://h/v1": None, "http://me@h/v1": "Basic bWU6", "http://****@h/v1": "Basic ****"}
    headers = {base: build_post([], base=base).headers.get("Authorization") for base in table}
    assert headers == table
