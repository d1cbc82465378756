"""Tests of profiles: which files LocalStack reads, what it makes of them, what is warned of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.test_localstack_tool import codes, verdicts, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

OUT = "DISABLE_EVENTS=1\n"
IN = "DISABLE_EVENTS=0\n"


@pytest.mark.parametrize(
    "text",
    [
        "export DISABLE_EVENTS=1",
        'DISABLE_EVENTS="1"',
        "DISABLE_EVENTS='true' # c",
        "DISABLE_EVENTS = 1",
        "X=2\r\nDISABLE_EVENTS=1\r\n",
        "\ufeffDISABLE_EVENTS=1\n",
        "Y=1\nDISABLE_EVENTS=${Y}\n",
        "DISABLE_EVENTS=${NOWHERE:-1}\n",
        "DISABLE_EVENTS=0\nDISABLE_EVENTS=1\n",
        'X="\nDISABLE_EVENTS=1\n',
    ],
)
def test_what_opts_out(machine: Machine, text: str) -> None:
    """Every syntax that python-dotenv reads as a Yes opts out."""
    write(machine, default=text)
    assert verdicts(machine, {})[0].telemetry == "off"


@pytest.mark.parametrize(
    "text",
    [
        "DISABLE_EVENTS: 1",
        "DISABLE_EVENTS",
        "#DISABLE_EVENTS=1",
        "disable_events=1",
        "DISABLE_EVENTS=1\nDISABLE_EVENTS=0\n",
        "DISABLE_EVENTS=1\nDISABLE_EVENTS\n",
        'X="\nDISABLE_EVENTS=1\n"\n',
        "",
    ],
)
def test_what_does_not_opt_out(machine: Machine, text: str) -> None:
    """What python-dotenv reads otherwise leaves events on; the last duplicate wins."""
    write(machine, default=text)
    assert verdicts(machine, {})[0].telemetry == "on"


@pytest.mark.parametrize(
    ("chosen", "profiles", "expected"),
    [
        ("a", {"a": OUT, "default": IN}, "off"),
        (" a ", {"a": OUT}, "off"),
        ("", {"default": OUT}, "off"),
        ("  ", {"default": OUT}, "off"),
        ("a", {"default": OUT, "a": "X=1\n"}, "on"),
        ("missing", {"default": OUT}, "on"),
        ("missing,a", {"a": OUT}, "off"),
        ("a,b", {"a": OUT, "b": IN}, "on"),
        ("b, a", {"a": OUT, "b": IN}, "off"),
        ("a,b", {"a": OUT, "b": "X=1\n"}, "off"),
        ("a,b", {"a": OUT, "b": "DISABLE_EVENTS=\n"}, "on"),
        ("a,b", {"a": OUT, "b": "DISABLE_EVENTS\n"}, "on"),
        ("a,b", {"a": "X=1\n", "b": "DISABLE_EVENTS=${X}\n"}, "on"),
        ("n" * 300, {"default": OUT}, "on"),
    ],
)
def test_the_profile_list(
    machine: Machine, chosen: str, profiles: dict[str, str], expected: str
) -> None:
    """Files are read in the list's order, the later wins, what is not there is skipped."""
    write(machine, **profiles)
    cli, container = verdicts(machine, {"CONFIG_PROFILE": chosen})
    assert (cli.telemetry, container.telemetry) == (expected, expected)
    assert cli.decided_by.says == expected


def test_the_losing_file_of_a_list_is_overridden(machine: Machine) -> None:
    """The earlier file of a list is listed as overridden, by its own path."""
    write(machine, a=OUT, b=IN)
    cli, _ = verdicts(machine, {"CONFIG_PROFILE": "a,b"})
    assert cli.decided_by.origin.endswith("b.env")
    assert [os.path.basename(s.origin) for s in cli.overridden] == ["a.env"]  # noqa: PTH119


def test_a_bare_name_takes_the_earlier_value_away(machine: Machine) -> None:
    """A later file's bare name leaves nothing set: the default decides, the Yes is overridden."""
    write(machine, a=OUT, b="DISABLE_EVENTS\n")
    cli, _ = verdicts(machine, {"CONFIG_PROFILE": "a,b"})
    assert cli.decided_by.source == "default"
    assert [switch.value for switch in cli.overridden] == ["1"]


def test_old_versions_read_one_profile_alone(machine: Machine) -> None:
    """Before 3.1 a comma belongs to the profile's name."""
    write(machine, a=OUT, **{"a,b": IN})
    machine.install_localstack("3.0.2")
    assert verdicts(machine, {"CONFIG_PROFILE": "b,a"})[0].telemetry == "on"
    assert verdicts(machine, {"CONFIG_PROFILE": "a"})[0].telemetry == "off"
    write(machine, **{"b,a": OUT})
    assert verdicts(machine, {"CONFIG_PROFILE": "b,a"})[0].telemetry == "off"


@pytest.mark.parametrize(
    ("folder", "chosen"),
    [
        ("work", ""),
        ("work", "."),
        ("work/conf", "conf"),
        ("work/~/.localstack", "~/.localstack"),
        ("elsewhere", "../elsewhere"),
        ("home/.localstack", None),
    ],
)
def test_the_folder_of_profiles(machine: Machine, folder: str, chosen: str | None) -> None:
    """CONFIG_DIR names the folder, empty for the working folder, and no `~` is expanded in it."""
    file = machine.folder / folder / "default.env"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(OUT)
    cli, _ = verdicts(machine, {} if chosen is None else {"CONFIG_DIR": chosen})
    assert cli.telemetry == "off"


