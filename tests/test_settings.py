"""Tests of settings, policy and project files as data: reading never raises, writing keeps."""

from __future__ import annotations

import os
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tests.support.machine import NOW
from usagectl import settings
from usagectl.errors import (
    FileCorruptError,
    FileUnreadableError,
    FileUnwritableError,
    FolderUnknownError,
    InvalidValueError,
)
from usagectl.machine import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.machine import Machine


def file_of(machine: Machine, text: str | bytes | None = None) -> Path:
    """Return the settings file; write it if there is text for it."""
    file = machine.config_dir / "settings.toml"
    file.parent.mkdir(exist_ok=True)
    if text is not None:
        file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


ALL: dict[settings.Name, object] = {
    "mode": "on",
    "mode_since": NOW,
    "mode_set_by": "disable",
    "endpoint": "http://127.0.0.1:8123/v1",
    "cache_dir": '/a "b"\\c\n\u00e9',
}


def values_of(
    found: settings.SettingsFile, names: Iterable[settings.Name], tool: str = "usagectl"
) -> dict[str, object]:
    """Collect what a file holds of a tool's settings, by name."""
    own = {**found._asdict(), **found.of_tool(tool)._asdict()}
    return {name: own[name] for name in names}


def test_a_round_trip(machine: Machine) -> None:
    """What is saved is read back, and the owner's alone; what is removed is gone, with its file."""
    environment = machine.environment()
    assert settings.save(environment, ALL).changed
    assert file_of(machine).stat().st_mode & 0o777 == 0o600
    assert machine.config_dir.stat().st_mode & 0o777 == 0o700
    read = settings.load(environment)
    assert values_of(read, ALL) == ALL
    assert (read.exists, read.problem, read.file) == (True, "", file_of(machine))
    assert not settings.save(environment, ALL).changed
    assert settings.save(environment, dict.fromkeys(ALL)).changed
    assert not settings.save(environment, {"mode": None}).changed
    assert not file_of(machine).exists()
    assert settings.load(environment) == settings.SettingsFile(file=file_of(machine))


COMMENTED = """\
# a person's comment
title = 'x' # kept

[telemetry] # mine
mode = "local" # why
extra = [1, 2]

[other]
y = 1
"""


def test_comments_and_unknown_keys_stay(machine: Machine) -> None:
    """Saving changes the line of the key and leaves every other line, with its line end."""
    file = file_of(machine, COMMENTED)
    settings.save(machine.environment(), {"mode": "off"})
    assert file.read_text() == COMMENTED.replace('"local"', '"off"')
    settings.save(machine.environment(), {"mode": None})
    kept = [line for line in COMMENTED.splitlines() if not line.startswith("mode")]
    assert file.read_text().splitlines() == kept
    file_of(machine, b'# c\r\n[telemetry]\r\nmode = "local"\r\nx = 1\r\n')
    settings.save(machine.environment(), {"mode": "off"})
    assert file.read_bytes() == b'# c\r\n[telemetry]\r\nmode = "off"\r\nx = 1\r\n'


CORRUPT = [
    b"[[[",
    b"\xff\xfe",
    b"telemetry = 1\n",
    b"[[telemetry]]\n",
    b"localstack = []\n",
    b'[telemetry]\nmode = "loud"\n',
    b"[telemetry]\nmode = true\n",
    b"[telemetry]\nmode = ['off']\n",
    b"[telemetry]\nsince = 'now'\n",
    b"[telemetry]\nsince = 2026-01-01\n",
    b"[telemetry]\nsince = 07:32:00\n",
    b"[telemetry]\nset_by = 1\n",
    b"[telemetry]\nendpoint = 1\n",
    b"[localstack]\ncache_dir = {}\n",
    b"a = 1\na = 2\n",
    b"a = " + b"[" * 5000,
    b"a = " + b"9" * 5000,
]


def test_corrupt_files_are_set_aside(machine: Machine) -> None:
    """A file that cannot be parsed is a problem to read, and kept under another name on save."""
    for data in CORRUPT:
        file = file_of(machine, data)
        read = settings.load(machine.environment())
        assert str(file) in read.problem
        assert read.mode is None
        assert settings.save(machine.environment(), {"mode": "local"}, dry_run=True).changed
        assert list(machine.config_dir.iterdir()) == [file]
        result = settings.save(machine.environment(), {"mode": "local"})
        assert result.set_aside is not None
        assert result.set_aside.read_bytes() == data
        assert result.set_aside.name == "settings.toml.corrupt-20261123T063000Z"
        assert settings.load(machine.environment()).mode == "local"
        result.set_aside.unlink()


