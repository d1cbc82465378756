"""Tests of the tracker: what it records, under which consent, and that it is never in the way."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.counting import events, ledgers, left_in, memory_of, sum_of
from tests.support.machine import NOW
from usagectl import Field, Kind, Tracker, notice, settings, spool
from usagectl.emitting import ledger
from usagectl.emitting.permission import Emitter
from usagectl.emitting.tracker import session
from usagectl.errors import InvalidValueError, UsagectlError
from usagectl.events.kinds import InvalidKindError
from usagectl.events.schemas import EventShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.machine import Machine

CALL: dict[str, Any] = {"service": "s3", "operation": "PutObject", "status_code": 200}
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


@pytest.fixture
def memory(machine: Machine) -> Iterator[Path]:
    """Give the machine a memory file system."""
    with memory_of(machine) as folder:
        yield folder


@pytest.fixture(autouse=True)
def no_thread_from_before() -> None:
    """Wait until the thread of trackers that another test closed has ended."""
    assert wait_until(lambda: not own_threads())


def tracker_on(machine: Machine, **options: Any) -> Tracker:  # noqa: ANN401
    """Make a tracker on a machine; it raises what does not fit unless told otherwise."""
    members = {"environment": machine.environment(), "strict": True, **options}
    return Tracker("mytool", **members)


def wait_until(is_so: Callable[[], object], seconds: float = 20.0) -> bool:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(is_so())


def own_threads() -> list[str]:
    """Name the threads that trackers started."""
    return [each.name for each in threading.enumerate() if each.name == "usagectl"]


def example(name: str) -> dict[str, Any]:
    """Give the notice's own example of an event."""
    found = notice.event_schema(name)["examples"]
    assert isinstance(found, list)
    (event,) = found
    assert isinstance(event, dict)
    return event


def test_the_notice_s_session_is_reproduced(machine: Machine) -> None:
    """From the same inputs the payload is the notice's example, member for member."""
    wanted = example("session")["payload"]
    drawn = bytes.fromhex(wanted["session_id"].replace("-", ""))
    (machine.root / ".dockerenv").touch()
    environment = machine.environment(entropy=lambda count: drawn[:count])
    found = session.build_event(
        environment,
        Emitter("mytool", wanted["version"]),
        session.start(environment),
        token=wanted["api_key"],
        machine_id=wanted["machine_id"],
    )
    assert list(json.loads(found)["payload"].items()) == list(wanted.items())


def test_the_notice_s_call_is_reproduced(machine: Machine) -> None:
    """From the same inputs the recorded bytes are those of the notice's example."""
    wanted = example("aws_request")
    drawn = bytes.fromhex(wanted["metadata"]["session_id"].replace("-", ""))
    then = datetime.fromisoformat(wanted["metadata"]["client_time"]).replace(tzinfo=UTC)
    environment = machine.environment(
        entropy=lambda count: (drawn * count)[:count], now=lambda: then
    )
    with tracker_on(machine, environment=environment) as tracker:
        tracker.aws_request(**wanted["payload"])
    *_, record = spool.records(environment)
    assert record.event == json.dumps(wanted, separators=(",", ":")).encode()
    assert (record.tool, record.kind) == ("mytool", "aws_request")


