"""Tests of settings, policy and project files as data: reading never raises, writing keeps."""

from __future__ import annotations

import os
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
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


def values_of(found: settings.SettingsFile, names: Iterable[settings.Name]) -> dict[str, object]:
    """Give what a file holds of usagectl's own settings, by name."""
    own = {**found._asdict(), **found.of_tool("usagectl")._asdict()}
    return {name: own[name] for name in names}


def test_a_round_trip(machine: Machine) -> None:
    """What is saved is read back; what is removed is gone, and so is the file."""
    environment = machine.environment()
    assert settings.save(environment, ALL).changed
    read = settings.load(environment)
    assert values_of(read, ALL) == ALL
    assert (read.exists, read.problem, read.file) == (True, "", file_of(machine))
    assert not settings.save(environment, ALL).changed
    assert settings.save(environment, dict.fromkeys(ALL)).changed
    assert not file_of(machine).exists()
    assert settings.load(environment) == settings.SettingsFile(file=file_of(machine))


def test_a_new_file_is_the_owners_alone(machine: Machine) -> None:
    """The settings file and its folder can be read by the owner only."""
    settings.save(machine.environment(), ALL)
    assert file_of(machine).stat().st_mode & 0o777 == 0o600
    assert machine.config_dir.stat().st_mode & 0o777 == 0o700


def test_removing_nothing_makes_no_file(machine: Machine) -> None:
    """A removal where nothing stands changes nothing."""
    assert not settings.save(machine.environment(), {"mode": None}).changed
    assert not machine.config_dir.joinpath("settings.toml").exists()


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
    """Saving changes the line of the key and leaves every other line."""
    file = file_of(machine, COMMENTED)
    settings.save(machine.environment(), {"mode": "off"})
    assert file.read_text() == COMMENTED.replace('"local"', '"off"')
    settings.save(machine.environment(), {"mode": None})
    kept = [line for line in COMMENTED.splitlines() if not line.startswith("mode")]
    assert file.read_text().splitlines() == kept


def test_line_ends_stay(machine: Machine) -> None:
    """A file with CRLF keeps its line ends."""
    file = file_of(machine, b'# c\r\n[telemetry]\r\nmode = "local"\r\nx = 1\r\n')
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
        result = settings.save(machine.environment(), {"mode": "local"})
        assert result.set_aside is not None
        assert result.set_aside.read_bytes() == data
        assert result.set_aside.name == "settings.toml.corrupt-20261123T063000Z"
        assert settings.load(machine.environment()).mode == "local"
        result.set_aside.unlink()


def test_setting_aside_twice_keeps_both(machine: Machine) -> None:
    """A second corrupt file in the same second gets another name."""
    for data in (b"[[1", b"[[2"):
        file_of(machine, data)
        settings.save(machine.environment(), {"mode": "local"})
    kept = sorted(machine.config_dir.glob("*.corrupt-*"))
    assert [file.read_bytes() for file in kept] == [b"[[1", b"[[2"]


def test_a_dry_run_of_a_corrupt_file(machine: Machine) -> None:
    """A dry run sets nothing aside."""
    file = file_of(machine, b"[[[")
    assert settings.save(machine.environment(), {"mode": "off"}, dry_run=True).changed
    assert file.read_bytes() == b"[[["
    assert list(machine.config_dir.iterdir()) == [file]


def test_a_huge_file_is_not_read(machine: Machine) -> None:
    """A file beyond the bound is a problem, and no save replaces it."""
    file_of(machine, b"#" * (files.MAX_BYTES + 1))
    assert "larger" in settings.load(machine.environment()).problem
    with pytest.raises(FileUnreadableError):
        settings.save(machine.environment(), {"mode": "off"})


def test_a_large_file_within_the_bound_is_read(machine: Machine) -> None:
    """A file of exactly the bound is read."""
    text = '[telemetry]\nmode = "on"\n#'
    file_of(machine, text + "x" * (files.MAX_BYTES - len(text)))
    assert settings.load(machine.environment()).mode == "on"


def test_a_pipe_does_not_hang(machine: Machine) -> None:
    """A pipe in the file's place is a problem at once, and is not written to."""
    file = file_of(machine)
    os.mkfifo(file)
    assert "a pipe" in settings.load(machine.environment()).problem
    with pytest.raises(FileUnreadableError):
        settings.save(machine.environment(), {"mode": "off"})
    assert file.is_fifo()


def test_the_instant_is_aware(machine: Machine) -> None:
    """An instant without a zone is taken as UTC, so that two can always be compared."""
    for text, expected in (
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ):
        file_of(machine, f"[telemetry]\nsince = {text}\n")
        since = settings.load(machine.environment()).of_tool("usagectl").mode_since
        assert since == expected
        assert since is not None
        assert since.utcoffset() is not None


def test_without_a_home(machine: Machine) -> None:
    """Without a folder nothing is read, and saving says which variable gives one."""
    bare = machine.environment(config_dir=None)
    assert settings.load(bare) == settings.SettingsFile(file=None)
    with pytest.raises(FolderUnknownError) as caught:
        settings.save(bare, {"mode": "off"})
    assert "USAGECTL_CONFIG_DIR" in caught.value.hint


def test_a_folder_that_cannot_be_made(machine: Machine) -> None:
    """A file where the settings folder should be is an error, and stays."""
    machine.config_dir.write_text("mine")
    with pytest.raises(FileUnwritableError):
        settings.save(machine.environment(), {"mode": "off"})
    assert machine.config_dir.read_text() == "mine"