def test_what_is_not_read_is_not_written(machine: Machine) -> None:
    """A file beyond the bound, or a pipe, is a problem at once, and no save replaces it."""
    text = '[telemetry]\nmode = "on"\n#'
    file = file_of(machine, text + "x" * (settings.MAX_BYTES - len(text)))
    assert settings.load(machine.environment()).mode == "on"
    with file.open("a") as stream:
        stream.write("x")
    for problem in ("larger", "a pipe"):
        assert problem in settings.load(machine.environment()).problem
        with pytest.raises(FileUnreadableError):
            settings.save(machine.environment(), {"mode": "off"})
        if problem == "larger":
            file.unlink()
            os.mkfifo(file)
    assert file.is_fifo()


def test_the_instant_is_aware(machine: Machine) -> None:
    """An instant without a zone is taken as UTC, so that two can always be compared."""
    for zone, hour in (("Z", 3), ("", 3), ("+02:00", 1)):
        file_of(machine, f"[telemetry]\nsince = 2026-01-02T03:04:05{zone}\n")
        since = settings.load(machine.environment()).of_tool("usagectl").mode_since
        assert since == datetime(2026, 1, 2, hour, 4, 5, tzinfo=UTC)


def test_without_a_folder(machine: Machine) -> None:
    """Nothing is read without a home, and saving says which variable gives one.

    A file where the settings folder should be is an error, and stays.
    """
    bare = machine.environment(config_dir=None)
    assert settings.load(bare) == settings.SettingsFile(file=None)
    with pytest.raises(FolderUnknownError) as caught:
        settings.save(bare, {"mode": "off"})
    assert "USAGECTL_CONFIG_DIR" in caught.value.hint
    machine.config_dir.write_text("mine")
    with pytest.raises(FileUnwritableError):
        settings.save(machine.environment(), {"mode": "off"})
    assert machine.config_dir.read_text() == "mine"


def test_policy_and_project_files_are_read_alike(machine: Machine) -> None:
    """Policy and project files have the settings' form; the nearest project comes first.

    Each system has one place for a policy, and no variable moves it.
    """
    policy = machine.root / "etc/usagectl/policy.toml"
    policy.parent.mkdir(parents=True)
    for file in (policy, machine.cwd / ".usagectl.toml", machine.folder / ".usagectl.toml"):
        file.write_text('[telemetry]\nmode = "off"\n')
    environment = machine.environment()
    assert settings.read(files.policy_file(environment)).mode == "off"
    own = files.project_files(environment)
    assert own[:2] == (machine.cwd / ".usagectl.toml", machine.folder / ".usagectl.toml")
    machine.variables = {"USAGECTL_CONFIG_DIR": "/x", "ProgramData": "/y"}
    for system, path in (
        ("Linux", "etc/usagectl/policy.toml"),
        ("Darwin", "Library/Application Support/usagectl/policy.toml"),
        ("Windows", "C:/ProgramData/usagectl/policy.toml"),
        ("FreeBSD", "etc/usagectl/policy.toml"),
    ):
        found = files.policy_file(machine.environment(system=system))
        assert found == machine.root / path


def test_modes_that_are_typed() -> None:
    """A mode may be typed in any case and with blanks; the error for another word lists them."""
    for text, expected in ((" ON ", "on"), ("local", "local"), ("Off", "off")):
        assert settings.parse_mode(text) == expected
    for text in ("", "yes", "1", "o n"):
        with pytest.raises(InvalidValueError, match="off, local, on"):
            settings.parse_mode(text)


def test_endpoints_that_are_typed() -> None:
    """A base URL loses blanks and trailing slashes; the error for another shows no password."""
    for text, expected in (
        ("http://127.0.0.1:8123/v1/", "http://127.0.0.1:8123/v1"),
        (" https://h ", "https://h"),
    ):
        assert settings.parse_endpoint(text) == expected
    wrong = ["", "h/v1", "ftp://h", "http://", "http://u:secret@h/", "http://h/?q=1", "http://h/#f"]
    for text in (*wrong, "http://h:x", "http://h:0", "http://[::1"):
        with pytest.raises(InvalidValueError) as caught:
            settings.parse_endpoint(text)
        assert "secret" not in caught.value.message


