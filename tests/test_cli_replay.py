"""Tests of `usagectl replay` as people run it: plans, refusals, questions, interruptions, files."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.endpoint import Endpoint, always, in_turn
from usagectl import spool
from usagectl.spool import listing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.endpoint import Connection, Received
    from tests.support.machine import Machine

QUIET = {"USAGECTL_TELEMETRY": "local"}


def fill(machine: Machine, count: int, *, tool: str = "usagectl") -> list[bytes]:
    """Put numbered events into the spool, in one segment."""
    bodies = [b'{"name":"e","metadata":{},"payload":{"n":%d}}' % number for number in range(count)]
    with spool.Writer(machine.environment()) as writer:
        for body in bodies:
            writer.append(body, tool=tool, kind="e")
    return bodies


def start(machine: Machine, *words: str, **variables: str) -> subprocess.Popen[bytes]:
    """Start a command line and leave it running."""
    return subprocess.Popen(
        [sys.executable, "-m", "usagectl", *words],
        env={**machine.process_variables(), **variables},
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def numbers(endpoint: Endpoint) -> list[int]:
    """List the numbers of the events that came, in their order."""
    found = [event for request in endpoint.received for event in request.events]
    return [event["payload"]["n"] for event in found if event["name"] == "e"]


def slow(connection: Connection, _request: Received) -> None:
    """Acknowledge after a moment."""
    time.sleep(0.15)
    connection.answer(200)


def test_a_dry_run_counts_and_changes_nothing(machine: Machine) -> None:
    """The plan has the requests, events and bytes of the run, opens nothing and moves nothing."""
    fill(machine, 25)
    with Endpoint() as endpoint:
        words = ("replay", "--to", endpoint.base, "--event", "e", "--batch-size", "10", "--json")
        planned = machine.run(*words, "--dry-run").data
        assert (endpoint.accepted, planned["sent"], planned["kept"]) == (0, 0, 25)
        done = machine.run(*words).data
    assert (planned["planned"], planned["batches"], planned["bytes"]) == (25, 3, done["bytes"])
    assert [each["events"] for each in planned["requests"]] == [10, 10, 5]
    assert (done["sent"], done["batches"], done["kept"], done["rejected"]) == (25, 3, 0, 0)


def test_off_refuses_and_names_the_switch(machine: Machine) -> None:
    """Off sends and asks nothing; an address of this machine is allowed by name."""
    fill(machine, 3)
    with Endpoint() as endpoint:
        for variables in ({"DO_NOT_TRACK": "1"}, {"DISABLE_EVENTS": "yes"}):
            variables["ANALYTICS_API"] = endpoint.base
            refused = machine.run("replay", "--json", variables=variables)
            assert refused.status == 1
            (error,) = refused.envelope["errors"]
            assert error["code"] == "telemetry-off"
            assert next(iter(variables)) in error["message"]
        assert endpoint.accepted == 0
        allowed = machine.run("replay", "--to", endpoint.base, variables={"DO_NOT_TRACK": "1"})
    assert allowed.status == 0
    assert numbers(endpoint) == [0, 1, 2]
    fill(machine, 1)
    to = ("--to", "https://x.invalid", "--timeout", "0.3")
    assert machine.run("replay", *to, "--yes", variables=QUIET).status == 5
    off = machine.run("replay", "--to", "https://x.invalid", variables={"DO_NOT_TRACK": "1"})
    assert off.status == 1


def test_plain_http_elsewhere_needs_a_word(machine: Machine) -> None:
    """Plain http to another machine is refused, unless the user says that it is meant."""
    fill(machine, 1)
    refused = machine.run("replay", "--to", "http://telemetry.invalid/v1", "--json")
    assert (refused.status, refused.envelope["errors"][0]["code"]) == (2, "endpoint-not-https")
    with Endpoint() as proxy:
        base = proxy.base.removesuffix("/v1")
        words = ("--to", "http://telemetry.invalid/v1", "--allow-http", "--limit", "1", "--yes")
        assert machine.run("replay", *words, variables={"HTTP_PROXY": base}).status == 0
    assert len(proxy.received) == 1


@pytest.mark.parametrize(("answer", "status"), [("y", 5), ("n", 1)])
def test_a_terminal_is_asked_before_anything_leaves(
    answer: str, status: int, machine: Machine
) -> None:
    """On a terminal the number and the address are shown first; no is no."""
    fill(machine, 2)
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "usagectl", "replay", "--timeout", "0.3"],
        env={**machine.process_variables(), **QUIET},
        cwd=machine.cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 65536)
    assert b"Send 2 events to https://analytics.localstack.cloud?" in shown
    os.write(ours, answer.encode() + b"\n")
    try:
        while os.read(ours, 65536):
            pass
    except OSError:
        pass
    assert child.wait(timeout=30) == status
    os.close(ours)
    assert spool.state(machine.environment()).pending >= 2


def test_selection_and_limit(machine: Machine) -> None:
    """Only what is meant is sent; the rest waits, and is sent by the next replay, once."""
    fill(machine, 10)
    fill(machine, 10, tool="other")
    with Endpoint() as endpoint:
        to = ("--to", endpoint.base, "--json")
        assert machine.run("replay", *to, "--tool", "other", "--limit", "4").data["sent"] == 4
        assert numbers(endpoint) == [0, 1, 2, 3]
        machine.run("replay", *to, "--tool", "other")
        machine.run("replay", *to, "--event", "e")
        assert machine.run("replay", *to, "--since", "2100-01-01").data["planned"] == 0
    assert numbers(endpoint) == [*range(10), *range(10)]


def test_copies_stay(machine: Machine) -> None:
    """With --copy the events are sent and go on waiting."""
    bodies = fill(machine, 5)
    with Endpoint() as endpoint:
        for _ in range(2):
            machine.run("replay", "--to", endpoint.base, "--copy", "--event", "e")
    assert numbers(endpoint) == [*range(5), *range(5)]
    waiting = [record.event for record in spool.records(machine.environment())]
    assert waiting[:5] == bodies


def interrupted(machine: Machine, number: int, *words: str) -> tuple[list[int], int]:
    """Interrupt a replay after some requests; give what had arrived and the exit status."""
    with Endpoint(slow) as endpoint:
        child = start(machine, "replay", "--to", endpoint.base, "--batch-size", "5", *words)
        assert endpoint.wait_for(3, seconds=20)
        child.send_signal(number)
        _, stderr = child.communicate(timeout=30)
        assert b"Traceback" not in stderr
        return numbers(endpoint), child.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_an_interrupted_replay_goes_on_where_it_ended(number: int, machine: Machine) -> None:
    """After Ctrl-C or a kill the next replay sends the rest; the batch under way may come twice."""
    fill(machine, 60)
    before, status = interrupted(machine, number)
    assert status == (130 if number == signal.SIGINT else -number)
    with Endpoint() as endpoint:
        machine.run("replay", "--to", endpoint.base, "--event", "e")
        after = numbers(endpoint)
    assert set(before) | set(after) == set(range(60))
    assert len(before) + len(after) <= 60 + 5
    assert after[0] in (before[-1] + 1, before[-5])


def test_an_interrupted_file_goes_on_too(machine: Machine) -> None:
    """A file's replay to the same address resumes; once it is through, the file starts anew."""
    lines = [b'{"name":"e","metadata":{},"payload":{"n":%d}}\n' % number for number in range(60)]
    (machine.cwd / "events.jsonl").write_bytes(b"".join(lines))
    file = ("--file", "events.jsonl")
    with Endpoint(slow) as endpoint:
        base = endpoint.base
        words = ("replay", "--to", base, "--batch-size", "5", *file)
        child = start(machine, *words)
        assert endpoint.wait_for(3, seconds=20)
        child.kill()
        child.communicate()
        first = len(numbers(endpoint))
        done = machine.run(*words)
        assert "goes on with it" in done.stderr
        assert set(numbers(endpoint)) == set(range(60))
        assert len(numbers(endpoint)) <= 60 + 5
        assert first < 60
        count = len(numbers(endpoint))
        machine.run("replay", "--to", base, *file)
        assert len(numbers(endpoint)) == count + 60