def test_the_notice_s_command_is_reproduced(machine: Machine) -> None:
    """From the same inputs the command's bytes are the notice's example: no session, no machine."""
    wanted = example("cli_cmd")
    then = datetime.fromisoformat(wanted["metadata"]["client_time"]).replace(tzinfo=UTC)
    with tracker_on(machine, environment=machine.environment(now=lambda: then)) as tracker:
        tracker.cli_cmd(**wanted["payload"])
    (record,) = spool.records(machine.environment())
    assert record.event == json.dumps(wanted, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("name", "options"),
    [("aws_request_agg", {"aggregate": True}), ("run_init", {})],
)
def test_the_data_s_other_examples_are_reproduced(
    name: str, options: dict[str, Any], machine: Machine
) -> None:
    """The counted form and the init scripts come out as the notice's data has them."""
    wanted = example(name)
    drawn = bytes.fromhex("64517be1-7dd0-479b-a8ec-88d3e544afd9".replace("-", ""))
    then = datetime.fromisoformat(wanted["metadata"]["client_time"]).replace(tzinfo=UTC)
    environment = machine.environment(
        entropy=lambda count: (drawn * count)[:count], now=lambda: then
    )
    with tracker_on(machine, environment=environment, **options) as tracker:
        if name == "run_init":
            tracker.run_init(**wanted["payload"])
        else:
            for _ in range(3):
                tracker.aws_request(service="sqs", operation="DeleteQueue", status_code=400)
    *_, record = spool.records(environment)
    assert record.event == json.dumps(wanted, separators=(",", ":")).encode()


def test_one_session_comes_before_the_first_event(machine: Machine) -> None:
    """The session is registered once, lazily; events that belong to one carry its ID."""
    tracker = tracker_on(machine, version="1.2.0", is_testing=True)
    assert events(machine) == []
    tracker.run_init(stage="READY", scripts=2, duration=1.5)
    for _ in range(2):
        tracker.aws_request(**CALL)
    tracker.close()
    found = events(machine)
    assert [each["name"] for each in found] == [
        "session",
        "run_init",
        "aws_request",
        "aws_request",
    ]
    one = found[0]["payload"]
    assert (one["version"], one["is_testing"], one["system"]) == ("1.2.0", True, "Linux")
    assert "api_key" not in one
    assert {each["metadata"].get("session_id") for each in found} == {one["session_id"], None}
    assert "session_id" not in found[1]["metadata"]


def test_a_command_alone_begins_no_session(machine: Machine) -> None:
    """The notice connects a command to no session, so one that records nothing else has none."""
    with tracker_on(machine) as tracker:
        tracker.cli_cmd(cmd="mytool build", params=["output"])
    assert [each["name"] for each in events(machine)] == ["cli_cmd"]


def test_a_token_is_in_the_session_only_if_it_was_handed_over(machine: Machine) -> None:
    """A token in a variable is not looked at; one that is handed over is in one event."""
    machine.variables["LOCALSTACK_AUTH_TOKEN"] = "ls-not-handed-over"  # noqa: S105
    with tracker_on(machine, token="ls-0123") as tracker:  # noqa: S106
        tracker.aws_request(**CALL)
    (one,) = events(machine, "session")
    assert one["payload"]["api_key"] == "ls-0123"
    assert b"not-handed-over" not in (machine.state_dir / "spool" / "00000001.jsonl").read_bytes()


@pytest.mark.parametrize(("version", "token"), [("my build of Ann", "a b\n"), ("1" * 5000, "{}")])
def test_what_is_odd_about_a_program_is_not_sent(
    version: str, token: str, machine: Machine
) -> None:
    """A version or token of no known form is left out; session and events are recorded still."""
    with tracker_on(machine, version=version, token=token) as tracker:
        tracker.aws_request(**CALL)
    one, call = events(machine)
    assert one["payload"]["version"] == "unknown"
    assert "api_key" not in one["payload"]
    assert call["name"] == "aws_request"


@pytest.mark.parametrize("status", [200, 301, 399, 400, 404, 499, 500, 501, 503])
@pytest.mark.parametrize("is_debug", [True, False])
def test_errors_go_with_their_status(status: int, is_debug: bool, machine: Machine) -> None:  # noqa: FBT001
    """Type and message only for 400 to 499; a stack trace only for 500 while debugging."""
    with tracker_on(machine, is_debug=is_debug) as tracker:
        tracker.aws_request(
            service="s3",
            operation="GetObject",
            status_code=status,
            err_type="NoSuchKey",
            err_msg="The key does not exist.",
            stack_trace="Traceback (most recent call last):\nValueError: no\n",
        )
    ((call,),) = [events(machine, "aws_request")]
    is_client_error = 400 <= status < 500
    assert ("err_type" in call["payload"]) == ("err_msg" in call["payload"]) == is_client_error
    assert ("stack_trace" in call["payload"]) == (status == 500 and is_debug)