LINES = (
    *COMMENTED.splitlines(),
    "[telemetry]",
    'telemetry.mode = "on"',
    'telemetry = {mode = "on", z = 1}',
    "[telemetry.a]",
    "[localstack]",
    'cache_dir = "/x"',
    '"telemetry".set_by = "disable"',
    "[a.telemetry]",
)
TOOL_LINES = (
    "[tools]",
    "[tools.mytool]",
    "[tools.other]",
    'mode = "on"',
    'mode = "nonsense"',
    "# a comment",
    'endpoint = "http://127.0.0.1:1/v1"',
    'tools = {mytool = {mode = "on"}}',
    'tools.mytool.mode = "off"',
    'tools.other.mode = "off"',
    'mytool = {set_by = "disable"}',
    "[telemetry]",
    "z = 1",
)
OF_A_TOOL: dict[settings.Name, object] = {name: ALL[name] for name in ALL if name != "cache_dir"}
EDITS = st.one_of(
    [
        st.tuples(
            st.just(tool),
            st.lists(st.sampled_from(lines), max_size=8).map("\n".join),
            st.sampled_from([values, dict.fromkeys(values), {"mode": "off"}]),
        )
        for tool, lines, values in (("usagectl", LINES, ALL), ("mytool", TOOL_LINES, OF_A_TOOL))
    ]
)


def rest_of(text: str, tool: str) -> dict[str, Any]:
    """Parse a file without what is stored of a tool, and without tables that are then empty."""
    document = tomllib.loads(text)
    for name in ALL:
        *tables, key = settings.place_of(name, tool)
        holder = document
        for table in tables:
            holder = holder.get(table, {})
        holder.pop(key, None)
    return prune(document)


def prune(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out empty tables, at any depth."""
    whole = {
        key: prune(value) if isinstance(value, dict) else value for key, value in document.items()
    }
    return {key: value for key, value in whole.items() if value != {}}


@profile(database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS)
def test_saving_changes_what_it_says_and_nothing_else(
    machine: Machine, edit: tuple[str, str, dict[settings.Name, object]]
) -> None:
    """In any file that can be read the edit succeeds, and every other key keeps its value.

    A tool's settings stand in a table of its own; a form that cannot be edited stays as it is.
    """
    tool, text, values = edit
    file = file_of(machine, text)
    if settings.load(machine.environment()).problem:
        return
    try:
        settings.save(machine.environment(), values, tool=tool)
    except FileCorruptError:
        assert (tool, file.read_text()) == ("mytool", text)
        return
    assert values_of(settings.load(machine.environment()), values, tool) == values
    assert rest_of(file.read_text() if file.exists() else "", tool) == rest_of(text, tool)


def test_what_is_saved_of_a_tool_is_what_is_read(machine: Machine) -> None:
    """A tool's mode is written beside usagectl's own, and an empty table goes."""
    environment = machine.environment()
    settings.save(environment, {"mode": "off"})
    settings.save(environment, {"mode": "on"}, tool="mytool")
    found = settings.load(environment)
    assert (found.mode, found.of_tool("mytool").mode, found.unknown) == ("off", "on", ())
    settings.save(environment, {"mode": None}, tool="mytool")
    assert b"tools" not in (machine.config_dir / "settings.toml").read_bytes()


def test_a_form_that_cannot_be_edited_is_left_as_it_is(machine: Machine) -> None:
    """Dotted keys beside a new table would become other keys: an error says so, the file stays."""
    for rest in ('mode = "on"\n', 'mytool = {set_by = "disable"}'):
        file = file_of(machine, text := f'tools.other.mode = "off"\n{rest}')
        with pytest.raises(FileCorruptError, match="cannot be edited"):
            settings.save(machine.environment(), OF_A_TOOL, tool="mytool")
        assert file.read_text() == text


def test_what_is_wrong_is_said_with_its_place(machine: Machine) -> None:
    """A problem in the table of one tool counts as off for every tool; a misspelt key is named."""
    for text, reason in (
        ("tools = 1", "tools is not a table"),
        ("tools.mytool = 1", "tools.mytool is not a table"),
        ('tools.mytool.mode = "loud"', "tools.mytool.mode is not one of"),
        ("tools.mytool.since = 1", "tools.mytool.since is not an instant"),
        ("tools.mytool.endpoint = 1", "tools.mytool.endpoint is not text"),
    ):
        file_of(machine, text)
        assert reason in settings.load(machine.environment()).problem
    file_of(machine, "[tools.mytool]\nmoed = 'off'\n")
    assert settings.load(machine.environment()).unknown == ("tools.mytool.moed",)
