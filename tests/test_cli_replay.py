"""Tests of `usagectl replay` as people run it: plans, refusals, questions, interruptions, files."""

from __future__ import annotations

import json
import resource
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import confined
from tests.support.commands import run_inside, start
from tests.support.counting import wait_until
from tests.support.delivering import event, fill, numbers, put, register, set_mode, states
from tests.support.endpoint import Endpoint, always, hang, in_turn
from tests.support.terminals import answer
from usagectl.cli._progress import CountMeter, LineMeter, counted
from usagectl.delivery.replay import Progress

if TYPE_CHECKING:
    from tests.support.endpoint import Connection, Received
    from tests.support.machine import Machine, Outcome

QUIET = {"USAGECTL_TELEMETRY": "local"}
ELSEWHERE = ("replay", "--to", "https://name.invalid/v1", "--timeout", "0.3")


def run(machine: Machine, *words: str, **variables: str) -> Outcome:
    """Run a command line in this process; what it records about itself is left out."""
    given = machine.environment().variables
    return run_inside(machine.environment(variables={**given, **variables}), *words)


def slow(connection: Connection, _request: Received) -> None:
    """Acknowledge after a moment."""
    time.sleep(0.15)
    connection.answer(200)


def code_of(found: Outcome) -> tuple[int, str]:
    """Return the exit status and the code of the first error of a JSON answer."""
    return found.status, found.envelope["errors"][0]["code"]


def test_a_dry_run_counts_and_changes_nothing(machine: Machine) -> None:
    """The plan has the requests, events and bytes of the run, opens nothing and moves nothing."""
    fill(machine, 25)
    with Endpoint() as there:
        words = ("replay", "--to", there.base, "--event", "e", "--batch-size", "10", "--json")
        planned = run(machine, *words, "--dry-run").data
        assert (there.accepted, planned["sent"], planned["kept"]) == (0, 0, 25)
        done = run(machine, *words).data
    assert (planned["planned"], planned["batches"], planned["bytes"]) == (25, 3, done["bytes"])
    assert [each["events"] for each in planned["requests"]] == [10, 10, 5]
    assert (done["sent"], done["batches"], done["kept"], done["rejected"]) == (25, 3, 0, 0)


def test_a_dry_run_of_an_empty_machine_makes_nothing(machine: Machine) -> None:
    """Where nothing was recorded, or the events are a file's, a plan leaves no trace."""
    (machine.cwd / "file.jsonl").write_bytes(event(1))
    for more in ((), ("--file", "file.jsonl")):
        words = ("replay", "--to", "http://127.0.0.1:9/v1", "--dry-run", *more)
        assert run(machine, *words, DO_NOT_TRACK="1").status == 0
    assert not machine.state_dir.exists()


def test_off_refuses_and_names_the_switch(machine: Machine) -> None:
    """Off sends and asks nothing; an address of this machine is allowed by name."""
    fill(machine, 3)
    with Endpoint() as there:
        for name, value in (("DO_NOT_TRACK", "1"), ("DISABLE_EVENTS", "yes")):
            refused = run(machine, "replay", "--json", **{name: value, "ANALYTICS_API": there.base})
            assert code_of(refused) == (1, "telemetry-off")
            assert name in refused.envelope["errors"][0]["message"]
        assert run(machine, *ELSEWHERE, "--yes", DO_NOT_TRACK="1").status == 1
        assert there.accepted == 0
        assert run(machine, "replay", "--to", there.base, DO_NOT_TRACK="1").status == 0
    assert numbers(there) == [0, 1, 2]


def test_addresses_that_are_not_taken(machine: Machine) -> None:
    """Plain http elsewhere needs a word; an empty address never means that of the settings."""
    fill(machine, 1)
    to = ("replay", "--to", "http://me:secret@telemetry.invalid/v1", "--tool", "usagectl")
    refused = run(machine, *to)
    assert refused.status == 2
    assert "endpoint-not-https" in refused.stderr
    assert "secret" not in refused.stderr
    assert "@telemetry.invalid/v1' --tool usagectl --allow-http" in refused.stderr
    empty = run(machine, "replay", "--to", "", "--yes", "--json")
    assert code_of(empty) == (2, "endpoint-invalid")
    assert "--to" in empty.envelope["errors"][0]["message"]