def test_two_at_once_never_send_twice(machine: Machine) -> None:
    """The second of two replays waits and says so; together they send every event once."""
    fill(machine, 40)
    with Endpoint(slow) as endpoint:
        words = ("replay", "--to", endpoint.base, "--batch-size", "5", "--event", "e")
        both = [start(machine, *words) for _ in range(2)]
        errors = [child.communicate(timeout=60)[1] for child in both]
    assert [child.returncode for child in both] == [0, 0]
    assert sorted(numbers(endpoint)) == list(range(40))
    assert sum(b"Another delivery is at work" in error for error in errors) == 1


def test_a_log_gets_a_line_a_second(machine: Machine) -> None:
    """Without a terminal a long replay says on stderr how far it is, line by line."""
    fill(machine, 60)
    with Endpoint(slow) as endpoint:
        done = machine.run("replay", "--to", endpoint.base, "--batch-size", "5", "--event", "e")
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 4
    assert all("of 60 sent, 0 rejected" in line for line in lines)
    assert "60 events sent" in done.stdout


def read_file(machine: Machine, data: bytes, endpoint: Endpoint) -> Any:  # noqa: ANN401
    """Replay bytes as a file."""
    (machine.cwd / "in.jsonl").write_bytes(data)
    return machine.run("replay", "--file", "in.jsonl", "--to", endpoint.base, "--json")


