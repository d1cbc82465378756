"""Tests of odd surroundings: other locales, closed and full streams, a reader that leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import furnish, start
from tests.support.spooling import entries, lay, make_record

if TYPE_CHECKING:
    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shell redirections are POSIX")
needs_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="Linux alone has a device that is always full"
)


def run_in_shell(machine: Machine, redirected: str) -> tuple[int, str, str]:
    """Run `usagectl` with the shell's redirections."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m usagectl {redirected}', sys.executable],
        env=machine.process_variables(),
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_any_locale_works(machine: Machine, subtests: pytest.Subtests) -> None:
    """A path that the locale cannot write is shown escaped; the command does its work."""
    furnish(machine)
    machine.variables["XDG_CACHE_HOME"] = str(machine.folder / "caché-\udcff")
    for variables in (
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
    ):
        for words in (("status",), ("explain", "session")):
            outcome = machine.run(*words, variables=variables)
            with subtests.test(f"{words} with {variables}"):
                assert (outcome.status, outcome.stderr) == (0, "")
                assert words[0] == "explain" or "cach" in outcome.stdout


@needs_full_device
def test_a_full_disk_behind_stdout_is_said_once(
    machine: Machine, subtests: pytest.Subtests
) -> None:
    """An answer that cannot be written is one error with a status, never a traceback."""
    for words in ("status", "status --json", "env", "--version", "--help"):
        status, _, stderr = run_in_shell(machine, f"{words} >/dev/full")
        with subtests.test(words):
            assert status == 3
            assert stderr.startswith("error: The answer cannot be written to stdout: no space left")
            assert stderr.count("\n") == 2


@needs_full_device
def test_a_stderr_that_takes_nothing_changes_nothing(machine: Machine) -> None:
    """The status and stdout are the same whether a complaint could be shown or not."""
    for stream in (">/dev/full", ">&-"):
        assert run_in_shell(machine, f"disable nope 2{stream}")[0] == 2
        status, stdout, _ = run_in_shell(
            machine, f"status localstack --expect off --json 2{stream}"
        )
        assert (status, stdout[:12]) == (1, '{"schema": 1')


def test_closed_streams_lead_nowhere(machine: Machine, subtests: pytest.Subtests) -> None:
    """A closed stream is nobody's mistake: the command asks nothing, and does its work."""
    furnish(machine)
    before = machine.machine_json.read_text()
    for words in (
        *("status >&-", "env >&- 2>&-", "--version >&-"),
        *("reset-machine-id <&- >&-", "reset-machine-id >/dev/null <&-"),
        *("reset-machine-id >&-", "reset-machine-id >/dev/null 2>&-"),
    ):
        with subtests.test(words):
            assert run_in_shell(machine, words) == (0, "", "")
            assert (machine.machine_json.read_text() != before) == words.startswith("reset")
            machine.machine_json.write_text(before)


def test_a_reader_that_leaves_is_no_error(machine: Machine) -> None:
    """`| head -1` ends the command in silence, also where it writes exact bytes."""
    lay(machine, *(make_record() for _ in range(20_000)))
    for words in ("explain", "spool show --raw", "spool export", "spool list --limit 0"):
        status, stdout, stderr = run_in_shell(machine, f"{words} | head -1")
        assert (status, stdout.count("\n"), stderr) == (0, 1, ""), words


def test_a_reader_who_goes_takes_no_event_along(machine: Machine) -> None:
    """`usagectl preview | head -1` ends with 141, says nothing, and is recorded all the same."""
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(machine, "preview", stdout=theirs)
    os.close(theirs)
    assert (process.communicate()[1], process.returncode) == (b"", 141)
    (record,) = entries(machine)
    assert b'"cmd":"usagectl preview"' in record.body