def test_nothing_leaves_unasked(machine: Machine) -> None:
    """Without a terminal and without --yes, what is local stays: mode on, or --yes, lets it go."""
    for form in ((), ("--json",)):
        fill(machine, 1)
        words = (*ELSEWHERE, *form)
        refused = run(machine, *words, **QUIET)
        assert refused.status == 2
        told = refused.stdout + refused.stderr
        assert "confirmation-needed" in told
        assert "usagectl replay --to https://name.invalid/v1 --timeout 0.3 --yes" in told
        assert run(machine, *words, USAGECTL_TELEMETRY="on").status == 5
        assert run(machine, *words, "--yes", **QUIET).status == 5


def test_one_tools_switch_speaks_for_no_other(machine: Machine) -> None:
    """A registered tool that is local is not sent unasked with one that is on."""
    register(machine, one="")
    put(machine, event(1), tool="one")
    put(machine, event(2))
    machine.variables |= {"ANALYTICS_API": "https://name.invalid/v1"}
    set_mode(machine, "usagectl", "on")
    assert run(machine, "replay", "--timeout", "0.3").status == 2
    assert run(machine, "replay", "--timeout", "0.3", "--tool", "usagectl").status == 5


def test_a_terminal_is_asked_before_anything_leaves(machine: Machine) -> None:
    """On a terminal the number and the address are shown first; no is no, and is said."""
    fill(machine, 2)
    words = ("replay", "--event", "e", "--timeout", "0.3")
    for typed, expected in ((b"n\n", 1), (b"y\n", 5)):
        status, shown = answer(machine, *words, typed=typed, variables=QUIET)
        assert status == expected
        assert b"Send 2 events to https://analytics.localstack.cloud?" in shown
        assert (b"Nothing was sent." in shown) == (status == 1)
    assert len(states(machine)["pending"]) >= 2


def test_what_stays_says_why(machine: Machine) -> None:
    """A tool without an endpoint has none of its own; each hint does what it says."""
    register(machine, none="", own="https://own.invalid/v1", off="")
    for name in ("none", "own", "off", "own"):
        put(machine, event(1), tool=name)
    set_mode(machine, "off", "off")
    told = run(machine, "replay", "--dry-run").stderr
    assert "1 event of none stays here: that tool names no endpoint." in told
    assert "usagectl replay --tool none --to http://127.0.0.1:8123/v1" in told
    assert "2 events of own stay here: that tool has an endpoint of its own." in told
    assert "usagectl replay --tool own" in told
    assert "1 event of off stays here: that tool is off, by tools.off.mode=off" in told


def test_what_is_shown_next_is_the_same_command(machine: Machine) -> None:
    """The next step goes where the person wanted, with no password of theirs in it."""
    (machine.cwd / "a file.jsonl").write_bytes(event(1) + b"\n")
    with Endpoint(hang) as there:
        words = ("replay", "--file", "a file.jsonl", "--to", there.base)
        found = run(machine, *words, "--dry-run")
        assert f"Next: usagectl replay --file 'a file.jsonl' --to {there.base}" in found.stdout
        failed = run(machine, *words, "--timeout", "0.2")
    assert "try: usagectl replay --file 'a file.jsonl' --to http" in failed.stderr
    assert "--timeout 0.2 --dry-run" in failed.stderr
    fill(machine, 1)
    with Endpoint(always(503)) as there:
        to = there.base.replace("//", "//me:secret@")
        busy = run(machine, "replay", f"--to={to}", "--timeout", "0.5")
    assert busy.status == 5
    assert "secret" not in busy.stderr
    assert f"@127.0.0.1:{there.port}/v1' --timeout 0.5" in busy.stderr