def test_policy_and_project_files_are_read_alike(machine: Machine) -> None:
    """Policy and project files have the settings' form; the nearest project comes first."""
    policy = machine.root / "etc/usagectl/policy.toml"
    policy.parent.mkdir(parents=True)
    for file in (policy, machine.cwd / ".usagectl.toml", machine.folder / ".usagectl.toml"):
        file.write_text('[telemetry]\nmode = "off"\n')
    environment = machine.environment()
    assert settings.read(files.policy_file(environment)).mode == "off"
    own = files.project_files(environment)
    assert own[:2] == (machine.cwd / ".usagectl.toml", machine.folder / ".usagectl.toml")


def test_where_the_policy_lies(machine: Machine) -> None:
    """Each system has one place for a policy, and no variable moves it."""
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


LINES = st.sampled_from(
    [
        *COMMENTED.splitlines(),
        "[telemetry]",
        'telemetry.mode = "on"',
        'telemetry = {mode = "on", z = 1}',
        "[telemetry.a]",
        "[localstack]",
        'cache_dir = "/x"',
        '"telemetry".set_by = "disable"',
        "[a.telemetry]",
    ]
)
EDITS: list[dict[settings.Name, object]] = [ALL, dict.fromkeys(ALL), {"mode": "off"}]


@profile(max_examples=100, database=None)
@given(st.lists(LINES, max_size=8).map("\n".join), st.sampled_from(EDITS))
def test_saving_changes_what_it_says_and_nothing_else(
    text: str, values: dict[settings.Name, object]
) -> None:
    """In any file that can be parsed the edit succeeds, and every foreign key keeps its value."""
    try:
        before = tomllib.loads(text)
        settings._narrow(Path("x"), before)  # noqa: SLF001
    except (tomllib.TOMLDecodeError, FileCorruptError):
        return
    placed = {settings.place_of(name): value for name, value in values.items()}
    after = tomllib.loads(settings._edit(text, placed))  # noqa: SLF001
    found = settings._narrow(Path("x"), after)  # noqa: SLF001
    assert values_of(found, values) == values
    assert foreign(after) == foreign(before)


OF_A_TOOL: list[dict[settings.Name, object]] = [
    {name: ALL[name] for name in ("mode", "mode_since", "mode_set_by", "endpoint")},
    {"mode": None, "mode_since": None, "mode_set_by": None, "endpoint": None},
    {"mode": "off"},
]
TOOL_LINES = st.sampled_from(
    [
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
    ]
)


@profile(max_examples=100, database=None)
@given(st.lists(TOOL_LINES, max_size=8).map("\n".join), st.sampled_from(OF_A_TOOL))
def test_saving_what_holds_for_one_tool_changes_no_other(
    text: str, values: dict[settings.Name, object]
) -> None:
    """A tool's mode and endpoint stand in a table of its own; the others keep theirs."""
    try:
        before = settings._narrow(Path("x"), tomllib.loads(text))  # noqa: SLF001
    except (tomllib.TOMLDecodeError, FileCorruptError):
        return
    placed = {settings.place_of(name, "mytool"): value for name, value in values.items()}
    try:
        edited = settings._edit(text, placed)  # noqa: SLF001
    except ValueError:
        return  # A form that cannot be edited is left as it is, with an error.
    after = settings._narrow(Path("x"), tomllib.loads(edited))  # noqa: SLF001
    found = after.of_tool("mytool")
    assert {name: getattr(found, name) for name in values} == values
    assert after.of_tool("other") == before.of_tool("other")
    assert after.of_tool("usagectl") == before.of_tool("usagectl")


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
    """Dotted keys beside a new table would be no TOML: an error says so, the file stays."""
    file_of(machine, text := 'tools.other.mode = "off"\nmode = "on"\n')
    with pytest.raises(FileCorruptError, match="cannot be edited"):
        settings.save(machine.environment(), OF_A_TOOL[0], tool="mytool")
    assert (machine.config_dir / "settings.toml").read_text() == text


def test_a_tool_that_cannot_be_parsed_makes_the_file_unreadable(machine: Machine) -> None:
    """A problem in the table of one tool counts as off for every tool."""
    for text, reason in (
        ("tools = 1", "tools is not a table"),
        ("tools.mytool = 1", "tools.mytool is not a table"),
        ('tools.mytool.mode = "loud"', "tools.mytool.mode is not one of"),
        ("tools.mytool.since = 1", "tools.mytool.since is not an instant"),
        ("tools.mytool.endpoint = 1", "tools.mytool.endpoint is not text"),
    ):
        file_of(machine, text)
        assert reason in settings.load(machine.environment()).problem


def test_an_unknown_key_of_a_tool_is_named(machine: Machine) -> None:
    """A misspelt key is reported with its place."""
    file_of(machine, "[tools.mytool]\nmoed = 'off'\n")
    assert settings.load(machine.environment()).unknown == ("tools.mytool.moed",)


def foreign(document: dict[str, object]) -> dict[str, object]:
    """Return a document without our keys and without empty tables."""
    own = {"mode", "since", "set_by", "endpoint", "cache_dir"}
    kept: dict[str, object] = {}
    for name, value in document.items():
        if isinstance(value, dict) and name in ("telemetry", "localstack"):
            value = {key: item for key, item in value.items() if key not in own}  # noqa: PLW2901
        kept[name] = value
    return {name: value for name, value in kept.items() if value != {}}
