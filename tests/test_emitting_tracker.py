"""Tests of the tracker: what it records, under which consent, and that it is never in the way."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.counting import (
    CALL,
    events,
    every_byte,
    losses,
    own_threads,
    set_mode,
    sum_of,
    wait_until,
)
from tests.support.machine import NOW
from tests.support.spooling import entries
from usagectl import Field, Kind, Tracker, notice
from usagectl.emitting.permission import Emitter
from usagectl.emitting.recorder import (
    MOST_COMBINATIONS,
    MOST_WAITING,
    build_session_event,
    start_session,
)
from usagectl.emitting.tracker import TrackerClosedError
from usagectl.errors import InvalidValueError, UsagectlError
from usagectl.events.kinds import InvalidKindError
from usagectl.events.schemas import EventShapeError
from usagectl.machine import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.machine import Machine
    from usagectl.machine.environment import Environment

CACHE = Kind(
    "mytool_cache",
    "Looks into the cache.",
    "At each look.",
    (Field("outcome", "string", "How it ended.", choices=("hit", "miss")),),
    is_counter=True,
)
BUILT = Kind(
    "mytool_built",
    "Something was built.",
    "After each build.",
    (Field("seconds", "number", "How long it took."),),
)
FORMS = (True, False)


made: list[Tracker] = []


@pytest.fixture(autouse=True)
def no_tracker_is_left() -> Iterator[None]:
    """Close the trackers of a test, and wait until their thread has ended."""
    yield
    while made:
        made.pop().close()
    assert wait_until(lambda: not own_threads())


def tracker_on(machine: Machine, **options: Any) -> Tracker:  # noqa: ANN401
    """Make a tracker on a machine; it raises what does not fit unless told otherwise."""
    members = {"environment": machine.environment(), "strict": True, **options}
    made.append(Tracker("mytool", **members))
    return made[-1]


def example(name: str) -> dict[str, Any]:
    """Return the notice's own example of an event."""
    event = notice.find_event(name).example
    assert event is not None
    return event


def test_the_notice_s_session_is_reproduced(machine: Machine) -> None:
    """From the same inputs the payload is the notice's example, member for member."""
    wanted = example("session")["payload"]
    drawn = bytes.fromhex(wanted["session_id"].replace("-", ""))
    (machine.root / ".dockerenv").touch()
    environment = machine.environment(entropy=lambda count: drawn[:count])
    found = build_session_event(
        environment,
        start_session(environment),
        emitter=Emitter("mytool", wanted["version"]),
        token=wanted["api_key"],
        machine_id=wanted["machine_id"],
    )
    assert list(json.loads(found)["payload"].items()) == list(wanted.items())


def three_counted(tracker: Tracker) -> None:
    """Record the calls that the example of the counted form is about."""
    for _ in range(3):
        tracker.aws_request(service="sqs", operation="DeleteQueue", status_code=400)


REPRODUCED: dict[str, Callable[[Tracker], None]] = {
    "aws_request": lambda t: t.aws_request(**example("aws_request")["payload"]),
    "aws_request_agg": three_counted,
    "cli_cmd": lambda t: t.cli_cmd(**example("cli_cmd")["payload"]),
    "run_init": lambda t: t.run_init(**example("run_init")["payload"]),
}


def test_the_notice_s_examples_are_reproduced(machine: Machine) -> None:
    """From the same inputs the recorded bytes are those of the notice's examples."""
    for name, record in REPRODUCED.items():
        wanted = example(name)
        then = datetime.fromisoformat(wanted["metadata"]["client_time"]).replace(tzinfo=UTC)
        session_id = wanted["metadata"].get("session_id", "64517be1-7dd0-479b-a8ec-88d3e544afd9")
        drawn = bytes.fromhex(session_id.replace("-", ""))
        environment = machine.environment(
            entropy=lambda count, drawn=drawn: (drawn * count)[:count],
            now=lambda then=then: then,
        )
        is_counted = name == "aws_request_agg"
        with tracker_on(machine, environment=environment, aggregate=is_counted) as tracker:
            record(tracker)
        (entry,) = (each for each in entries(machine) if each.event == name)
        assert entry.body == json.dumps(wanted, separators=(",", ":")).encode()
        assert entry.tool == "mytool"
        assert datetime.fromisoformat(entry.time) == then


