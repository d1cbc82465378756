"""Tests of many processes at once: a crowd of command lines that all write the same files."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import furnish, start
from usagectl import consent, identity
from usagectl.machine import files
from usagectl.tools import localstack_profiles as profiles

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from tests.support.machine import Machine

pytest.importorskip("fcntl", reason="these locks are POSIX")

linux = pytest.mark.skipif(sys.platform != "linux", reason="the wait is seen in /proc")

CROWD = int(os.environ.get("USAGECTL_CROWD", "16"))
PROFILE = b"# mine\nexport DEBUG=1"
BLOCK = profiles.add_block(PROFILE, {"DISABLE_EVENTS": "1"})


def run_crowd(
    machine: Machine, commands: Sequence[Sequence[str]], gate: Path
) -> list[tuple[int, bytes, bytes]]:
    """Start every command while `gate` is locked, then let them all go."""
    with files.lock(gate):
        crowd = [start(machine, *words) for words in commands]
    ends = [process.communicate(timeout=120) for process in crowd]
    return [(process.returncode, out, err) for process, (out, err) in zip(crowd, ends, strict=True)]


def leftovers(machine: Machine) -> list[Path]:
    """List files that no command leaves behind: temporary ones and locks."""
    return [
        path
        for path in machine.folder.rglob("*")
        if path.is_file() and (path.suffix in (".tmp", ".lock") or ".corrupt-" in path.name)
    ]


def test_resets_at_once_leave_one_id_everywhere(machine: Machine) -> None:
    """All succeed; every place holds the whole ID that one of them drew, beside its other keys."""
    furnish(machine)
    volume = machine.home / ".cache" / "localstack" / "volume" / "cache" / "machine.json"
    volume.parent.mkdir(parents=True)
    volume.write_text('{"machine_id": "old", "kept": true}')
    words = ("reset-machine-id", "--yes", "--reveal", "--json")
    ends = run_crowd(machine, [words] * CROWD, machine.state_dir)

    assert Counter((status, err) for status, _, err in ends) == {(0, b""): CROWD}
    drawn = Counter(
        replaced["after"]
        for _, out, _ in ends
        for replaced in json.loads(out)["data"]["replaced"]
        if replaced["tool"] == "localstack" and replaced["part"] == "cli"
    )
    assert set(drawn.values()) == {1}, "two processes drew the same ID"
    stored = json.loads(machine.machine_json.read_text())
    assert stored["machine_id"] in drawn
    assert stored["other"] == 1
    assert json.loads(volume.read_text()) == {"machine_id": stored["machine_id"], "kept": True}
    lstk = (machine.home / ".config" / "lstk" / "machine_id").read_text()
    assert identity.kind_of(lstk) == "random"
    assert leftovers(machine) == []


def test_corrupt_files_are_set_aside_once_among_many(machine: Machine) -> None:
    """The first process sets the bytes aside; those after it find a whole file."""
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.write_bytes(b"precious")
    words = ("reset-machine-id", "--yes", "--json")
    ends = run_crowd(machine, [words] * (CROWD // 2), machine.state_dir)
    assert {status for status, _, _ in ends} == {0}
    asides = leftovers(machine)
    assert [aside.read_bytes() for aside in asides] == [b"precious"]


@pytest.mark.parametrize("exists", [True, False], ids=["profile", "no profile"])
def test_disables_at_once_write_one_block(machine: Machine, *, exists: bool) -> None:
    """All succeed; the profile has the opt-out once, after the lines that were there."""
    machine.default_profile.parent.mkdir()
    if exists:
        machine.default_profile.write_bytes(PROFILE)
    ends = run_crowd(machine, [("disable", "--json")] * CROWD, machine.home)
    assert Counter((status, err) for status, _, err in ends).keys() == {(0, b"")}
    data = machine.default_profile.read_bytes()
    assert data == (BLOCK if exists else profiles.add_block(None, {"DISABLE_EVENTS": "1"}))
    assert {part.telemetry for part in consent.evaluate(machine.environment()) if part.counts} == {
        "off"
    }
    assert leftovers(machine) == []


def test_disable_and_enable_at_once_never_tear_a_profile(machine: Machine) -> None:
    """While both run, a reader sees the file with the block or without it, nothing else."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_bytes(PROFILE)
    commands = [("disable", "--json"), ("enable", "--json")] * (CROWD // 2)
    with files.lock(machine.default_profile.parent):
        crowd = [start(machine, *words) for words in commands]
    seen = set()
    while any(process.poll() is None for process in crowd):
        seen.add(machine.default_profile.read_bytes())
        crowd[-1].poll()
    ends = [process.communicate(timeout=120) for process in crowd]
    assert seen <= {PROFILE, BLOCK}
    assert machine.default_profile.read_bytes() in (PROFILE, BLOCK)
    # A disable may find itself undone when it reads back; it says so with 1 and nothing else.
    assert {process.returncode for process in crowd} <= {0, 1}
    for process, (out, err) in zip(crowd, ends, strict=True):
        assert err == b""
        codes = {error["code"] for error in json.loads(out)["errors"]}
        assert codes <= {"switch-ineffective"} if process.returncode else codes == set()
    assert leftovers(machine) == []


def test_mixed_commands_at_once_keep_every_setting(machine: Machine) -> None:
    """Settings written at the same time by different commands are all there afterwards."""
    commands = [
        ("settings", "set", "telemetry.endpoint", "http://127.0.0.1:9/v1"),
        ("cache-dir", "set", "chosen"),
        ("settings", "set", "telemetry.mode", "local"),
        ("reset-machine-id", "--yes"),
        ("status", "--json"),
        ("preview", "--json"),
    ] * 2
    ends = run_crowd(machine, commands, machine.config_dir)
    assert Counter((status, err) for status, _, err in ends) == {(0, b""): len(commands)}
    values = {
        row["name"]: row["value"] for row in machine.run("settings", "--json").data["settings"]
    }
    assert values["telemetry.mode"] == "local"
    assert values["telemetry.endpoint"] == "http://127.0.0.1:9/v1"
    assert values["localstack.cache_dir"] == str(machine.cwd / "chosen")
    assert leftovers(machine) == []


LOCKING = [
    (
        ("reset-machine-id", "--yes"),
        "home/.cache/localstack-cli/machine.json",
        '{"machine_id": "x", "meanwhile": 1}',
    ),
    (("disable", "localstack"), "home/.localstack/default.env", "meanwhile=1\n"),
    (
        ("settings", "set", "telemetry.mode", "off"),
        "config/settings.toml",
        "# meanwhile\n",
    ),
]
"""Commands, a file that each changes, and what another writes there."""


@linux
@pytest.mark.parametrize(("words", "file", "text"), LOCKING)
def test_a_command_waits_for_the_lock(
    machine: Machine, words: tuple[str, ...], file: str, text: str
) -> None:
    """Ctrl-C while another has it ends with 130 and changes nothing; what another wrote is kept.

    A command reads what it changes only once it holds the lock.
    """
    written, folder = machine.folder / file, machine.state_dir
    with files.lock(folder):
        process = start(machine, *words)
        wait_until_it_opened(process, folder)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (130, b"")
        assert b"Traceback" not in err
        spool = [machine.state_dir / f"spool.db{end}" for end in ("", "-wal", "-shm")]
        assert [p for p in machine.folder.rglob("*") if p.is_file() and p not in spool] == []
        process = start(machine, *words)
        wait_until_it_opened(process, folder)
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(text)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert written.read_text() != text
    assert "meanwhile" in written.read_text()


def wait_until_it_opened(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until a process has a folder open, as one that waits for its lock has."""
    while process.poll() is None:
        try:
            opened = {str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir()}
        except FileNotFoundError:
            continue
        if str(folder) in opened:
            return
    pytest.fail("the command ended without waiting for the lock")
