"""Tests of hostile machines: nothing can be written, no home, a folder that is gone."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import furnish
from tests.support.confined import (
    full_disk,
    powerless,
    read_only,
    run_all_behind,
    run_behind,
    without_account,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.machine import Machine, Outcome

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these walls are POSIX")

ANSWERING = [
    f"{words} --json"
    for words in ("status", "preview", "explain", "env bash", "machine-id", "cache-dir", "settings")
]
WRITING = [
    f"{words} --json"
    for words in (
        "disable",
        "enable usagectl",
        "reset-machine-id --yes",
        "machine-id set custom-1",
        "settings set telemetry.mode off",
        "cache-dir set x",
    )
]
DISABLE, RESET, SET_ID = WRITING[0], WRITING[2], WRITING[3]
CLEAR = "cache-dir clear --yes --json"
ALL = [*ANSWERING, *WRITING, CLEAR]
HOMELESS = {"HOME": None, "USAGECTL_CONFIG_DIR": None, "USAGECTL_STATE_DIR": None}


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Take mode and bytes of every file; the spool is left out, it may grow or be purged."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and "spool" not in str(path) and path.name != "filler"
    }


def wrong_answers(outcomes: Mapping[str, Outcome], answered: list[str], *codes: str) -> list[str]:
    """List what was neither answered without an error, nor refused with one of these codes."""
    return [
        f"{words}: {done}"
        for words, done in outcomes.items()
        if not (is_answer(done) if words in answered else is_refusal(done, *codes))
    ]


def is_answer(done: Outcome) -> bool:
    """True if a command answered: no traceback, one envelope without an error, status 0."""
    return (done.status, done.stderr) == (0, "") and done.envelope["errors"] == []


def is_refusal(done: Outcome, *codes: str) -> bool:
    """True if a command said what failed: its status, a code, a sentence, a next step."""
    if (done.status, done.stderr) != (3, ""):
        return False
    first = done.envelope["errors"][0]
    return first["code"] in codes and bool(first["message"] and first["hint"])


def after(machine: Machine) -> dict[str, tuple[int, bytes]]:
    """Take the contents of a machine whose disk was full."""
    return contents(machine.folder.with_name(f"{machine.folder.name}.after"))


@pytest.fixture
def furnished(machine: Machine) -> Machine:
    """A machine on which every command has something to read and to change."""
    furnish(machine)
    return machine


def test_a_machine_that_cannot_be_written_changes_no_answer_and_no_file(
    furnished: Machine,
) -> None:
    """What only answers, answers; what writes names its file: on a disk, or by modes of folders."""
    before = contents(furnished.folder)
    outcomes = run_all_behind(read_only(furnished), furnished, ALL)
    assert wrong_answers(outcomes, ANSWERING, "file-unwritable") == []
    wall = powerless()
    folders = [furnished.folder, *(p for p in furnished.folder.rglob("*") if p.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o500)
        outcomes = run_all_behind(wall, furnished, ALL)
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert wrong_answers(outcomes, ANSWERING, "file-unwritable") == []
    assert contents(furnished.folder) == before


def test_a_full_disk_leaves_every_old_byte(furnished: Machine) -> None:
    """Without a free byte nothing is half written and no leftover stays."""
    before = contents(furnished.folder)
    outcomes = run_all_behind(full_disk(furnished), furnished, [*ANSWERING, *WRITING])
    assert wrong_answers(outcomes, ANSWERING, "file-unwritable") == []
    hints = {outcomes[words].envelope["errors"][0]["hint"][:6] for words in WRITING}
    assert hints == {"df -h "}
    assert after(furnished) == before


def test_removing_works_on_a_full_disk(furnished: Machine) -> None:
    """Clearing needs no free byte, and removes the IDs alone."""
    before = contents(furnished.folder)
    assert is_answer(run_behind(full_disk(furnished), furnished, CLEAR))
    gone = {"home/.cache/localstack-cli/machine.json", "home/.config/lstk/machine_id"}
    assert before.keys() - after(furnished).keys() == gone


def test_a_corrupt_file_on_a_full_disk_stays_in_its_place(furnished: Machine) -> None:
    """Setting aside works on a full disk, the new file does not: then all is as it was."""
    furnished.machine_json.write_bytes(b"broken")
    before = contents(furnished.folder)
    assert is_refusal(run_behind(full_disk(furnished), furnished, RESET), "file-unwritable")
    assert after(furnished) == before


def test_files_that_may_not_be_read(furnished: Machine) -> None:
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
    outcomes = run_all_behind(wall, furnished, ALL)
    answered = [*ANSWERING, RESET, SET_ID, CLEAR]
    assert wrong_answers(outcomes, answered, "file-unreadable") == []
    for file in furnished.folder.rglob("*.*"):
        file.chmod(0o600 if file.is_file() else 0o700)  # Who is not root could not look.
    held = [data for _, data in contents(furnished.folder).values()]
    assert [text for text in texts if text not in held] == []


def test_what_cannot_be_read_is_off_for_us(furnished: Machine) -> None:
    """Settings that cannot be read count as off, and status says why (design, rule 2.2)."""
    (furnished.config_dir / "settings.toml").chmod(0)
    done = run_behind(powerless(), furnished, "status", "--json")
    own = next(part for part in done.data["tools"] if part["name"] == "usagectl")
    assert own["telemetry"] == "off"
    assert [warning["code"] for warning in own["warnings"]] == ["setting-unreadable"]


def test_a_home_that_may_not_be_entered(furnished: Machine) -> None:
    """Such a home (of another user, say) is unreadable, not empty, and never a traceback."""
    wall = powerless()
    try:
        furnished.home.chmod(0)
        outcomes = run_all_behind(wall, furnished, ALL)
    finally:
        furnished.home.chmod(0o700)
    assert [words for words in ANSWERING if not is_answer(outcomes[words])] == []
    refused = [words for words, done in outcomes.items() if done.status == 3]
    assert refused == [DISABLE, RESET, SET_ID]
    assert {done.status for done in outcomes.values()} == {0, 3}
    assert {done.stderr for done in outcomes.values()} == {""}


def test_no_home_at_all(machine: Machine) -> None:
    """Without HOME and without an account, answers go on and a refusal names the way out.

    Its hint works: with a cache folder the ID is written there.
    """
    wall = without_account()
    machine.cwd.chmod(0o777)
    outcomes = run_all_behind(wall, machine, ALL, variables=HOMELESS)
    assert wrong_answers(outcomes, [*ANSWERING, CLEAR], "folder-unknown") == []
    hints = {words: outcomes[words].envelope["errors"][0]["hint"] for words in WRITING}
    assert [words for words, hint in hints.items() if "export " not in hint] == []
    assert list(machine.cwd.iterdir()) == [], "a folder named ~ is no home"
    variables = {**HOMELESS, "XDG_CACHE_HOME": str(machine.cwd)}
    assert is_answer(run_behind(wall, machine, RESET, variables=variables))
    assert (machine.cwd / "localstack-cli" / "machine.json").is_file()


def test_a_working_folder_that_is_gone(furnished: Machine) -> None:
    """A folder removed under our feet stops no command."""
    folder = furnished.folder / "gone"
    folder.mkdir()
    wall = ("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(folder))
    outcomes = run_all_behind(wall, furnished, ALL, variables={"PWD": str(folder)})
    assert {done.stderr for done in outcomes.values()} == {""}
    # lstk is on PATH here and follows no file, so disable says that it stays on.
    statuses = {words: done.status for words, done in outcomes.items() if done.status}
    assert statuses == {DISABLE: 1}


def test_a_name_in_every_folders_place(furnished: Machine) -> None:
    """A file where a folder should be is an error with a reason, never a traceback."""
    for path in (furnished.machine_json.parent, furnished.config_dir, furnished.state_dir):
        shutil.rmtree(path)
        path.write_text("mine")
    shutil.rmtree(furnished.default_profile.parent)
    os.mkfifo(furnished.default_profile.parent)
    outcomes = run_all_behind((), furnished, ALL)
    assert [words for words in ANSWERING if not is_answer(outcomes[words])] == []
    assert {done.stderr for done in outcomes.values()} == {""}
    assert {done.status for done in outcomes.values()} <= {0, 3}
    assert furnished.config_dir.read_text() == "mine"