def test_one_session_comes_before_the_first_event(machine: Machine) -> None:
    """The session is registered once, lazily; events that belong to one carry its ID.

    The notice connects a command to no session, so a program of commands alone has none.
    """
    tracker = tracker_on(machine, version="1.2.0", is_testing=True)
    assert events(machine) == []
    tracker.cli_cmd(cmd="mytool build", params=["output"])
    tracker.flush()
    assert [each["name"] for each in events(machine)] == ["cli_cmd"]
    tracker.run_init(stage="READY", scripts=2, duration=1.5)
    for _ in range(2):
        tracker.aws_request(**CALL)
    tracker.close()
    _, session, init, *calls = events(machine)
    assert [each["name"] for each in (session, init)] == ["session", "run_init"]
    one = session["payload"]
    assert (one["version"], one["is_testing"], one["system"]) == ("1.2.0", True, "Linux")
    assert "api_key" not in one
    assert session["metadata"]["session_id"] == one["session_id"]
    assert [each["metadata"]["session_id"] for each in calls] == [one["session_id"]] * 2
    assert "session_id" not in init["metadata"]


def test_a_token_is_in_the_session_only_if_it_was_handed_over(machine: Machine) -> None:
    """A token in a variable is not looked at; one that is handed over is in one event."""
    machine.variables["LOCALSTACK_AUTH_TOKEN"] = "ls-not-handed-over"  # noqa: S105
    with tracker_on(machine, token="ls-0123") as tracker:  # noqa: S106
        tracker.aws_request(**CALL)
    (one,) = events(machine, "session")
    assert one["payload"]["api_key"] == "ls-0123"
    assert b"not-handed-over" not in every_byte(machine)


def test_an_odd_version_or_token_is_not_sent(machine: Machine) -> None:
    """What has no known form is left out; session and events are recorded still."""
    for version, token in (("my build of Ann", "a b\n"), ("1" * 5000, "{}")):
        with tracker_on(machine, version=version, token=token, strict=False) as tracker:
            tracker.aws_request(**CALL)
        one, call = events(machine)[-2:]
        assert one["payload"]["version"] == "unknown"
        assert "api_key" not in one["payload"]
        assert call["name"] == "aws_request"


def test_errors_go_with_their_status(machine: Machine) -> None:
    """Type and message only for 400 to 499; a stack trace only for 500 while debugging."""
    statuses = (200, 301, 399, 400, 404, 499, 500, 501, 503)
    details: dict[str, Any] = {
        "err_type": "NoSuchKey",
        "err_msg": "The key does not exist.",
        "stack_trace": "Traceback (most recent call last):\nValueError: no\n",
    }
    for is_debug in (True, False):
        with tracker_on(machine, is_debug=is_debug) as tracker:
            for status in statuses:
                tracker.aws_request(**{**CALL, "status_code": status}, **details)
    found = [
        (payload["status_code"], *(name in payload for name in details))
        for payload in (each["payload"] for each in events(machine, "aws_request"))
    ]
    assert found == [
        (status, 400 <= status < 500, 400 <= status < 500, status == 500 and is_debug)
        for is_debug in (True, False)
        for status in statuses
    ]


def test_counts_are_exact_over_periods(machine: Machine) -> None:
    """Each period has its own event, and nothing is counted in two."""
    tracker = tracker_on(machine, aggregate=True)
    for count in (1, 4):
        for _ in range(count):
            tracker.aws_request(**CALL)
            tracker.aws_request(service="sqs", operation="DeleteQueue", status_code=400)
        tracker.flush()
        tracker.flush()
    tracker.close()
    found = events(machine, "aws_request_agg")
    counts = [each["count"] for event in found for each in event["payload"]["api_calls"]]
    assert counts == [1, 1, 4, 4]
    assert sum_of(found) == {("s3", "PutObject", 200): 5, ("sqs", "DeleteQueue", 400): 5}


def test_counted_calls_hold_four_facts(machine: Machine) -> None:
    """Counted, nothing of a call but service, operation, status and how often is kept anywhere."""
    with tracker_on(machine, aggregate=True) as tracker:
        tracker.aws_request(**CALL, err_type="Canary", err_msg="canary", user_agent="canary/1")
        tracker.flush()
    data = every_byte(machine).lower()
    assert b"canary" not in data
    assert b"putobject" in data