ONE = b'{"name":"e","metadata":{},"payload":{"n":1}}'
TWO = b'{"name":"e","metadata":{},"payload":{"n":2}}'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n\n", []),
        (ONE, [1]),
        (ONE + b"\r\n" + TWO + b"\r\n", [1, 2]),
        (b'{"events":[' + ONE + b" , " + TWO + b"]}", [1, 2]),
        (b"[" + ONE + b",\n" + TWO + b"]\n", [1, 2]),
        (json.dumps({"events": [json.loads(ONE)]}, indent=2).encode(), [1]),
        (json.dumps(json.loads(TWO), indent=1).encode(), [2]),
        (ONE + b"\nnot an event\n" + TWO, [1, 2]),
        (b"garbage\n" + ONE, [1]),
        (b"\x00\xff\n" + ONE, [1]),
        (b'{"events":[]}\n' + ONE, [1]),
        (b'{"events":[1,2]}\n' + ONE, [1]),
        (b'{"name":5}\n[]\n5\n"x"\n' + ONE, [1]),
        ((ONE + b"\r\n" + TWO + b"\r\n").decode().encode("utf-16"), [1, 2]),
        (b"\xfe\xff" + (ONE + b"\n" + TWO).decode().encode("utf-16-be"), [1, 2]),
        (ONE.decode().encode("utf-8-sig") + b"\n" + TWO, [1, 2]),
        (json.dumps([json.loads(ONE)], indent=2).encode("utf-16"), [1]),
    ],
)
def test_forms_of_a_file(data: bytes, expected: list[int], machine: Machine) -> None:
    """Events, bodies and lists are read, set out over lines or not; what is none is left out."""
    with Endpoint() as endpoint:
        done = read_file(machine, data, endpoint)
    assert done.status == 0, done.stderr
    assert numbers(endpoint) == expected
    assert done.data["sent"] == len(expected)
    assert "Traceback" not in done.stderr


def test_bad_lines_are_named(machine: Machine) -> None:
    """How many lines hold no event, and the number of the first, is said."""
    with Endpoint() as endpoint:
        done = read_file(machine, ONE + b"\nbad\n" + TWO + b"\n{}\n", endpoint)
    assert "2 lines hold no event and are left out (the first is line 2)" in done.stderr


def test_standard_input(machine: Machine) -> None:
    """`--file -` reads standard input, and leaves nothing of it behind."""
    with Endpoint() as endpoint:
        done = machine.run("replay", "--file", "-", "--to", endpoint.base, stdin=ONE + b"\n" + TWO)
    assert done.status == 0
    assert numbers(endpoint) == [1, 2]
    assert left_behind(machine) == []


def left_behind(machine: Machine) -> list[Path]:
    """List what a replay of a file laid out and did not remove."""
    return [path for path in (machine.state_dir / "spool" / "files").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read(name: str, machine: Machine) -> None:
    """The error names the file; nothing is sent."""
    done = machine.run("replay", "--file", name, "--to", "http://127.0.0.1:9/v1", "--json")
    assert (done.status, done.envelope["errors"][0]["code"]) == (3, "file-unreadable")


def test_rejected_are_listed_and_sent_again(machine: Machine) -> None:
    """What an endpoint refuses is shown with status and answer, and goes by --rejected."""
    fill(machine, 3)
    with Endpoint(in_turn(always(422, b"wrong shape"), always(200))) as endpoint:
        words = ("replay", "--to", endpoint.base, "--event", "e")
        done = machine.run(*words)
        assert done.status == 5
        assert "events-rejected" in done.stderr
        listed = machine.run("spool", "list", "--rejected")
        assert listed.stdout.startswith("3 events rejected.\n")
        assert listed.stdout.count("status 422: wrong shape\n") == 1  # one answer for all three
        assert machine.run("replay", "--to", endpoint.base, "--rejected").status == 0
    assert numbers(endpoint) == [0, 1, 2, 0, 1, 2]
    assert list(listing.entries(machine.environment(), ["rejected"])) == []
