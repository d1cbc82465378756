"""Tests of hostile machines: nothing can be written, no home, a folder that is gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import furnish
from tests.support.confined import (
    full_disk,
    powerless,
    read_only,
    run_behind,
    without_account,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine, Outcome

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these walls are POSIX")

ANSWERING = ("status", "preview", "explain", "env bash", "machine-id", "cache-dir", "settings")
WRITING = (
    "disable",
    "enable usagectl",
    "reset-machine-id --yes",
    "machine-id set custom-1",
    "settings set telemetry.mode off",
    "cache-dir set x",
)
CLEARING = "cache-dir clear --yes"
ALL = (*ANSWERING, *WRITING, CLEARING)
HOMELESS = {"HOME": None, "USAGECTL_CONFIG_DIR": None, "USAGECTL_STATE_DIR": None}


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Take mode and bytes of every file; the spool is left out, it may grow or be purged."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and "spool" not in path.parts and path.name != "filler"
    }


def check_answer(done: Outcome) -> None:
    """Check that a command answered: no traceback, one envelope without an error, status 0."""
    assert (done.status, done.stderr) == (0, "")
    assert done.envelope["errors"] == []


def check_refusal(done: Outcome, *codes: str) -> None:
    """Check that a command said what failed: its status, a code, a sentence, a next step."""
    assert (done.status, done.stderr) == (3, "")
    first = done.envelope["errors"][0]
    assert first["code"] in codes
    assert first["message"]
    assert first["hint"]


@pytest.fixture
def furnished(machine: Machine) -> Machine:
    """Give a machine on which every command has something to read and to change."""
    furnish(machine)
    return machine


@pytest.mark.parametrize("words", ALL)
def test_a_read_only_disk_changes_no_answer_and_no_file(furnished: Machine, words: str) -> None:
    """What only answers, answers; what writes says which file could not be written."""
    before = contents(furnished.folder)
    done = run_behind(read_only(furnished), furnished, *words.split(), "--json")
    if words in ANSWERING:
        check_answer(done)
    else:
        check_refusal(done, "file-unwritable")
    assert contents(furnished.folder) == before


@pytest.mark.parametrize("words", ALL)
def test_folders_without_the_right_to_write_are_the_same(furnished: Machine, words: str) -> None:
    """Modes that forbid writing are as good a wall as a read-only disk."""
    wall = powerless()
    before = contents(furnished.folder)
    folders = [furnished.folder, *(p for p in furnished.folder.rglob("*") if p.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o500)
        done = run_behind(wall, furnished, *words.split(), "--json")
    finally:
        for folder in folders:
            folder.chmod(0o700)
    if words in ANSWERING:
        check_answer(done)
    else:
        check_refusal(done, "file-unwritable")
    assert contents(furnished.folder) == before


@pytest.mark.parametrize("words", ALL)
def test_a_full_disk_leaves_every_old_byte(furnished: Machine, words: str) -> None:
    """Without a free byte nothing is half written, no leftover stays; removing still works."""
    before = contents(furnished.folder)
    done = run_behind(full_disk(furnished), furnished, *words.split(), "--json")
    after = contents(furnished.folder.with_name(f"{furnished.folder.name}.after"))
    if words == CLEARING:
        check_answer(done)
        gone = {"home/.cache/localstack-cli/machine.json", "home/.config/lstk/machine_id"}
        assert before.keys() - after.keys() == gone
    elif words in ANSWERING:
        check_answer(done)
        assert after == before
    else:
        check_refusal(done, "file-unwritable")
        assert after == before


def test_a_corrupt_file_on_a_full_disk_stays_in_its_place(furnished: Machine) -> None:
    """Setting aside works on a full disk, the new file does not: then all is as it was."""
    furnished.machine_json.write_bytes(b"broken")
    before = contents(furnished.folder)
    done = run_behind(full_disk(furnished), furnished, "reset-machine-id", "--yes", "--json")
    check_refusal(done, "file-unwritable")
    assert contents(furnished.folder.with_name(f"{furnished.folder.name}.after")) == before


@pytest.mark.parametrize("words", ALL)
def test_files_that_may_not_be_read(furnished: Machine, words: str) -> None:
    """Every file locked: answers go on; an ID is set aside and made anew, the rest is refused."""
    wall = powerless()
    files = [
        furnished.machine_json,
        furnished.default_profile,
        furnished.config_dir / "settings.toml",
    ]
    texts = [file.read_bytes() for file in files]
    for file in files:
        file.chmod(0)
    done = run_behind(wall, furnished, *words.split(), "--json")
    if words in ANSWERING or words in (CLEARING, *WRITING[2:4]):
        check_answer(done)
    else:
        check_refusal(done, "file-unreadable")
    held = contents(furnished.folder).values()
    assert all(text in [data for _, data in held] for text in texts)


def test_what_cannot_be_read_is_off_for_us(furnished: Machine) -> None:
    """Settings that cannot be read count as off, and status says why (design, rule 2.2)."""
    (furnished.config_dir / "settings.toml").chmod(0)
    done = run_behind(powerless(), furnished, "status", "--json")
    own = next(part for part in done.data["tools"] if part["name"] == "usagectl")
    assert own["telemetry"] == "off"
    assert [warning["code"] for warning in own["warnings"]] == ["setting-unreadable"]


@pytest.mark.parametrize("words", ALL)
def test_a_home_that_may_not_be_entered(furnished: Machine, words: str) -> None:
    """Such a home (of another user, say) is unreadable, not empty, and never a traceback."""
    wall = powerless()
    try:
        furnished.home.chmod(0)
        done = run_behind(wall, furnished, *words.split(), "--json")
    finally:
        furnished.home.chmod(0o700)
    if words in ANSWERING:
        check_answer(done)
    assert done.stderr == ""
    assert done.status == (3 if words in (WRITING[0], *WRITING[2:4]) else 0)


@pytest.mark.parametrize("words", ALL)
def test_no_home_at_all(machine: Machine, words: str) -> None:
    """Without HOME and without an account, answers go on and a refusal names the way out."""
    wall = without_account()
    machine.cwd.chmod(0o777)
    done = run_behind(wall, machine, *words.split(), "--json", variables=HOMELESS)
    if words in ANSWERING or words == CLEARING:
        check_answer(done)
    else:
        check_refusal(done, "folder-unknown")
        assert "export " in done.envelope["errors"][0]["hint"]
    assert list(machine.cwd.iterdir()) == [], "a folder named ~ is no home"


def test_without_a_home_a_folder_can_be_named(machine: Machine) -> None:
    """The hint of the refusal works: with a cache folder the ID is written there."""
    wall = without_account()
    machine.cwd.chmod(0o777)
    variables = {**HOMELESS, "XDG_CACHE_HOME": str(machine.cwd)}
    done = run_behind(wall, machine, "reset-machine-id", "--json", variables=variables)
    check_answer(done)
    assert (machine.cwd / "localstack-cli" / "machine.json").is_file()


@pytest.mark.parametrize("words", ALL)
def test_a_working_folder_that_is_gone(furnished: Machine, words: str) -> None:
    """A folder removed under our feet stops no command."""
    folder = furnished.folder / "gone"
    folder.mkdir()
    command = [sys.executable, "-m", "usagectl", *words.split(), "--json"]
    done = subprocess.run(
        ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(folder), *command],
        env={**furnished.process_variables(), "PWD": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    envelope = json.loads(done.stdout)
    assert done.stderr == b""
    # lstk is on PATH here and follows no file, so disable says that it stays on.
    assert done.returncode == (1 if words == "disable" else 0), envelope["errors"]


def test_a_name_in_every_folders_place(furnished: Machine) -> None:
    """A file where a folder should be is an error with a reason, never a traceback."""
    for path in (furnished.machine_json.parent, furnished.config_dir, furnished.state_dir):
        shutil.rmtree(path)
        path.write_text("mine")
    shutil.rmtree(furnished.default_profile.parent)
    os.mkfifo(furnished.default_profile.parent)
    for words in ALL:
        done = furnished.run(*words.split(), "--json")
        if words in ANSWERING:
            check_answer(done)
        assert (done.status in (0, 3), done.stderr) == (True, ""), words
    assert furnished.config_dir.read_text() == "mine"
