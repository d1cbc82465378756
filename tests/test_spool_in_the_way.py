"""Whatever is wrong with the spool, a command's output and status are what they are without it."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support import confined
from tests.support.commands import run_inside
from tests.support.machine import NOW
from usagectl import spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.machine import Machine, Outcome

COMMAND = ("env", "bash")
EVENT = b'{"name":"e","metadata":{},"payload":{}}'


def expected(machine: Machine) -> tuple[int, str, str]:
    """Run the command with recording off."""
    done = machine.run(*COMMAND, variables={"DO_NOT_TRACK": "1"})
    return done.status, done.stdout, done.stderr


def outcome(done: Outcome) -> tuple[int, str, str]:
    """Take what a person or a script sees of a run."""
    return done.status, done.stdout, done.stderr


def garbage(machine: Machine) -> None:
    """Fill segments, logs, journals and counts with what none of them is."""
    folder = machine.state_dir / "spool"
    for number, data in enumerate((b"\0" * 5000, b"{" * 5000, b"\xff\xfe\n\n", b'{"uid":"', b"")):
        (folder / f"{number + 1:08d}.jsonl").write_bytes(data)
    (folder / "00000009.sending.jsonl").write_bytes(b"no line")
    (folder / "00000009.sending.done").write_bytes(b"0 99999999999999999999 x\n-1 2\n\xff")
    for name in ("sent", "rejected"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "00000001.jsonl").write_bytes(b'{"at":1}\n{"at":"x"\nrubbish')
    for name in ("losses.json", "pause.json", "child.lock"):
        (folder / name).write_bytes(b"[[[")


def folders_in_place(machine: Machine) -> None:
    """Put folders where files should be."""
    folder = machine.state_dir / "spool"
    for name in ("00000001.jsonl", "losses.json", "pause.json", "child.lock"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()


def links_in_place(machine: Machine) -> None:
    """Put links that lead in a circle where files should be."""
    folder = machine.state_dir / "spool"
    for name in ("00000001.jsonl", "00000002.jsonl", "losses.json"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(name)


def pipes_in_place(machine: Machine) -> None:
    """Put pipes that nobody reads where files should be."""
    folder = machine.state_dir / "spool"
    for name in ("00000001.jsonl", "losses.json", "pause.json", "child.lock"):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)


def file_in_place(machine: Machine) -> None:
    """Put a file where the spool's folder should be."""
    folder = machine.state_dir / "spool"
    folder.rename(folder.with_name("before"))
    folder.write_bytes(b"a file")


@pytest.mark.parametrize(
    "spoil", [garbage, folders_in_place, links_in_place, pipes_in_place, file_in_place]
)
@pytest.mark.parametrize("mode", ["local", "on"])
def test_a_spoilt_spool(spoil: Callable[[Machine], None], mode: str, machine: Machine) -> None:
    """Garbage, folders, links, pipes or a file in its place change nothing of a command."""
    spool.append(machine.environment(), EVENT, tool="usagectl", kind="e")
    spoil(machine)
    machine.variables |= {"USAGECTL_TELEMETRY": mode, "ANALYTICS_API": "http://127.0.0.1:9/v1"}
    assert outcome(machine.run(*COMMAND)) == expected(machine)
    for words in (("status", "--json"), ("spool",), ("spool", "list"), ("spool", "stats")):
        done = machine.run(*words)
        assert "Traceback" not in done.stderr, words
    assert machine.run("status", "--json").status == 0


def test_a_spoilt_spool_still_takes_and_sends(machine: Machine) -> None:
    """Beside garbage new events are kept, shown, and sent; the garbage is set aside, not lost."""
    from tests.support.endpoint import Endpoint

    spool.append(machine.environment(), EVENT, tool="usagectl", kind="e")
    garbage(machine)
    machine.run(*COMMAND)
    with Endpoint() as endpoint:
        done = machine.run("replay", "--to", endpoint.base, "--json")
    assert (done.status, done.data["sent"]) == (0, 1)
    (request,) = endpoint.received
    assert [event["payload"]["cmd"] for event in request.events] == ["usagectl env"]
    aside = b"".join(
        path.read_bytes() for path in (machine.state_dir / "spool" / "aside").iterdir()
    )
    for text in (b"{" * 5000, b"\xff\xfe", b'{"uid":"', b"no line"):
        assert text in aside


def test_a_full_disk_is_counted_and_said(machine: Machine) -> None:
    """On a full disk the command is as ever, and status says afterwards how many events went."""
    machine.run(*COMMAND)
    wall = confined.full_disk(machine)
    normal = expected(machine)
    done = confined.run_behind(wall, machine, *COMMAND)
    assert (done.status, done.stdout, done.stderr) == normal
    after = machine.folder.with_name(machine.folder.name + ".after")
    found = machine.run(
        "status", "--json", variables={"USAGECTL_STATE_DIR": str(after / "state")}
    ).data
    assert found["spool"]["lost"]["unwritable"] + found["spool"]["pending"] >= 2
    if found["spool"]["lost"]["unwritable"]:
        codes = [each["code"] for each in found["tools"][-1]["warnings"]]
        assert "events-lost" in codes


def test_a_read_only_disk_is_said(machine: Machine) -> None:
    """On a read-only disk the command is as ever, and status says that nothing is kept."""
    machine.run(*COMMAND)
    normal = expected(machine)
    wall = confined.read_only(machine)
    done = confined.run_behind(wall, machine, *COMMAND)
    assert (done.status, done.stdout, done.stderr) == normal
    found = confined.run_behind(wall, machine, "status", "--json")
    assert found.status == 0
    warnings = json.loads(found.stdout)["data"]["tools"][-1]["warnings"]
    assert "spool-unwritable" in [each["code"] for each in warnings]


@pytest.mark.parametrize("days", [-4000, -400, -1, 1, 400, 4000])
def test_a_clock_that_jumps(days: int, machine: Machine) -> None:
    """A clock that goes back or ahead changes no command; what is dropped as old is counted."""
    spool.append(machine.environment(), EVENT, tool="usagectl", kind="e")
    moved = machine.environment(now=lambda: NOW + timedelta(days=days))
    done = run_inside(moved, *COMMAND)
    still = machine.environment(variables={**machine.environment().variables, "DO_NOT_TRACK": "1"})
    assert outcome(done) == outcome(run_inside(still, *COMMAND))
    state = spool.state(moved)
    assert state.pending + state.losses.total == 2
    assert state.losses.old == (1 if days > 90 else 0)
    assert spool.state(machine.environment()).problem == ""
