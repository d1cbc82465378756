"""Tests of the records of what was written: what comes back, and what is left alone."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support import confined
from tests.support.tool_files import NEXT, put, tree
from usagectl import switching
from usagectl.machine import files

if TYPE_CHECKING:
    from tests.support.machine import Machine


def test_a_file_that_the_tool_wrote_since_loses_the_key_alone(machine: Machine) -> None:
    """Enable then takes the key out, or gives it its old value; what somebody set since stays."""
    key = b'{"telemetry": {"enabled": false}'
    cases = (
        (None, key + b', "id": 1}', b'{"id": 1}'),
        (None, key + b"}", None),
        (b'{"telemetry": {}}', key + b', "id": 1}', b'{"telemetry": {}, "id": 1}'),
        (b'{"telemetry": {"enabled": true}}', key + b', "id": 1}', b'{"telemetry": {"enabled": true}, "id": 1}'),  # noqa: E501
        (None, b'{"telemetry": {"enabled": true}}', b'{"telemetry": {"enabled": true}}'),
        (None, None, None),
    )  # fmt: skip
    for before, meanwhile, after in cases:
        file = put(machine, NEXT, before)
        if before is None:
            file.unlink(missing_ok=True)
        switching.disable(machine.environment(), ["next"])
        file.unlink() if meanwhile is None else file.write_bytes(meanwhile)
        assert not switching.enable(machine.environment()).problems
        assert (file.read_bytes() if file.exists() else None) == after


def test_the_record_holds_no_copy(machine: Machine) -> None:
    """A tool's file may hold tokens: none of them is kept, and nobody else may read the record."""
    put(machine, NEXT, b'{"token": "s3cr3t", "telemetry": {"enabled": true}}')
    switching.disable(machine.environment(), ["next"])
    (record,) = (machine.state_dir / "switched").iterdir()
    text = record.read_bytes()
    assert b"s3cr3t" not in text
    assert b"token" not in text
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    record.write_bytes(b"[]")
    (problem,) = switching.enable(machine.environment()).problems
    assert (problem.code, problem.hint) == (
        "file-corrupt",
        f"rm {record} && usagectl enable next",
    )


def test_a_tool_that_has_gone_is_undone_too(machine: Machine) -> None:
    """Enable without a name finds what disable wrote for a tool that is no longer here."""
    switching.disable(machine.environment(), ["next"])
    result = switching.enable(machine.environment())
    assert ("next", True) in [(each.tool, each.changed) for each in result.changes]
    assert tree(machine.home) == []


def test_two_at_once(machine: Machine) -> None:
    """Both end off, and one enable brings back what was before the first."""
    file = put(machine, NEXT, b'{"a": 1}')
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(switching.disable, machine.environment(), ["next"]) for _ in range(8)]
    assert not [problem for run in runs for problem in run.result().problems]
    switching.enable(machine.environment())
    assert file.read_bytes() == b'{"a": 1}'
    with ThreadPoolExecutor() as pool, files.lock(machine.state_dir):
        run = pool.submit(switching.disable, machine.environment(), ["next"])
        with pytest.raises(TimeoutError):
            run.result(timeout=0.1)
        assert file.read_bytes() == b'{"a": 1}'


def test_records_of_other_places_and_times(machine: Machine) -> None:
    """A home that moved is found again; a record of another release is left, with a way out."""
    put(machine, ".ionic/config.json", b'{"tokens": 1}')
    switching.disable(machine.environment(), ["ionic"])
    old, new = machine.home, machine.folder / "moved"
    old.rename(new)
    machine.home = new
    assert switching.enable(machine.environment()).problems == ()
    assert (new / ".ionic/config.json").read_bytes() == b'{"tokens": 1}'
    switching.disable(machine.environment(), ["ionic"])
    record = machine.state_dir / "switched/ionic.json"
    good = record.read_bytes()
    for old_word, new_word in ((b'"schema": 1', b'"schema": 2'), (b'"strict"', b'"json5"')):
        record.write_bytes(good.replace(old_word, new_word))
        (problem,) = switching.enable(machine.environment()).problems
        way = f"rm {record} && usagectl enable ionic"
        assert (problem.code, problem.hint) == ("file-corrupt", way)
    record.write_bytes(good.replace(b'"at": ', b'"at": -'))
    assert switching.enable(machine.environment()).problems == ()
    assert (new / ".ionic/config.json").read_bytes() == b'{"tokens": 1}'


def test_root_is_not_led_by_the_record_of_a_user(machine: Machine) -> None:
    """`sudo usagectl enable` with a user's state folder edits that user's files alone."""
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root is led")
    file = put(machine, ".ionic/config.json", b"{}")
    switching.disable(machine.environment(), ["ionic"])
    os.chown(machine.state_dir / "switched/ionic.json", confined.STRANGER, confined.STRANGER)
    (problem,) = switching.enable(machine.environment()).problems
    assert (problem.code, file.read_bytes()) == ("file-unwritable", b'{"telemetry": false}')
    os.chown(file, confined.STRANGER, confined.STRANGER)
    assert not switching.enable(machine.environment()).problems
    assert (file.read_bytes(), file.stat().st_uid) == (b"{}", confined.STRANGER)


def test_two_tools_in_one_file_are_undone_in_turn(machine: Machine) -> None:
    """A file that the first of them made is gone again, whichever that was."""
    for tools in (("chromadb", "prefect"), ("prefect", "chromadb")):
        for tool in tools:
            switching.disable(machine.environment(), [tool], project=True)
        assert (machine.cwd / ".env").read_bytes().count(b"false") == 2
        switching.enable(machine.environment())
        assert not (machine.cwd / ".env").exists()


def test_folders_go_where_a_crash_left_no_file(machine: Machine) -> None:
    """The record is there before the file: what was made for it is taken back all the same."""
    file = put(machine, NEXT, None)
    switching.disable(machine.environment(), ["next"])
    file.unlink()
    switching.enable(machine.environment())
    assert tree(machine.home) == []