def test_counts_are_exact_over_periods(machine: Machine, memory: Path) -> None:
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
    assert [each["count"] for event in found for each in event["payload"]["api_calls"]] == [
        1,
        1,
        4,
        4,
    ]
    assert sum_of(found) == {("s3", "PutObject", 200): 5, ("sqs", "DeleteQueue", 400): 5}
    assert left_in(memory) == []


def test_counted_calls_hold_four_facts(machine: Machine) -> None:
    """Counted, nothing of a call but service, operation, status and how often is kept anywhere."""
    with tracker_on(machine, aggregate=True) as tracker:
        tracker.aws_request(**CALL, err_type="Canary", err_msg="canary", user_agent="canary/1")
        tracker.flush()
    data = b"".join(
        each.read_bytes() for each in machine.folder.rglob("*") if each.is_file()
    ).lower()
    assert b"canary" not in data
    assert b"putobject" in data


def test_a_period_ends_by_itself(machine: Machine, memory: Path) -> None:
    """The thread makes events of the counts, and lets a delivery take what was recorded."""
    tracker = tracker_on(machine, aggregate=True, period=timedelta(milliseconds=20))
    tracker.aws_request(**CALL)
    assert wait_until(lambda: events(machine, "aws_request_agg"))
    assert wait_until(lambda: ledgers(memory) == [])
    tracker.aws_request(**CALL)
    assert wait_until(lambda: len(events(machine, "aws_request_agg")) == 2)
    tracker.close()
    assert wait_until(lambda: not own_threads())


def test_more_combinations_than_a_ledger_holds(machine: Machine, memory: Path) -> None:
    """At its size a ledger becomes an event before its period ends; none of it is lost."""
    with tracker_on(machine, aggregate=True) as tracker:
        for number in range(2500):
            tracker.aws_request(service="s3", operation=f"Op{number}", status_code=200)
        assert len(events(machine, "aws_request_agg")) == 2
        assert len(ledgers(memory)) == 1
    total = sum_of(events(machine, "aws_request_agg"))
    assert len(total) == total.total() == 2500


def test_declared_kinds(machine: Machine) -> None:
    """A declared event is recorded, a declared counter counted, each as its declaration says."""
    with tracker_on(machine, kinds=(CACHE, BUILT)) as tracker:
        for outcome in ("hit", "miss", "hit"):
            tracker.count(CACHE, outcome=outcome)
        tracker.record(BUILT, seconds=1.5)
    built, cache = events(machine, "mytool_built", "mytool_cache")
    assert built["payload"] == {"seconds": 1.5}
    assert cache["payload"] == {
        "counts": [{"outcome": "hit", "count": 2}, {"outcome": "miss", "count": 1}]
    }
    assert list(built["metadata"]) == list(cache["metadata"]) == ["client_time"]


def test_one_combination_has_one_count(machine: Machine) -> None:
    """Labels in another order, and numbers that are equal, are the same combination."""
    kind = Kind(
        "mytool_pair",
        "A pair.",
        "",
        (Field("a", "integer", "One."), Field("b", "integer", "Another.")),
        is_counter=True,
    )
    with tracker_on(machine, kinds=(kind,)) as tracker:
        tracker.count(kind, a=1, b=2)
        tracker.count(kind, b=2, a=1)
    ((event,),) = [events(machine, "mytool_pair")]
    assert event["payload"] == {"counts": [{"a": 1, "b": 2, "count": 2}]}