def test_everything_is_written_by_itself(machine: Machine) -> None:
    """Counts at the end of a period; a single event long before it, and before any flush."""
    short, long = timedelta(milliseconds=20), timedelta(days=1)
    for name, period in {"aws_request_agg": short, "aws_request": long}.items():
        tracker = tracker_on(machine, aggregate=name == "aws_request_agg", period=period)
        for count in (1, 2):
            tracker.aws_request(**CALL)
            assert wait_until(lambda: len(events(machine, name)) == count)  # noqa: B023
        tracker.close()


def test_more_combinations_than_one_event_counts(machine: Machine) -> None:
    """A period with very many combinations has several events; none is lost."""
    total = 2 * MOST_COMBINATIONS + 500
    with tracker_on(machine, aggregate=True) as tracker:
        for number in range(total):
            tracker.aws_request(service="s3", operation=f"Op{number}", status_code=200)
    found = events(machine, "aws_request_agg")
    assert max(len(each["payload"]["api_calls"]) for each in found) <= MOST_COMBINATIONS
    counted = sum_of(found)
    assert len(counted) == counted.total() == total


def test_declared_kinds(machine: Machine) -> None:
    """A declared event is recorded, a declared counter counted, each as its declaration says.

    Labels in another order are the same combination.
    """
    labels = (*CACHE.fields, Field("size", "integer", "Of what was looked for."))
    cache = CACHE._replace(fields=labels)
    with tracker_on(machine, kinds=(cache, BUILT)) as tracker:
        for outcome in ("hit", "miss"):
            tracker.count(cache, outcome=outcome, size=1)
        tracker.count(cache, size=1, outcome="hit")
        tracker.record(BUILT, seconds=1.5)
    (counted,), (built,) = (events(machine, name) for name in ("mytool_cache", "mytool_built"))
    assert built["payload"] == {"seconds": 1.5}
    assert [tuple(each.values()) for each in counted["payload"]["counts"]] == [
        ("hit", 1, 2),
        ("miss", 1, 1),
    ]
    assert list(built["metadata"]) == list(counted["metadata"]) == ["client_time"]


