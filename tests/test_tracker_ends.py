"""Tests of how programs end that record: killed, forked, as a daemon, before a dead endpoint.

A driver forks one process after another and kills each after a random while.
`USAGECTL_KILLS=1000` makes it a thousand.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.counting import events, ledgers, memory_of, sum_of
from tests.support.crowds import record, tracker_in
from tests.support.endpoint import Endpoint, always, drip, drip_body, hang, reset
from tests.support.spooling import run, start, wait_for_word
from usagectl import spool
from usagectl.delivery import replay
from usagectl.emitting import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.endpoint import Behaviour
    from tests.support.machine import Machine

KILLS = int(os.environ.get("USAGECTL_KILLS", "60"))

FORMS = pytest.mark.parametrize("aggregate", [True, False], ids=["counted", "in full"])


@pytest.fixture
def memory(machine: Machine) -> Iterator[Path]:
    """Give the machine a memory file system."""
    with memory_of(machine) as folder:
        yield folder


# Each turn has a spool of its own; `done` is memory that the turn shares with the driver, in
# which each thread says how many of its calls have returned.
KILL = """
import json, mmap, random
from datetime import UTC, datetime, timedelta
from usagectl import Tracker, ledger
from usagectl.emitting.tracker import recorder  # loaded once, before the forks
kills, aggregate = int(sys.argv[2]), bool(int(sys.argv[3]))
draw = random.Random(20261123)
turns = []
for turn in range(kills):
    # The time is part of what tells one event from another.
    environment = machine.environment(
        state_dir=machine.folder / str(turn), now=lambda: datetime.now(UTC)
    )
    done = memoryview(mmap.mmap(-1, 16)).cast("Q")
    child = os.fork()
    if not child:
        tracker = Tracker(
            "mytool", environment=environment, aggregate=aggregate,
            period=timedelta(milliseconds=draw.choice([1, 5, 1000])),
        )
        def work(number):
            for _ in range(10_000_000):
                tracker.aws_request(service="s3", operation="PutObject", status_code=200)
                done[number] += 1
                if number and done[number] % 1000 == 0:
                    tracker.flush()
        threading.Thread(target=work, args=(1,), daemon=True).start()
        work(0)
    # Some may be killed before they have begun.
    until = time.monotonic() + (10 if draw.random() < 0.6 else 0)
    while not sum(done) and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(draw.uniform(0, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    ledger.recover(environment)
    ledger.recover(environment)
    names = [json.loads(each.event) for each in spool.records(environment)]
    calls = [each["payload"] for each in names if each["name"] != "session"]
    each_call = [{"count": 1}]
    counted = sum(one["count"] for each in calls for one in each.get("api_calls", each_call))
    turns.append([sum(done), counted, len(names) - len(calls)])
print(json.dumps(turns))
"""


@FORMS
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_no_kill_loses_or_doubles_a_call(
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    memory: Path,
) -> None:
    """Every call that returned is recorded once; a thread may be killed within one more."""
    turns = json.loads(run(machine, KILL, KILLS, int(aggregate)))
    assert len(turns) == KILLS
    wrong = [turn for turn in turns if not turn[0] <= turn[1] <= turn[0] + 2]
    assert wrong == []
    assert {sessions for _, _, sessions in turns} <= {0, 1}
    assert sum(1 for done, _, _ in turns if done > 100) > KILLS // 4
    assert ledgers(memory) == []


def program(machine: Machine, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program that records, on the machine's own variables, in its own folder."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
        env={**machine.process_variables(), **variables},
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def runtime(machine: Machine, memory: Path) -> Path:
    """Name a runtime folder in memory for whole programs, and tell them of it."""
    folder = memory / "runtime"
    folder.mkdir()
    machine.variables["XDG_RUNTIME_DIR"] = str(folder)
    return folder


ENDINGS = {
    "falls off the end": "",
    "exits": "import sys; sys.exit(0)",
    "is interrupted": "import signal; signal.raise_signal(signal.SIGINT)",
    "fails": "raise ValueError('its own')",
    "records at its end": "",
}


@pytest.mark.parametrize("ending", ENDINGS)
@FORMS
def test_a_program_that_ends_loses_nothing(
    ending: str,
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    runtime: Path,
) -> None:
    """However a program ends by itself, what it recorded is there; nothing of ours is printed."""
    text = f"""
    import atexit
    from usagectl import Tracker
    tracker = Tracker("mytool", aggregate={aggregate})
    call = dict(service="s3", operation="PutObject", status_code=200)
    # Called after the tracker's own end, which is registered later.
    if {ending == "records at its end"}:
        atexit.register(lambda: [tracker.aws_request(**call) for _ in range(5)])
    for _ in range(5):
        tracker.aws_request(**call)
    {ENDINGS[ending]}
    """
    done = program(machine, text)
    is_own = ending in ("is interrupted", "fails")
    assert (done.stdout, bool(done.stderr)) == ("", is_own)
    assert "usagectl" not in done.stderr
    count = 10 if ending == "records at its end" else 5
    if aggregate:
        assert sum_of(events(machine, "aws_request_agg")).total() == count
    else:
        assert len(events(machine, "aws_request")) == count
    assert len(events(machine, "session")) == 1
    assert ledgers(runtime) == []


@FORMS
def test_a_program_with_many_trackers_loses_nothing(
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    runtime: Path,
) -> None:
    """One deadline holds for the end of all trackers; what it leaves is taken up after."""
    text = f"""
    from usagectl import Tracker
    for _ in range(120):
        Tracker("mytool", aggregate={aggregate}).aws_request(
            service="s3", operation="PutObject", status_code=200
        )
    """
    assert program(machine, text).stderr == ""
    machine.run("spool")
    if aggregate:
        assert sum_of(events(machine, "aws_request_agg")).total() == 120
    else:
        assert len(events(machine, "aws_request")) == 120
    assert len(events(machine, "session")) == 120
    assert ledgers(runtime) == []


@FORMS
@pytest.mark.parametrize("place", ["memory", "nowhere"])
def test_what_comes_after_the_deadline_stays_where_it_outlives_the_process(
    place: str,
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    request: pytest.FixtureRequest,
) -> None:
    """After the deadline no disk is asked for what is kept anyway; what is not is written."""
    folder = request.getfixturevalue("memory") if place == "memory" else None
    tracker = tracker_in(str(machine.folder), aggregate=aggregate)
    record(tracker, 3)
    tracker.end(time.monotonic() - 1)
    is_left = bool(events(machine, "aws_request", "aws_request_agg"))
    assert is_left == (place == "nowhere")
    tracker.close()
    assert events(machine, "aws_request", "aws_request_agg") != []
    if folder:
        assert ledgers(folder) == []


def test_a_daemon_keeps_what_it_recorded(machine: Machine, runtime: Path) -> None:
    """A program that closes every descriptor it has goes on; no other file gets a byte of ours."""
    text = """
    import os
    from usagectl import Tracker
    full, counted = Tracker("mytool"), Tracker("mytool", aggregate=True)
    call = dict(service="s3", operation="PutObject", status_code=200)
    def record():
        for _ in range(5):
            full.aws_request(**call)
            counted.aws_request(**call)
            counted.aws_request(**{**call, "operation": f"Op{os.getpid() % 7}"})
    record()
    if os.fork():
        os._exit(0)
    os.setsid()
    os.closerange(3, 200)
    strangers = [os.open("stranger", os.O_RDWR | os.O_CREAT | os.O_APPEND) for _ in range(20)]
    record()
    record()
    full.flush()
    counted.flush()
    record()
    full.close()
    counted.close()
    assert [os.fstat(each).st_size for each in strangers] == [0] * 20
    open("ended", "w").close()
    """
    done = program(machine, text)
    assert (done.returncode, done.stderr) == (0, "")
    for _ in range(1000):
        if (machine.cwd / "ended").exists():
            break
        signal.sigtimedwait([], 0.02)
    assert (machine.cwd / "ended").exists()
    assert (machine.cwd / "stranger").read_bytes() == b""
    ledger.recover(machine.environment())
    assert len(events(machine, "aws_request")) == 20
    assert sum_of(events(machine, "aws_request_agg")).total() == 40
    assert ledgers(runtime) == []


def test_a_program_that_was_started_keeps_no_ledger(machine: Machine, memory: Path) -> None:
    """What a killed program had started lives on without holding its counts back."""
    script = """
import subprocess
from tests.support.crowds import record, tracker_in
tracker = tracker_in(sys.argv[1], aggregate=True)
record(tracker, 4)
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
time.sleep(60)
"""
    process = start(machine, script)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    assert len(ledgers(memory)) == 1
    recovered = ledger.recover(machine.environment())
    os.kill(child, signal.SIGKILL)
    process.communicate()
    assert recovered == 1
    assert sum_of(events(machine)[1:]).total() == 4


def test_the_next_run_takes_up_what_a_kill_left(machine: Machine, memory: Path) -> None:
    """A program that is started again recovers the counts of the one before it."""
    script = """
from tests.support.crowds import record, tracker_in
tracker = tracker_in(sys.argv[1], aggregate=True)
record(tracker, 4)
print("ready", flush=True)
time.sleep(60)
"""
    for _ in range(2):
        process = start(machine, script)
        wait_for_word(process)
        for _ in range(500):
            if len(ledgers(memory)) == 1:
                break
            signal.sigtimedwait([], 0.02)
        assert len(ledgers(memory)) == 1
        process.kill()
        process.communicate()
    assert sum_of(events(machine, "aws_request_agg")).total() == 4


BEHAVIOURS: dict[str, Behaviour] = {
    "answers": always(200),
    "hangs": hang,
    "breaks off": reset,
    "drips": drip,
    "drips after its status": drip_body,
    "fails": always(500),
}

ACKNOWLEDGING = ("answers", "drips after its status")


@pytest.mark.parametrize("way", [*BEHAVIOURS, "refuses"])
def test_every_event_reaches_the_endpoint_once(way: str, machine: Machine, runtime: Path) -> None:
    """Whatever the endpoint did while the program ran, after a replay it has every event once.

    An endpoint that acknowledged had it then; all others have it from the replay. One that
    goes on with its answer for ever may have it both ways: delivery is at least once.
    """
    text = """
    from usagectl import Tracker
    with Tracker("mytool") as full, Tracker("mytool", aggregate=True) as counted:
        for number in range(40):
            full.aws_request(service="s3", operation=f"Op{number}", status_code=200)
            counted.aws_request(service="s3", operation="PutObject", status_code=200)
    """
    with Endpoint(BEHAVIOURS.get(way)) as first:
        base = "http://127.0.0.1:9/v1" if way == "refuses" else first.base
        done = program(machine, text, ANALYTICS_API=base, MYTOOL_TELEMETRY="on")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        if way != "refuses":
            assert first.wait_for(1, seconds=30.0)  # The sender that nobody waits for has come.
        wait_for_sender(machine)
        requests = list(first.received) if way in ACKNOWLEDGING else []
    with Endpoint() as back:
        environment = machine.environment()
        options = replay.Options(to=back.base)
        folder = replay.folder_for(environment, options)
        replay.run(environment, options, base=back.base, folder=folder)
        requests += back.received
    arrived = [(request.path, event) for request in requests for event in request.events]
    if way == "drips after its status":
        arrived = [each for number, each in enumerate(arrived) if each not in arrived[:number]]
    found = [event for _, event in arrived]
    operations = [each["payload"]["operation"] for each in found if each["name"] == "aws_request"]
    assert sorted(operations) == sorted(f"Op{number}" for number in range(40))
    assert sum_of(each for each in found if each["name"] == "aws_request_agg").total() == 40
    places = [path for path, event in arrived if event["name"] == "session"]
    assert places == ["/v1/session"] * 2
    assert spool.state(machine.environment()).pending == 0
    assert ledgers(runtime) == []


@pytest.mark.usefixtures("runtime")
def test_what_comes_after_the_first_sending_is_sent_too(machine: Machine) -> None:
    """A sender comes when the program begins to record, and another when it ends."""
    text = """
    import os, pathlib, time
    from usagectl import Tracker
    tracker = Tracker("mytool")
    tracker.aws_request(service="s3", operation="First", status_code=200)
    sent = pathlib.Path(os.environ["USAGECTL_STATE_DIR"], "spool", "sent")
    for _ in range(1000):
        if sent.exists():
            break
        time.sleep(0.02)
    time.sleep(0.5)
    tracker.aws_request(service="s3", operation="Last", status_code=200)
    """
    with Endpoint() as endpoint:
        program(machine, text, ANALYTICS_API=endpoint.base, MYTOOL_TELEMETRY="on")
        assert endpoint.wait_for(2, seconds=30.0)
        wait_for_sender(machine)
        found = [event for request in endpoint.received for event in request.events]
    assert [each["payload"].get("operation") for each in found] == [None, "First", "Last"]


def wait_for_sender(machine: Machine) -> None:
    """Wait until no sender is at work for this machine: it holds a lock while it lives."""
    import fcntl

    file = machine.state_dir / "spool" / "child.lock"
    for _ in range(600):
        with file.open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                signal.sigtimedwait([], 0.02)
                continue
            return
    pytest.fail("the sender did not end")


def test_no_socket_is_opened_in_the_program_s_process(machine: Machine, runtime: Path) -> None:
    """With sending on, all of the wire is the sender's: the program loads nothing that could."""
    text = """
    import sys
    before = set(sys.modules)
    from usagectl import Tracker
    with Tracker("mytool", aggregate=True) as tracker:
        tracker.aws_request(service="s3", operation="PutObject", status_code=200)
    print(*sorted(set(sys.modules) - before))
    """
    with Endpoint() as endpoint:
        done = program(machine, text, ANALYTICS_API=endpoint.base, MYTOOL_TELEMETRY="on")
        wait_for_sender(machine)
        assert endpoint.received
    loaded = set(done.stdout.split())
    assert "usagectl.emitting.tracker.recorder" in loaded
    heavy = {"httpx", "ssl", "socket", "rich", "typer", "asyncio", "msgspec", "subprocess"}
    assert loaded & heavy == set()
    assert ledgers(runtime) == []
