"""Tests of reading, replacing and clearing the machine ID in the places where tools keep it."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import snapshot
from tests.support.machine import NOW
from usagectl import identity, replacement, settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.identity import MachineId
    from usagectl.replacement import Replacement

GEN = re.compile(r"gen_[0-9a-f]{8}-[0-9a-f]{3}")
BODY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{3}")
DEEP = b"[" * 5000 + b"]" * 5000


def write(file: Path, data: bytes | str) -> Path:
    """Put a file somewhere, with its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def read_primary(machine: Machine) -> MachineId:
    """Read the place of LocalStack's command line."""
    return next(found for found in identity.read_all(machine.environment()) if is_cli(found))


def is_cli(found: MachineId | Replacement) -> bool:
    """Tell whether this is the place of LocalStack's command line."""
    return (found.place.tool, found.place.part) == ("localstack", "cli")


def reset(machine: Machine, *, dry_run: bool = False) -> tuple[Replacement, ...]:
    """Replace the ID as the command does."""
    environment = machine.environment()
    return replacement.replace(environment, replacement.plan_reset(environment), dry_run=dry_run)


def stored(machine: Machine) -> object:
    """Return what the client would read from its file now."""
    document = json.loads(machine.machine_json.read_bytes())
    assert isinstance(document, dict)
    return document["machine_id"]


def lstk_file(machine: Machine) -> Path:
    """Name lstk's own file."""
    return machine.home / ".config" / "lstk" / "machine_id"


@pytest.mark.parametrize(
    ("data", "kind", "value"),
    [
        (b'[["machine_id", "x"]]', "custom", "x"),
        (b'[["machine_id", "x"], ["other", 1]]', "custom", "x"),
        (b"{}", "missing", None),
        (b"[]", "missing", None),
        (b'{"other": "gen_1a55233f-ee4"}', "missing", None),
        (b"", "unreadable", None),
        (b"{", "unreadable", None),
        (b"null", "unreadable", None),
        (b"5", "unreadable", None),
        (b'"machine_id"', "unreadable", None),
        (b"[[[], 1]]", "unreadable", None),
        (b"\xef\xbb\xbf{}", "unreadable", None),
        (b'{"machine_id": "\xff"}', "unreadable", None),
        (b'{"machine_id": ' + b"1" * 5000 + b"}", "unreadable", None),
        (b'{"machine_id": ' + DEEP + b"}", "unreadable", None),
        (b"[" * 100_000, "unreadable", None),
        (b" " * (4 * 1024 * 1024 + 1), "unreadable", None),
    ],
)
def test_a_file_is_read_as_the_client_reads_it(
    machine: Machine, data: bytes, kind: str, value: object
) -> None:
    """Any mapping or list of pairs is taken; all else is a problem of the answer, not an error."""
    write(machine.machine_json, data)
    found = read_primary(machine)
    assert (found.kind, found.value) == (kind, value)
    assert bool(found.problem) == (kind == "unreadable")


def test_reset_writes_random_ids_of_the_clients_own_shape(machine: Machine) -> None:
    """Reset writes gen_ and 8, a dash, 3 hex digits; lstk's file has the same without a prefix."""
    write(machine.machine_json, '{"machine_id": "dkr_0123456789ab"}')
    write(lstk_file(machine), "0123456789ab")
    reset(machine)
    assert GEN.fullmatch(str(stored(machine)))
    body = lstk_file(machine).read_text()
    assert BODY.fullmatch(body)
    assert str(stored(machine)) != f"gen_{body}", "the two tools must not share an ID"


def test_two_resets_give_two_ids(machine: Machine) -> None:
    """A new ID is drawn each time; nothing of the machine goes into it."""
    write(machine.root / "etc" / "machine-id", "0123456789abcdef\n")
    first = (reset(machine), stored(machine))[1]
    second = (reset(machine), stored(machine))[1]
    assert first != second


def test_only_the_primary_place_is_made(machine: Machine) -> None:
    """A place that does not exist stays so, except the command line's own file."""
    reset(machine)
    made = {path for path in machine.home.rglob("*") if path.is_file()}
    assert made == {machine.machine_json}


def test_every_place_that_exists_gets_the_same_id(machine: Machine) -> None:
    """All of LocalStack's files agree afterwards, whatever they said before."""
    volume = machine.home / ".cache" / "localstack" / "volume" / "cache" / "machine.json"
    write(volume, '{"machine_id": "dkr_0123456789ab"}')
    reset(machine)
    assert json.loads(volume.read_bytes()) == {"machine_id": stored(machine)}


def test_other_keys_order_and_mode_stay(machine: Machine) -> None:
    """Only the value of machine_id changes; the file keeps other keys, their order, its mode."""
    write(machine.machine_json, '{"b": [1, "é"], "machine_id": "old", "a": {"c": null}}')
    machine.machine_json.chmod(0o640)
    reset(machine)
    document = json.loads(machine.machine_json.read_bytes())
    assert list(document) == ["b", "machine_id", "a"]
    assert (document["b"], document["a"]) == ([1, "é"], {"c": None})
    assert stat.S_IMODE(machine.machine_json.stat().st_mode) == 0o640