MISFITS: dict[str, Callable[[Tracker], None]] = {
    "a bucket for a service": lambda t: t.aws_request(**{**CALL, "service": "My canary/x"}),
    "an impossible status": lambda t: t.aws_request(**{**CALL, "status_code": 20}),
    "a status that is text": lambda t: t.aws_request(**{**CALL, "status_code": "200"}),
    "a list": lambda t: t.aws_request(**{**CALL, "service": ["s3"]}),
    "an unknown stage": lambda t: t.run_init(stage="canary", scripts=1, duration=1.0),
    "a value typed": lambda t: t.cli_cmd(cmd="mytool build", params=["--output=canary x"]),
    "an open label": lambda t: t.count(CACHE, outcome="canary"),
    "an unknown label": lambda t: t.count(CACHE, outcome="hit", file="canary"),
    "an undeclared kind": lambda t: t.record(BUILT._replace(name="mytool_other"), seconds=1.0),
    "a wrong type": lambda t: t.record(BUILT, seconds="canary"),
    "a missing value": lambda t: t.record(BUILT),
    "a count of its own": lambda t: t.count(CACHE, outcome="hit", count=5),
    "a counter recorded": lambda t: t.record(CACHE, outcome="hit"),
    "no counter counted": lambda t: t.count(BUILT, seconds=1.0),
    "another definition": lambda t: t.record(BUILT._replace(description="Another."), seconds=1.0),
    "an event of the notice by a kind": lambda t: t.record(
        Kind("run_init", "x"), stage="READY", scripts=1, duration=1.0
    ),
    "no kind": lambda t: t.record("mytool_built", seconds=1.0),  # type: ignore[arg-type]
    "a text for several": lambda t: t.cli_cmd(cmd="mytool build", params="output"),
    "bytes for several": lambda t: t.cli_cmd(cmd="mytool build", params=b"ab"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("aggregate", FORMS)
def test_what_does_not_fit_is_dropped(aggregate: bool, machine: Machine) -> None:  # noqa: FBT001
    """It is counted and not recorded; a program's own tests can have it raised, without values."""
    options: dict[str, Any] = {"aggregate": aggregate, "kinds": (CACHE, BUILT)}
    with (
        tracker_on(machine, **options, strict=False) as lenient,
        tracker_on(machine, **options) as strict,
    ):
        for number, misfit in enumerate(MISFITS.values(), 1):
            misfit(lenient)
            assert lenient.dropped == number
            with pytest.raises(UsagectlError) as caught:
                misfit(strict)
            assert "canary" not in str(caught.value)
            if isinstance(caught.value, EventShapeError):
                assert caught.value.event
                assert caught.value.field
    assert events(machine) == []


def test_sequences_are_taken(machine: Machine) -> None:
    """Lists in place of tuples, in kinds as in values; a copy of a kind is that kind."""
    listed = CACHE._replace(fields=[CACHE.fields[0]._replace(choices=["hit", "miss"])])
    with tracker_on(machine, kinds=[listed, BUILT]) as tracker:
        tracker.count(listed, outcome="hit")
        tracker.count(CACHE, outcome="hit")
        tracker.cli_cmd(cmd="mytool build", params=deque(["output"]))
    (counted,) = events(machine, "mytool_cache")
    assert counted["payload"] == {"counts": [{"outcome": "hit", "count": 2}]}
    (command,) = events(machine, "cli_cmd")
    assert command["payload"]["params"] == ["output"]


OTHER = BUILT._replace(fields=(Field("files", "integer", "How many."),))


def test_a_name_has_one_definition(machine: Machine) -> None:
    """Of two kinds the first counts, in one declaration and in a process, until it is closed.

    What is left out is counted, and so is each event of it; nothing of it is registered.
    """
    first = tracker_on(machine, kinds=(BUILT,))
    tracker_on(machine, kinds=[BUILT, CACHE])  # The same again is no other definition.
    for kinds in ((BUILT, OTHER), (OTHER,), (CACHE, CACHE)):
        with pytest.raises(InvalidKindError, match="another"):
            tracker_on(machine, kinds=kinds)
    lenient = tracker_on(machine, kinds=(OTHER, CACHE), strict=False)
    assert lenient.dropped == 1
    lenient.record(OTHER, files=3)
    lenient.count(CACHE, outcome="hit")
    assert lenient.dropped == 2
    Tracker("other", environment=machine.environment(), strict=True).close()
    while made:
        made.pop().close()
    assert [each["name"] for each in events(machine)] == ["session", "mytool_cache"]
    first.close()
    with tracker_on(machine, kinds=(OTHER,)) as later:
        later.record(OTHER, files=3)
    assert len(events(machine, "mytool_built")) == 1


class Unequal:
    """A value that raises when it is compared."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """Fail."""
        raise ValueError("canary")


class Unhashable:
    """A value that raises when it is hashed, another exception than usual."""

    def __hash__(self) -> int:
        """Fail."""
        raise AttributeError("canary")


@pytest.mark.parametrize("aggregate", FORMS)
def test_odd_arguments_do_not_raise(aggregate: bool, machine: Machine) -> None:  # noqa: FBT001
    """What an argument raises stays there, before and after sound calls; it counts as dropped."""
    wanted = 0
    with tracker_on(machine, strict=False, aggregate=aggregate, kinds=(CACHE,)) as tracker:
        for made in (Unequal, Unhashable) * 2:
            tracker.aws_request(**CALL)
            tracker.count(CACHE, outcome="hit")
            tracker.count(CACHE, outcome=made())
            for field in ("service", "status_code", "err_msg", "region"):
                tracker.aws_request(**{**CALL, "status_code": 404, field: made()})
            wanted += 1 + (2 if aggregate else 4)  # The counted form looks at two of the four.
            assert tracker.dropped == wanted


def test_any_period_is_taken(machine: Machine) -> None:
    """One beyond what a thread can wait for, or too short for it to rest, is cut to what it can."""
    for period in (timedelta.max, timedelta(microseconds=1)):
        with tracker_on(machine, period=period, aggregate=True) as tracker:
            tracker.aws_request(**CALL)
            time.sleep(0.05)
            assert own_threads() == ["usagectl"]
    assert sum_of(events(machine, "aws_request_agg")).total() == 2


def test_mistakes_of_the_author_are_told_at_once(machine: Machine) -> None:
    """A wrong name, kind, period or field is refused when it is given."""
    for name in ("", "My Tool", "localstack", "../x", "x" * 65, "-a"):
        with pytest.raises(InvalidValueError):
            Tracker(name, environment=machine.environment())
    for odd in (CACHE._replace(name="other_cache"), CACHE._replace(name="usagectl_cache"), CACHE):
        with pytest.raises(InvalidKindError):
            tracker_on(machine, kinds=odd if odd is CACHE else [odd])
    told: list[dict[str, Any]] = [
        {"endpoint": "http://events.example.org/v1"},
        {"version": 1.2},
        {"token": b"canary"},
    ]
    noticed_if_strict: list[dict[str, Any]] = [{"version": "my canary"}, {"token": "canary/x"}]
    for options in (*told, *noticed_if_strict):
        with pytest.raises(InvalidValueError) as caught:
            tracker_on(machine, **options)
        assert "token" not in options or "canary" not in str(caught.value)
    for options in told:
        with pytest.raises(InvalidValueError):
            tracker_on(machine, **options, strict=False)
    with pytest.raises(InvalidValueError):
        tracker_on(machine, period=timedelta())
    with tracker_on(machine) as tracker, pytest.raises(TypeError):
        # There is no way to name a parameter.
        tracker.aws_request(**CALL, bucket="canary")  # type: ignore[call-arg]


OFF = [
    {"DO_NOT_TRACK": "1"},
    {"DISABLE_EVENTS": "1"},
    {"LOCALSTACK_DISABLE_EVENTS": "true"},
    {"USAGECTL_TELEMETRY": "off"},
    {"MYTOOL_TELEMETRY": "off"},
    {"MYTOOL_TELEMETRY": "nonsense"},
]


def record_everything(tracker: Tracker) -> None:
    """Call every method of a tracker."""
    tracker.aws_request(**CALL)
    tracker.run_init(stage="READY", scripts=1, duration=1.0)
    tracker.cli_cmd(cmd="mytool x")
    tracker.count(CACHE, outcome="hit")
    tracker.record(BUILT, seconds=1.0)
    tracker.flush()


def leaves_traces(machine: Machine, environment: Environment, *, aggregate: bool) -> bool:
    """True if recording there starts a thread, or makes a file or folder."""
    before = sorted(machine.folder.rglob("*"))
    options: dict[str, Any] = {"environment": environment, "kinds": (CACHE, BUILT)}
    with tracker_on(machine, aggregate=aggregate, **options) as tracker:
        record_everything(tracker)
        has_thread = bool(own_threads())
    return has_thread or sorted(machine.folder.rglob("*")) != before


def test_off_means_nothing(machine: Machine) -> None:
    """Off, or without a home, there is no thread and no new file; on, the same search finds both.

    Where no setting can be read and nothing kept, nothing is recorded.
    """
    nowhere = machine.environment(state_dir=None, config_dir=None, account_home=None)
    off = [
        machine.environment(variables={"HOME": str(machine.home), **variables}) for variables in OFF
    ]
    found = [
        leaves_traces(machine, each, aggregate=aggregate)
        for each in (nowhere, *off, machine.environment())
        for aggregate in FORMS
    ]
    assert found == [False] * (len(found) - 2) + [True] * 2


@pytest.mark.parametrize("aggregate", FORMS)
def test_an_opt_out_ends_a_program_that_runs(aggregate: bool, machine: Machine) -> None:  # noqa: FBT001
    """The switches are read anew each period: what waits is forgotten, and the thread ends."""
    kinds, period = (CACHE, BUILT), timedelta(seconds=0.5)
    with tracker_on(machine, aggregate=aggregate, period=period, kinds=kinds) as tracker:
        tracker.aws_request(**CALL)
        assert wait_until(lambda: len(events(machine)) == 2)
        set_mode(machine, "off")
        tracker.aws_request(**CALL)
        assert wait_until(lambda: not own_threads())
        record_everything(tracker)
    assert len(events(machine)) == 2


def test_another_consent_begins_another_session(machine: Machine) -> None:
    """What was recorded before the user let it be sent stays here, and so does its session."""
    tracker = tracker_on(machine, aggregate=True, period=timedelta(milliseconds=20))
    tracker.aws_request(**CALL)
    assert wait_until(lambda: events(machine, "aws_request_agg"))
    set_mode(machine, "on")

    def consents() -> set[str]:
        tracker.aws_request(**CALL)
        return {each.consent for each in entries(machine)}

    assert wait_until(lambda: consents() == {"", NOW.isoformat()})
    tracker.close()
    found = [(each.consent, json.loads(each.body)) for each in entries(machine)]
    sessions = {consent: each["payload"] for consent, each in found if each["name"] == "session"}
    assert set(sessions) == {"", NOW.isoformat()}
    for consent, event in found:
        assert event["metadata"]["session_id"] == sessions[consent]["session_id"]


@pytest.mark.parametrize("since", [NOW - timedelta(seconds=1), NOW])
def test_an_endpoint_that_tracks_nothing_ends_the_session(
    since: datetime, machine: Machine
) -> None:
    """A refusal that came after the session began ends it; one from before does not."""
    tracker = tracker_on(machine, aggregate=True, period=timedelta(milliseconds=20))
    tracker.aws_request(**CALL)
    document = {
        "until": (NOW + timedelta(hours=1)).isoformat(),
        "failures": 1,
        "reason": "tracking-refused",
        "since": since.isoformat(),
    }
    folder = files.require_delivery_dir(machine.environment())
    folder.mkdir(exist_ok=True)
    (folder / "pause-mytool.json").write_text(json.dumps(document))
    assert wait_until(lambda: events(machine, "aws_request_agg"))
    if since == NOW:
        assert wait_until(lambda: not own_threads())
    tracker.aws_request(**CALL)
    tracker.close()
    assert sum_of(events(machine, "aws_request_agg")).total() == (1 if since == NOW else 2)


def test_closed_it_records_nothing(machine: Machine) -> None:
    """After `close` each event is dropped and counted, or refused; closing twice is fine."""
    machine.variables["DO_NOT_TRACK"] = "1"
    is_off = machine.environment()
    machine.variables.clear()
    for environment in (machine.environment(), is_off):
        options = {"aggregate": True, "kinds": (CACHE, BUILT), "environment": environment}
        tracker, strict = (
            tracker_on(machine, **options, strict=False),
            tracker_on(machine, **options),
        )
        tracker.aws_request(**CALL)
        tracker.close()
        strict.close()
        before = events(machine)
        record_everything(tracker)
        assert tracker.dropped == 5
        for close_then in (record_everything, lambda each: each.record(BUILT, seconds=1.0)):
            with pytest.raises(TrackerClosedError, match="mytool is closed"):
                close_then(strict)
        strict.flush()
        tracker.close()
        assert events(machine) == before


def test_several_trackers_share_a_thread(machine: Machine) -> None:
    """Two of one tool and one of another count each for itself, in sessions of their own."""
    first, second = (tracker_on(machine, aggregate=True) for _ in range(2))
    third = Tracker("other", environment=machine.environment(), aggregate=True)
    for tracker in (first, second, third):
        tracker.aws_request(**CALL)
        tracker.aws_request(**CALL)
    assert own_threads() == ["usagectl"]
    for tracker in (first, second, third):
        tracker.close()
    found = entries(machine)
    assert sorted(each.tool for each in found) == ["mytool"] * 4 + ["other"] * 2
    assert len({json.loads(each.body)["metadata"]["session_id"] for each in found}) == 3
    assert sum_of(events(machine, "aws_request_agg")) == {("s3", "PutObject", 200): 6}


def test_a_disk_that_takes_nothing_is_not_in_the_way(machine: Machine) -> None:
    """Where nothing can be written, calls return as ever."""
    machine.state_dir.write_text("in the way")
    with tracker_on(machine, kinds=(CACHE, BUILT)) as tracker:
        record_everything(tracker)
    assert machine.state_dir.read_text() == "in the way"


def test_a_disk_that_hangs_delays_no_record(machine: Machine) -> None:
    """Records return while it hangs; what finds no room until it goes on is lost, and counted."""
    hangs, goes_on = threading.Event(), threading.Event()

    def now() -> datetime:
        if threading.current_thread().name == "usagectl":
            hangs.set()
            goes_on.wait()  # The thread asks for the time when it makes an event of counts.
        return NOW

    options: dict[str, Any] = {"environment": machine.environment(now=now), "kinds": (CACHE,)}
    with tracker_on(machine, period=timedelta(milliseconds=20), **options) as tracker:
        tracker.count(CACHE, outcome="hit")
        assert hangs.wait(20)
        for _ in range(MOST_WAITING + 5):
            tracker.count(CACHE, outcome="miss")
        assert events(machine, "mytool_cache") == []
        goes_on.set()
    total = sum_of(events(machine, "mytool_cache"), "counts")
    assert total == {("hit",): 1, ("miss",): MOST_WAITING}
    assert losses(machine) == 5
