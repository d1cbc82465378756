"""Tests of how programs end that record: by themselves, killed, as a daemon, before an endpoint."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.support.counting import events, losses, sum_of, wait_until
from tests.support.endpoint import Endpoint, always, hang
from tests.support.spooling import entries
from usagectl.machine import files

if TYPE_CHECKING:
    from tests.support.endpoint import Behaviour
    from tests.support.machine import Machine

PREAMBLE = """
from usagectl import Tracker
call = dict(service="s3", operation="PutObject", status_code=200)
def record(tracker, calls):
    for _ in range(calls):
        tracker.aws_request(**call)
"""


def start(machine: Machine, text: str, **variables: str) -> subprocess.Popen[str]:
    """Start a program that records, on the machine's own variables, in its own folder."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PREAMBLE + textwrap.dedent(text)],
        env={**machine.process_variables(), **variables},
        cwd=machine.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def program(machine: Machine, text: str, **variables: str) -> tuple[int, str, str]:
    """Run such a program; give its exit status, stdout and stderr."""
    with start(machine, text, **variables) as process:
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr


def counted(machine: Machine) -> int:
    """Count the calls in the spool, recorded in either form."""
    return sum_of(events(machine, "aws_request_agg")).total() + len(events(machine, "aws_request"))


ENDINGS = {
    "falls off the end": "",
    "exits": "import sys; sys.exit(0)",
    "is interrupted": "import signal; signal.raise_signal(signal.SIGINT)",
    "fails": "raise ValueError('its own')",
}


def test_a_program_that_ends_loses_nothing(machine: Machine) -> None:
    """However a program ends by itself, what it recorded is there; nothing of ours is printed.

    One deadline holds for the end of all its trackers, and is enough for them.
    """
    text = """
    for aggregate in (True, False) * 8:
        record(Tracker("mytool", aggregate=aggregate), 5)
    """
    for number, (ending, last) in enumerate(ENDINGS.items(), 1):
        _, stdout, stderr = program(machine, textwrap.dedent(text) + last)
        assert (stdout, bool(stderr)) == ("", ending in ("is interrupted", "fails"))
        assert "usagectl" not in stderr
        found = counted(machine), len(events(machine, "session"))
        assert found == (80 * number, 16 * number), ending


def test_what_is_recorded_at_the_very_end_is_written(machine: Machine) -> None:
    """After our own last look each record is written at once, the first one of a tracker too."""
    text = """
    import atexit
    early, late = ([Tracker("mytool", aggregate=each) for each in (True, False)] for _ in range(2))
    # Called after the trackers' own end, which is registered later.
    atexit.register(lambda: [record(each, 5) for each in early + late])
    for each in early:
        record(each, 5)
    """
    assert program(machine, text) == (0, "", "")
    assert (counted(machine), len(events(machine, "session"))) == (30, 4)
    for aggregate in (True, False):
        only = (
            f'import atexit; atexit.register(record, Tracker("mytool", aggregate={aggregate}), 5)'
        )
        assert program(machine, only) == (0, "", "")
    assert (counted(machine), len(events(machine, "session"))) == (40, 6)


def test_a_disk_that_hangs_does_not_keep_a_program(machine: Machine) -> None:
    """The end of a program waits for a while, and then lets go of what cannot be written."""
    text = """
    import threading, time
    from usagectl import current_environment
    environment = current_environment()
    def now():
        if threading.current_thread().name == "usagectl":
            time.sleep(600)  # The thread asks for the time when it makes an event of counts.
        return environment.now()
    tracker = Tracker("mytool", aggregate=True, environment=environment._replace(now=now))
    record(tracker, 3)
    """
    assert program(machine, text) == (0, "", "")
    assert counted(machine) == 0