def test_a_new_file_can_be_read_by_the_container(machine: Machine) -> None:
    """A file that was not there is readable for others: the container may be another user."""
    reset(machine)
    assert stat.S_IMODE(machine.machine_json.stat().st_mode) == 0o644


def test_dry_run_changes_nothing_and_says_what_would_change(machine: Machine) -> None:
    """A dry run tells the same places as the real run and leaves every byte, mode and time."""
    write(machine.machine_json, b"broken")
    write(lstk_file(machine), "0123456789ab")
    before = snapshot(machine.folder)
    planned = reset(machine, dry_run=True)
    cleared = replacement.clear(machine.environment(), dry_run=True)
    assert snapshot(machine.folder) == before
    done = reset(machine)
    assert [found.place for found in planned] == [found.place for found in done]
    assert all(found.changed and found.set_aside is None for found in planned + cleared)


@pytest.mark.parametrize(
    "data", [b"", b"not json", b"null", b"\xff\xfe", b'{"machine_id": ' + DEEP + b"}"]
)
def test_a_corrupt_file_is_set_aside_whole(machine: Machine, data: bytes) -> None:
    """What cannot be understood is renamed with its bytes, never deleted, and a new file made."""
    write(machine.machine_json, data)
    (done,) = reset(machine)
    assert done.set_aside is not None
    assert done.set_aside.read_bytes() == data
    assert GEN.fullmatch(str(stored(machine)))


def test_names_of_files_set_aside_never_collide(machine: Machine) -> None:
    """Files that are set aside at the same instant get names of their own."""
    texts = [f"broken {number}".encode() for number in range(5)]
    asides = []
    for text in texts:
        write(machine.machine_json, text)
        (done,) = reset(machine)
        asides.append(done.set_aside)
    assert [aside.read_bytes() for aside in asides if aside] == texts
    assert all(NOW.strftime("%Y%m%dT%H%M%SZ") in str(aside) for aside in asides)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_neither_hangs_nor_is_lost(machine: Machine, kind: str) -> None:
    """A pipe or a folder in the file's place is set aside with what is in it."""
    machine.machine_json.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(machine.machine_json)
    else:
        write(machine.machine_json / "inner" / "note", "mine")
    assert read_primary(machine).kind == "unreadable"
    (done,) = reset(machine)
    assert done.set_aside is not None
    if kind == "folder":
        assert (done.set_aside / "inner" / "note").read_text() == "mine"
    else:
        assert done.set_aside.is_fifo()
    assert GEN.fullmatch(str(stored(machine)))


def test_set_gives_lstk_the_id_without_the_prefix_it_adds(machine: Machine) -> None:
    """The program adds gen_ to what lstk's file holds, so that file holds the rest."""
    write(lstk_file(machine), "0123456789ab")
    done = machine.run("machine-id", "set", "gen_1a55233f-ee4")
    assert done.status == 0
    assert stored(machine) == "gen_1a55233f-ee4"
    assert lstk_file(machine).read_text() == "1a55233f-ee4"


def test_the_same_id_again_writes_nothing(machine: Machine) -> None:
    """A place that holds the wanted ID already is left untouched."""
    write(machine.machine_json, '{ "machine_id":"mine" }')
    (done,) = replacement.replace(machine.environment(), {"localstack": "mine"}, prefix="")
    assert done.changed is False
    assert machine.machine_json.read_bytes() == b'{ "machine_id":"mine" }'


def test_clear_removes_the_known_files_alone(machine: Machine) -> None:
    """Clearing takes the ID's file from each place; what else lies there stays."""
    write(machine.machine_json, '{"machine_id": "x"}')
    write(lstk_file(machine), "0123456789ab")
    others = [
        write(machine.machine_json.with_name(name), "mine")
        for name in ("machine.json.bak", "machine.json.corrupt-20260101T000000Z", "pypi.json")
    ]
    config = write(lstk_file(machine).with_name("config.toml"), "")
    replacement.clear(machine.environment())
    assert not machine.machine_json.exists()
    assert not lstk_file(machine).exists()
    assert all(other.read_text() == "mine" for other in others)
    assert config.exists()


def test_clear_sets_aside_what_it_does_not_understand(machine: Machine) -> None:
    """A file that holds no ID we know is renamed, not deleted."""
    write(machine.machine_json, b"precious")
    (done,) = replacement.clear(machine.environment())
    assert done.set_aside is not None
    assert done.set_aside.read_bytes() == b"precious"


def test_a_settings_file_that_is_broken_does_not_stop_a_reset(machine: Machine) -> None:
    """The places of the tools are known without usagectl's settings."""
    write(machine.config_dir / "settings.toml", b"\xff broken")
    assert settings.load(machine.environment()).problem
    (done,) = reset(machine)
    assert done.changed