MISFITS: dict[str, Callable[[Tracker], None]] = {
    "a bucket for a service": lambda t: t.aws_request(**{**CALL, "service": "My bucket/x"}),
    "a status that is none": lambda t: t.aws_request(**{**CALL, "status_code": 20}),
    "a status that is text": lambda t: t.aws_request(**{**CALL, "status_code": "200"}),
    "a list": lambda t: t.aws_request(**{**CALL, "service": ["s3"]}),
    "no stage": lambda t: t.run_init(stage="canary", scripts=1, duration=1.0),
    "a value typed": lambda t: t.cli_cmd(cmd="mytool build", params=["--output=canary x"]),
    "an open label": lambda t: t.count(CACHE, outcome="canary"),
    "an unknown label": lambda t: t.count(CACHE, outcome="hit", file="canary"),
    "an undeclared kind": lambda t: t.record(BUILT._replace(name="mytool_other"), seconds=1.0),
    "a wrong type": lambda t: t.record(BUILT, seconds="canary"),
    "a missing value": lambda t: t.record(BUILT),
}


@pytest.mark.parametrize("name", MISFITS)
@pytest.mark.parametrize("aggregate", [True, False])
def test_what_does_not_fit_is_dropped(name: str, aggregate: bool, machine: Machine) -> None:  # noqa: FBT001
    """It is counted and not recorded; a program's own tests can have it raised."""
    tracker = tracker_on(machine, strict=False, aggregate=aggregate, kinds=(CACHE, BUILT))
    MISFITS[name](tracker)
    assert tracker.dropped == 1
    tracker.close()
    assert {each["name"] for each in events(machine)} <= {"session"}
    with (
        tracker_on(machine, aggregate=aggregate, kinds=(CACHE, BUILT)) as strict,
        pytest.raises(UsagectlError) as caught,
    ):
        MISFITS[name](strict)
    assert "canary" not in str(caught.value)


class Unequal:
    """Be equal to nothing, and say so by an exception."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """Fail."""
        raise ValueError("canary")


class Unhashable:
    """Have no hash, and say so by another exception than others."""

    def __hash__(self) -> int:
        """Fail."""
        raise AttributeError("canary")


@pytest.mark.parametrize("made", [Unequal, Unhashable])
@pytest.mark.parametrize("field", ["service", "status_code", "err_msg", "region", "a label"])
@pytest.mark.parametrize("aggregate", [True, False])
def test_odd_arguments_do_not_raise(
    made: Callable[[], Any],
    field: str,
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
) -> None:
    """What an argument raises stays there, after a first call as well; it counts as dropped."""
    with tracker_on(machine, strict=False, aggregate=aggregate, kinds=(CACHE,)) as tracker:
        for _ in range(2):
            tracker.aws_request(**CALL)
            tracker.count(CACHE, outcome="hit")
            if field == "a label":
                tracker.count(CACHE, outcome=made())
            else:
                tracker.aws_request(**{**CALL, "status_code": 404, field: made()})
        is_used = not aggregate or field in ("service", "status_code", "a label")
        assert tracker.dropped == (2 if is_used else 0)


@pytest.mark.parametrize("period", [timedelta.max, timedelta(microseconds=1)])
def test_any_period_is_taken(period: timedelta, machine: Machine) -> None:
    """One beyond what a thread can wait for, or too short for it to rest, is cut to what it can."""
    tracker = tracker_on(machine, period=period, aggregate=True)
    tracker.aws_request(**CALL)
    time.sleep(0.05)
    assert own_threads() == ["usagectl"]
    tracker.close()
    assert sum_of(events(machine, "aws_request_agg")).total() == 1


def test_an_unknown_field_cannot_be_named(machine: Machine) -> None:
    """There is no way to hand over a parameter of a call: Python itself refuses it."""
    with tracker_on(machine) as tracker, pytest.raises(TypeError):
        tracker.aws_request(**CALL, bucket="canary")  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["", "My Tool", "localstack", "../x", "x" * 65, "-a"])
def test_a_tool_has_a_name(name: str, machine: Machine) -> None:
    """A name that no one could type, or that is another tool's, is a mistake of the author."""
    with pytest.raises(InvalidValueError):
        Tracker(name, environment=machine.environment())