def test_what_a_kill_costs(machine: Machine) -> None:
    """SIGKILL costs what was not flushed, and nothing else; the store is sound afterwards."""
    text = """
    import os, signal
    full, tallied = Tracker("mytool"), Tracker("mytool", aggregate=True)
    for tracker in (full, tallied):
        record(tracker, 3)
        tracker.flush()
    record(tallied, 2)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    for number in (1, 2):
        assert program(machine, text)[0] < 0
        assert len(events(machine, "aws_request")) == 3 * number
        assert sum_of(events(machine, "aws_request_agg")).total() == 3 * number
    assert losses(machine) == 0


def test_a_daemon_keeps_what_it_recorded(machine: Machine) -> None:
    """A program that closes every descriptor it has goes on; no other file gets a byte of ours.

    It flushes before it forks, since its parent ends with `os._exit`.
    """
    text = """
    import os
    full, tallied = Tracker("mytool"), Tracker("mytool", aggregate=True)
    def record_both():
        record(full, 5)
        record(tallied, 5)
    record_both()
    full.flush()
    tallied.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    os.closerange(0, 200)
    strangers = [os.open("stranger", os.O_RDWR | os.O_CREAT | os.O_APPEND) for _ in range(20)]
    record_both()
    full.flush()
    tallied.flush()
    record_both()
    full.close()
    tallied.close()
    assert [os.fstat(each).st_size for each in strangers] == [0] * 20
    open("ended", "w").close()
    """
    assert program(machine, text) == (0, "", "")
    assert wait_until((machine.cwd / "ended").exists)
    assert (machine.cwd / "stranger").read_bytes() == b""
    assert len(events(machine, "aws_request")) == 15
    assert sum_of(events(machine, "aws_request_agg")).total() == 15
    assert len(events(machine, "session")) == 2


def test_the_session_of_a_daemon_is_written_before_it_forks(machine: Machine) -> None:
    """A parent that ends at once leaves its child a session that is in the spool."""
    text = """
    import os
    tracker = Tracker("mytool")
    record(tracker, 1)
    if os.fork():
        os._exit(0)
    record(tracker, 1)
    tracker.close()
    open("ended", "w").close()
    """
    assert program(machine, text) == (0, "", "")
    assert wait_until((machine.cwd / "ended").exists)
    assert [each["name"] for each in events(machine)] == ["session", "aws_request", "aws_request"]


BEHAVIOURS: dict[str, Behaviour | None] = {
    "answers": always(200),
    "hangs": hang,
    "refuses": None,
}


def waiting(machine: Machine) -> int:
    """Count the program's events that wait; each replay records itself beside them."""
    return sum(each.tool == "mytool" for each in entries(machine))


def replay_all(machine: Machine, base: str) -> None:
    """Deliver until nothing waits: a sender of the program may still be at work."""

    def is_done() -> bool:
        machine.run("replay", "--tool", "mytool", "--to", base, "--yes", "--json")
        return not waiting(machine)

    assert wait_until(is_done, seconds=40.0)


def is_sender_gone(machine: Machine) -> bool:
    """True if no sender is left: each holds a lock to the end of its process."""
    with (files.require_delivery_dir(machine.environment()) / "child.lock").open("r+") as lock:
        return files.try_lock(lock.fileno())


@pytest.mark.parametrize("way", BEHAVIOURS)
def test_every_event_reaches_the_endpoint_once(way: str, machine: Machine) -> None:
    """Whatever the endpoint did while the program ran, after a replay it has every event once."""
    text = """
    with Tracker("mytool") as full, Tracker("mytool", aggregate=True) as tallied:
        for number in range(40):
            full.aws_request(**{**call, "operation": f"Op{number}"})
            tallied.aws_request(**call)
    """
    requests = []
    with Endpoint(BEHAVIOURS[way]) as first:
        base = "http://127.0.0.1:9/v1" if way == "refuses" else first.base
        done = program(machine, text, ANALYTICS_API=base, MYTOOL_TELEMETRY="on")
        assert done == (0, "", "")
        if way != "refuses":
            assert first.wait_for(1, seconds=30.0)  # The sender that nobody waits for has come.
        with Endpoint() as back:
            replay_all(machine, back.base)
            requests += back.received
        if way == "answers":
            requests += first.received
    arrived = [(request.path, event) for request in requests for event in request.events]
    found = [event for _, event in arrived]
    operations = [each["payload"]["operation"] for each in found if each["name"] == "aws_request"]
    assert sorted(operations) == sorted(f"Op{number}" for number in range(40))
    assert sum_of(each for each in found if each["name"] == "aws_request_agg").total() == 40
    places = [path for path, event in arrived if event["name"] == "session"]
    assert places == ["/v1/session"] * 2


def test_what_comes_after_the_first_sending_is_sent_too(machine: Machine) -> None:
    """A sender comes when the program begins to record, and another when it ends."""
    text = """
    tracker = Tracker("mytool")
    tracker.aws_request(**{**call, "operation": "First"})
    input()
    tracker.aws_request(**{**call, "operation": "Last"})
    """
    with Endpoint() as endpoint:
        process = start(machine, text, ANALYTICS_API=endpoint.base, MYTOOL_TELEMETRY="on")
        assert endpoint.wait_for(1, seconds=30.0)
        replay_all(machine, endpoint.base)
        assert wait_until(lambda: is_sender_gone(machine))
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
        assert wait_until(lambda: not waiting(machine))
        found = [event for request in endpoint.received for event in request.events]
    assert [each["payload"].get("operation") for each in found] == [None, "First", "Last"]


def test_no_socket_is_opened_in_the_program_s_process(machine: Machine) -> None:
    """With sending on, all of the wire is the sender's: the program loads nothing that could."""
    text = """
    import sys
    with Tracker("mytool", aggregate=True) as tracker:
        record(tracker, 1)
    print(*sys.modules)
    """
    with Endpoint() as endpoint:
        _, stdout, _ = program(machine, text, ANALYTICS_API=endpoint.base, MYTOOL_TELEMETRY="on")
        assert endpoint.wait_for(1, seconds=30.0)
    loaded = set(stdout.split())
    assert "usagectl.emitting.recorder" in loaded
    heavy = {"httpx", "ssl", "socket", "rich", "typer", "asyncio", "msgspec"}
    assert loaded & heavy == set()