def test_an_answer_for_nothing(machine: Machine) -> None:
    """Where nothing fits what was asked for, that is said, not that nothing waits."""
    to = ("replay", "--to", "http://127.0.0.1:9/v1")
    assert "Nothing waits, so nothing was sent." in run(machine, *to, DO_NOT_TRACK="1").stdout
    fill(machine, 1)
    assert "Nothing that waits was chosen" in run(machine, *to, "--tool", "usgaectl").stdout
    assert run(machine, *to, "--since", "2100-01-01", "--json").data["planned"] == 0


def test_rejected_are_listed_and_sent_again(machine: Machine) -> None:
    """What an endpoint refuses is shown with status and answer, and goes by --rejected."""
    fill(machine, 3)
    with Endpoint(in_turn(always(422, b"wrong shape"), always(200))) as there:
        words = ("replay", "--to", there.base, "--event", "e")
        done = run(machine, *words)
        assert done.status == 5
        assert "refused 3 events (status 422): wrong shape; kept under rejected." in done.stderr
        listed = run(machine, "spool", "list", "--rejected")
        assert listed.stdout.startswith("3 events rejected.\n")
        assert listed.stdout.count("status 422: wrong shape\n") == 1  # One answer for all three.
        assert run(machine, *words, "--rejected").status == 0
    assert numbers(there) == [0, 1, 2, 0, 1, 2]
    assert states(machine)["rejected"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_an_interrupted_replay_goes_on_where_it_ended(number: int, machine: Machine) -> None:
    """After Ctrl-C or a kill the next replay sends the rest; the batch under way may come twice."""
    fill(machine, 60)
    words = ("replay", "--event", "e", "--batch-size", "5", "--json")
    with Endpoint(slow) as there:
        child = start(machine, *words, "--to", there.base)
        assert there.wait_for(3, seconds=20)
        child.send_signal(number)
        out, err = child.communicate(timeout=30)
        before = numbers(there)
    assert b"Traceback" not in err
    assert child.returncode == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        data = json.loads(out)["data"]
        assert data["sent"] in (len(before), len(before) - 5)
        assert (data["planned"], data["kept"]) == (60, 60 - data["sent"])
    with Endpoint() as there:
        run(machine, *words, "--to", there.base)
        after = numbers(there)
    assert set(before) | set(after) == set(range(60))
    assert len(before) + len(after) <= 60 + 5
    assert after[0] in (before[-1] + 1, before[-5])


def test_an_interruption_knows_what_was_planned(machine: Machine) -> None:
    """Also before the first answer."""
    fill(machine, 1)
    with Endpoint(hang) as there:
        child = start(machine, "replay", "--to", there.base, "--event", "e", "--json")
        assert there.wait_for(1)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    data = json.loads(out)["data"]
    assert (child.returncode, data["planned"], data["kept"], data["sent"]) == (130, 1, 1, 0)


def test_two_at_once_never_send_twice(machine: Machine) -> None:
    """The second of two replays, of the spool or of a file, waits; each event goes once."""
    fill(machine, 40)
    lines = [event(number) + b"\n" for number in range(40)]
    (machine.cwd / "file.jsonl").write_bytes(b"".join(lines))
    for more in (("--event", "e"), ("--file", "file.jsonl")):
        is_waiting = threading.Event()

        def answer(
            connection: Connection, _request: Received, gate: threading.Event = is_waiting
        ) -> None:
            gate.wait(60)
            connection.answer(200)

        with Endpoint(answer) as there:
            words = ("replay", "--to", there.base, "--timeout", "60", "--batch-size", "5", *more)
            first = start(machine, *words)
            assert there.wait_for(1, seconds=30)
            second = start(machine, *words)
            assert second.stderr is not None
            told = [second.stderr.readline() for _ in range(2 if "--file" in more else 1)]
            assert b"Another delivery is at work" in told[-1]
            is_waiting.set()
            errors = [child.communicate(timeout=60)[1] for child in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), errors
        assert sorted(numbers(there)) == list(range(40))


def test_an_interrupted_file_goes_on_too(machine: Machine) -> None:
    """A file's replay to the same address resumes; once it is through, the file starts anew."""
    lines = [event(number) + b"\n" for number in range(60)]
    (machine.cwd / "events.jsonl").write_bytes(b"".join(lines))
    with Endpoint(slow) as there:
        words = ("replay", "--to", there.base, "--batch-size", "5", "--file", "events.jsonl")
        child = start(machine, *words)
        assert there.wait_for(3, seconds=20)
        child.kill()
        child.communicate()
        assert len(numbers(there)) < 60
        done = run(machine, *words)
        assert "An earlier replay of this file had begun" in done.stderr
        assert set(numbers(there)) == set(range(60))
        count = len(numbers(there))
        assert count <= 60 + 5
        again = run(machine, *words, "--batch-size", "60")
        assert again.stderr == ""
    assert len(numbers(there)) == count + 60


def test_a_plan_is_what_is_sent(machine: Machine) -> None:
    """A dry run leaves no event of its own, and of a file it plans what an earlier one left."""
    put(machine, event(1))
    run(machine, "explain")
    file = machine.cwd / "events.jsonl"
    file.write_bytes(b"".join(event(number) + b"\n" for number in range(9)))
    with Endpoint() as there:
        given = ("replay", "--to", there.base, "--limit", "4", "--json")
        for words in ((), ("--file", "events.jsonl"), ("--file", "events.jsonl")):
            plans = [run(machine, *given, *words, "--dry-run").data for _ in range(2)]
            done = run(machine, *given, *words).data
            for plan in plans:
                assert (plan["planned"], plan["bytes"]) == (done["sent"], done["bytes"]), words
        assert numbers(there)[-4:] == [4, 5, 6, 7]
        rest = run(machine, *given, "--file", "events.jsonl", "--dry-run").data
    assert rest["planned"] == 1


def test_a_log_gets_a_line_a_second(machine: Machine) -> None:
    """Without a terminal a long replay says on stderr how far it is, line by line."""
    fill(machine, 60)
    with Endpoint(slow) as there:
        done = run(machine, "replay", "--to", there.base, "--batch-size", "5", "--event", "e")
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 4
    assert all("of 60 sent, 0 rejected" in line for line in lines)
    assert "60 events sent" in done.stdout


def test_a_log_says_what_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Also while nothing is answered: a line each time, with the reason, and none at the end."""
    with LineMeter("http://h", seconds=0.01) as meter:
        meter.delay("waiting for another delivery to end")
        assert wait_until(lambda: meter.lines > 0)
        meter.progress(Progress(sent=3), 9)
        meter.delay("http://h answers with status 503; trying again")
        assert wait_until(lambda: meter.lines > 3)
    told = capsys.readouterr().err.splitlines()
    assert told[0].endswith(" s; waiting for another delivery to end")
    assert len(told) == meter.lines
    assert told[-1].startswith("3 of 9 sent, 0 rejected, 0 bytes, ")
    assert told[-1].endswith("http://h answers with status 503; trying again")
    with LineMeter("http://h", seconds=0.01) as meter:
        meter.progress(Progress(), 9)
        assert wait_until(lambda: meter.lines > 0)
    assert "waiting for http://h to answer" in capsys.readouterr().err


def test_a_log_counts_what_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    """How many rows or events are done, and of how many; what ends at once leaves no line."""
    with CountMeter("Verifying", "rows", seconds=0.01, first_seconds=0.01) as meter:
        meter.show(3, 7)
        assert wait_until(lambda: meter.lines > 1)
        meter.show(5, None)
        seen = meter.lines
        assert wait_until(lambda: meter.lines > seen + 1)
    told = capsys.readouterr().err.splitlines()
    assert told[1].startswith("Verifying: 3 of 7 rows, ")
    assert told[-1].startswith("Verifying: 5 rows, ")
    with CountMeter("Auditing", "events") as meter:
        assert list(counted("abc", meter.show, 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_bad_lines_are_named(machine: Machine) -> None:
    """How many lines hold no event, and the number of the first, is said; copies of a file go.

    A file that holds none, or cannot be read, is an error that names it.
    """
    file = machine.cwd / "in.jsonl"
    words = ("replay", "--file", "in.jsonl", "--to")
    with Endpoint() as there:
        file.write_bytes(event(1) + b"\nbad\n" + event(2) + b"\n{}\n")
        told = run(machine, *words, there.base, "--copy")
        assert "2 lines hold no event and are left out (the first is line 2)" in told.stderr
        file.write_bytes(b"bad\n" + event(3))
        assert "Line 1 holds no event" in run(machine, *words, there.base).stderr
        assert "Line 1 holds no event" in run(machine, *words, there.base, "--copy").stderr
    assert numbers(there) == [1, 2, 3, 3]
    file.write_bytes(b"bad\n")
    found = run(machine, *words, there.base, "--json")
    assert code_of(found) == (3, "no-events")
    for name in ("missing", "."):
        found = run(machine, "replay", "--file", name, "--to", "http://127.0.0.1:9/v1", "--json")
        assert code_of(found) == (3, "file-unreadable")
        assert name in found.envelope["errors"][0]["message"]


def test_standard_input(machine: Machine) -> None:
    """`--file -` reads standard input, as PowerShell writes it too, and leaves nothing behind."""
    both = event(1) + b"\r\n" + event(2) + b"\r\n"
    for data in (both, both.decode().encode("utf-16")):
        with Endpoint() as there:
            done = machine.run("replay", "--file", "-", "--to", there.base, stdin=data)
        assert done.status == 0
        assert numbers(there) == [1, 2]
    assert list((machine.state_dir / "files").iterdir()) == []


def _no_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_what_cannot_be_noted_is_not_sent(machine: Machine) -> None:
    """On a full disk or a read-only one nothing goes, else it would go again and again."""
    fill(machine, 1)
    (machine.cwd / "file.jsonl").write_bytes(event(1) + b"\n")
    with Endpoint() as there:
        words = ("replay", "--to", there.base, "--event", "e")
        full = start(machine, *words, preexec_fn=_no_room)
        _, err = full.communicate(timeout=60)
        assert full.returncode == 4, err
        for more in ((), ("--file", "file.jsonl")):
            wall = confined.read_only(machine)
            found = confined.run_behind(wall, machine, *words, *more, "--json")
            assert code_of(found) == (4, "spool-unwritable")
        assert there.received == []
        assert run(machine, *words).status == 0
    assert numbers(there) == [0]


def test_without_a_home_the_hint_makes_a_place(machine: Machine) -> None:
    """Where there is no folder, none is named: neither as `None` nor as an empty one."""
    homeless = machine.environment(state_dir=None, config_dir=None)
    (machine.cwd / "file.jsonl").write_bytes(event(1) + b"\n")
    for words in (("spool",), ("replay", "--file", "file.jsonl", "--to", "http://127.0.0.1:9/v1")):
        found = run_inside(homeless, *words)
        assert 'try: export USAGECTL_STATE_DIR="$(mktemp -d)"' in found.stdout + found.stderr
        assert "None" not in found.stdout
    assert "()" not in run_inside(homeless, "status").stdout


def test_a_preview_of_what_waits(machine: Machine) -> None:
    """It masks credentials of the address, and needs no number's value to show the bytes."""
    digits = b"1" * 6000
    body = b'{"name":"%b","metadata":{},"payload":{"n":%b}}'
    for kind in (b"e", b"session"):
        put(machine, body % (kind, digits), kind=kind.decode())
    words = ("preview", "usagectl", "--waiting")
    found = run(machine, *words, "--raw")
    assert found.status == 0
    assert found.stdout.encode().count(digits) == 2
    machine.variables["ANALYTICS_API"] = "https://me:secret@x.invalid/v1"
    named = run(machine, *words, "--json").data["requests"]
    assert [each["events"] for each in named][:2] == [["e"], ["session"]]
    assert named[0]["url"] == "https://x.invalid/v1/events"
    assert set(named[0]["headers"]["Authorization"].removeprefix("Basic ")) == {"*"}