def test_mistakes_of_the_author_are_told_at_once(machine: Machine) -> None:
    """A kind that cannot be declared and a period of nothing are refused when they are given."""
    with pytest.raises(InvalidKindError):
        tracker_on(machine, kinds=(CACHE._replace(name="other_cache"),))
    with pytest.raises(InvalidValueError):
        tracker_on(machine, period=timedelta())


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


@pytest.mark.parametrize("variables", OFF)
@pytest.mark.parametrize("aggregate", [True, False])
def test_off_means_nothing(
    variables: dict[str, str],
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    memory: Path,
) -> None:
    """Off, there is no thread, and no file or folder that was not there before."""
    machine.variables.update(variables)
    before = sorted(machine.folder.rglob("*"))
    with tracker_on(machine, aggregate=aggregate, kinds=(CACHE, BUILT)) as tracker:
        record_everything(tracker)
        assert own_threads() == []
    assert sorted(machine.folder.rglob("*")) == before
    assert list(memory.iterdir()) == []


def test_on_the_same_leaves_traces(machine: Machine, memory: Path) -> None:
    """The search above is able to fail: recording locally makes a thread and files."""
    with tracker_on(machine, aggregate=True, kinds=(CACHE, BUILT)) as tracker:
        record_everything(tracker)
        tracker.aws_request(**CALL)
        assert own_threads() == ["usagectl"]
        assert ledgers(memory)
    assert (machine.state_dir / "spool").is_dir()


def test_no_home_is_off(machine: Machine) -> None:
    """Where no setting can be read and nothing kept, nothing is recorded."""
    environment = machine.environment(state_dir=None, config_dir=None, account_home=None)
    with tracker_on(machine, environment=environment) as tracker:
        record_everything(tracker)
        assert own_threads() == []


def set_mode(machine: Machine, mode: str) -> None:
    """Write the user's setting for the tool."""
    machine.config_dir.mkdir(exist_ok=True)
    file = machine.config_dir / "settings.toml"
    file.write_text(f'[tools.mytool]\nmode = "{mode}"\nsince = {NOW.isoformat()}\n')
    assert settings.load(machine.environment()).of_tool("mytool").mode == mode


@pytest.mark.parametrize("aggregate", [True, False])
def test_an_opt_out_ends_a_program_that_runs(
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    memory: Path,
) -> None:
    """The switches are read anew each period: what is counted is forgotten, the thread ends."""
    tracker = tracker_on(machine, aggregate=aggregate, period=timedelta(milliseconds=300))
    tracker.aws_request(**CALL)
    assert wait_until(lambda: len(events(machine)) == 2)
    set_mode(machine, "off")
    tracker.aws_request(**CALL)
    assert len(ledgers(memory)) == 1
    assert wait_until(lambda: not own_threads())
    record_everything(tracker)
    tracker.close()
    assert ledgers(memory) == []
    ledger.recover(machine.environment())
    assert len(events(machine)) == 2


def test_another_consent_begins_another_session(machine: Machine, memory: Path) -> None:
    """What was recorded before the user let it be sent stays here, and so does its session."""
    tracker = tracker_on(machine, aggregate=True, period=timedelta(milliseconds=20))
    tracker.aws_request(**CALL)
    assert wait_until(lambda: events(machine, "aws_request_agg"))
    set_mode(machine, "on")

    def consents() -> set[str]:
        tracker.aws_request(**CALL)
        return {each.consent for each in spool.records(machine.environment())}

    assert wait_until(lambda: consents() == {"", NOW.isoformat()})
    tracker.close()
    found = list(spool.records(machine.environment()))
    sessions = {each.consent: json.loads(each.event) for each in found if each.kind == "session"}
    assert set(sessions) == {"", NOW.isoformat()}
    for each in found:
        one = sessions[each.consent]["payload"]["session_id"]
        assert json.loads(each.event)["metadata"]["session_id"] == one
    assert ledgers(memory) == []


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
    (machine.state_dir / "spool" / "pause-mytool.json").write_text(json.dumps(document))
    assert wait_until(lambda: events(machine, "aws_request_agg"))
    if since == NOW:
        assert wait_until(lambda: not own_threads())
    tracker.aws_request(**CALL)
    tracker.close()
    assert sum_of(events(machine, "aws_request_agg")).total() == (1 if since == NOW else 2)