def test_config_dir_replaces_the_home_folder(machine: Machine) -> None:
    """With CONFIG_DIR the home's profiles are not read."""
    write(machine, default=OUT)
    assert verdicts(machine, {"CONFIG_DIR": ""})[0].telemetry == "on"


@pytest.mark.parametrize(
    "data",
    [b"DISABLE_EVENTS=0\n# caf\xe9\n", b"X=a\0b\nDISABLE_EVENTS=0\n", b"X\0=1\n", b"'A=B'=1\n"],
)
def test_a_profile_at_which_the_client_stops(machine: Machine, data: bytes) -> None:
    """No UTF-8, a NUL or an impossible name stop the client: off, with a warning and the file."""
    write(machine, default=data)
    for found in verdicts(machine, {}):
        assert found.telemetry == "off"
        assert found.decided_by.origin == str(machine.default_profile)
        assert codes(found) == {"profile-unreadable"}


def test_a_broken_profile_that_is_not_active_harms_nothing(machine: Machine) -> None:
    """Only the active profiles are read by the client."""
    write(machine, default=b"\xff", a=OUT)
    cli, _ = verdicts(machine, {"CONFIG_PROFILE": "a"})
    assert cli.telemetry == "off"
    assert cli.decided_by.name == "DISABLE_EVENTS"


def test_a_broken_profile_stops_the_client_whatever_the_environment_says(
    machine: Machine,
) -> None:
    """Off by a stopped client is so even where a variable says on."""
    write(machine, default=b"\xff")
    cli, _ = verdicts(machine, {"DISABLE_EVENTS": "0"})
    assert cli.telemetry == "off"
    assert [switch.value for switch in cli.overridden] == ["0"]


def test_a_name_of_the_environment_is_not_checked(machine: Machine) -> None:
    """A NUL in a value that the environment replaces never reaches the client's environment."""
    write(machine, default=b"X=a\0b\n")
    assert verdicts(machine, {"X": "1"})[0].telemetry == "on"


def make_folder(file: Path) -> None:
    """Put a folder where the file should be."""
    file.mkdir()


def make_loop(file: Path) -> None:
    """Put a link to itself where the file should be."""
    file.symlink_to(file.name)


def make_device(file: Path) -> None:
    """Put a link to a device where the file should be."""
    file.symlink_to(os.devnull)


def make_dangling(file: Path) -> None:
    """Put a link to nothing where the file should be."""
    file.symlink_to("gone.env")


@pytest.mark.parametrize("make", [make_folder, make_loop, make_device, make_dangling])
def test_what_is_no_file_is_empty_to_the_client(machine: Machine, make: object) -> None:
    """A folder, a device and a link that leads nowhere set nothing and stop nothing."""
    machine.default_profile.parent.mkdir()
    assert callable(make)
    make(machine.default_profile)
    cli, _ = verdicts(machine, {})
    assert (cli.telemetry, codes(cli)) == ("on", set())


def test_a_pipe_does_not_hang(machine: Machine) -> None:
    """A pipe in a profile's place is not read, so it does not count, and that is said."""
    machine.default_profile.parent.mkdir()
    os.mkfifo(machine.default_profile)
    for verdict in verdicts(machine, {}):
        assert (verdict.telemetry, codes(verdict)) == ("on", {"profile-not-read"})


def test_a_choice_that_drops_the_opt_out(machine: Machine) -> None:
    """Where the active profile is on and another one opts out, both are named."""
    write(machine, default=OUT, dev="X=1\n", prod=OUT)
    cli, container = verdicts(machine, {"CONFIG_PROFILE": "dev"})
    assert codes(cli) == {"profile-drops-opt-out"}
    assert "'default', 'prod'" in cli.cautions[0].message
    assert "'dev'" in cli.cautions[0].message
    assert codes(container) == set()


def test_a_profile_without_the_opt_out(machine: Machine) -> None:
    """Where the profile's opt-out decides, the profiles that lack it are named."""
    write(machine, default=OUT, dev="X=1\n", prod=OUT, odd="DISABLE_EVENTS=yes\n")
    cli, _ = verdicts(machine, {})
    assert codes(cli) == {"profile-lacks-opt-out"}
    assert "'dev', 'odd'" in cli.cautions[0].message
    assert cli.cautions[0].hint == "CONFIG_PROFILE=dev usagectl disable localstack"


@pytest.mark.parametrize(
    ("variables", "profiles"),
    [
        ({"DISABLE_EVENTS": "1"}, {"default": OUT, "dev": ""}),
        ({}, {"default": OUT, "dev": OUT}),
        ({}, {"default": OUT}),
        ({}, {"default": "", "dev": ""}),
        ({"CONFIG_PROFILE": "default,dev"}, {"default": OUT, "dev": ""}),
    ],
)
def test_no_warning_where_no_choice_changes_the_verdict(
    machine: Machine, variables: dict[str, str], profiles: dict[str, str]
) -> None:
    """The environment, an opt-out everywhere or nowhere, and a list of all need no warning."""
    write(machine, **profiles)
    assert codes(verdicts(machine, variables)[0]) == set()