def test_closed_it_records_nothing(machine: Machine) -> None:
    """After `close` every call is as if telemetry were off; closing twice is fine."""
    tracker = tracker_on(machine, aggregate=True, kinds=(CACHE, BUILT))
    tracker.aws_request(**CALL)
    tracker.close()
    before = events(machine)
    record_everything(tracker)
    tracker.close()
    assert events(machine) == before
    assert wait_until(lambda: not own_threads())


def test_several_trackers_share_a_thread(machine: Machine, memory: Path) -> None:
    """Two of one tool and one of another count each for itself, in sessions of their own."""
    first, second = (tracker_on(machine, aggregate=True) for _ in range(2))
    third = Tracker("other", environment=machine.environment(), aggregate=True)
    for tracker in (first, second, third):
        tracker.aws_request(**CALL)
        tracker.aws_request(**CALL)
    assert own_threads() == ["usagectl"]
    assert len(ledgers(memory)) == 3
    for tracker in (first, second, third):
        tracker.close()
    records = list(spool.records(machine.environment()))
    assert sorted(each.tool for each in records) == ["mytool"] * 4 + ["other"] * 2
    sessions = {json.loads(each.event)["metadata"]["session_id"] for each in records}
    assert len(sessions) == 3
    assert sum_of(events(machine, "aws_request_agg")) == {("s3", "PutObject", 200): 6}


def test_each_recorded_line_is_the_spool_s_own(machine: Machine) -> None:
    """A quickly built line has the form that `envelope` builds: uid, times, zone and members."""
    moments = iter(
        [
            NOW,  # asked when the session begins
            *[
                NOW + timedelta(microseconds=each)
                for each in (0, 1, 999, 999_999, 876_543, 2_000_000)
            ],
            *[NOW.astimezone() + timedelta(days=1)] * 40,
        ]
    )
    environment = machine.environment(now=lambda: next(moments))
    with Tracker("mytool", environment=environment, strict=True) as tracker:
        for _ in range(12):
            tracker.aws_request(**CALL)
    calls = [each for each in spool.records(machine.environment()) if each.kind == "aws_request"]
    assert len({each.uid for each in calls}) == len(calls) == 12
    for each in calls:
        recorded = datetime.fromisoformat(each.time)
        assert each.time == recorded.isoformat(timespec="microseconds")
        client_time = json.loads(each.event)["metadata"]["client_time"]
        assert client_time == recorded.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        stamp = int(each.uid.replace("-", "")[:12], 16)
        assert stamp == int(recorded.timestamp() * 1000)
        assert each.uid[14] == "7"
        assert each.uid[19] in "89ab"


def test_a_disk_that_takes_nothing_is_not_in_the_way(machine: Machine) -> None:
    """Where the spool cannot be written, calls return as ever; what is lost is not half written."""
    machine.state_dir.mkdir()
    (machine.state_dir / "spool").write_text("in the way")
    with tracker_on(machine, kinds=(CACHE, BUILT)) as tracker:
        record_everything(tracker)
    assert (machine.state_dir / "spool").read_text() == "in the way"


def test_errors_name_event_and_field_alone(machine: Machine) -> None:
    """What a program's own tests see of a misfit names no value."""
    with tracker_on(machine) as tracker, pytest.raises(EventShapeError) as caught:
        tracker.aws_request(service="canary bucket", operation="PutObject", status_code=200)
    assert (caught.value.event, caught.value.field) == ("aws_request", "service")
    assert "canary" not in str(caught.value)
