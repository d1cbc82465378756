"""Tests of where the machine ID lies: the table of facts, part 4, on three systems, and links."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import snapshot
from tests.support.machine import Machine
from usagectl import identity, preview, replacement

if TYPE_CHECKING:
    from pathlib import Path

    from usagectl.tools.base import IdentityFile

NAME = "machine.json"
posix_links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def places(machine: Machine, **overrides: Any) -> dict[str, IdentityFile]:  # noqa: ANN401
    """Name the places by a short form of their paths."""
    return {
        short(machine, place.path): place
        for place in identity.places(machine.environment(**overrides))
    }


def short(machine: Machine, path: Path) -> str:
    """Write a path relative to the machine's folder."""
    return (
        path.relative_to(machine.folder).as_posix()
        if machine.folder in path.parents
        else (path.as_posix())
    )


CLI_FOLDERS = [
    ("Linux", {}, "home/.cache/localstack-cli", "default"),
    ("Linux", {"XDG_CACHE_HOME": "/abs"}, "/abs/localstack-cli", "environment"),
    ("Linux", {"XDG_CACHE_HOME": "rel/x"}, "home/.cache/localstack-cli", "default"),
    ("Linux", {"XDG_CACHE_HOME": "~/x"}, "home/.cache/localstack-cli", "default"),
    ("Linux", {"XDG_CACHE_HOME": ""}, "home/.cache/localstack-cli", "default"),
    ("Darwin", {}, "home/Library/Caches/localstack-cli", "default"),
    ("Darwin", {"XDG_CACHE_HOME": "/abs"}, "home/Library/Caches/localstack-cli", "default"),
    ("Windows", {"LOCALAPPDATA": "/local"}, "/local/cache/localstack-cli", "environment"),
    (
        "Windows",
        {"LOCALAPPDATA": "/local", "XDG_CACHE_HOME": "/abs"},
        "/local/cache/localstack-cli",
        "environment",
    ),
]


@pytest.mark.parametrize(("system", "variables", "folder", "source"), CLI_FOLDERS)
def test_the_command_lines_folder_follows_the_client(
    tmp_path: Path, system: str, variables: dict[str, str], folder: str, source: str
) -> None:
    """XDG counts on Linux when absolute, LOCALAPPDATA on Windows; macOS has one folder."""
    machine = Machine(tmp_path / "m", variables=variables, system=system)
    found, why = identity.cache_dir(machine.environment())
    assert (short(machine, found), why) == (folder, source)
    first = identity.places(machine.environment())[0]
    assert (first.tool, first.part, first.path.name) == ("localstack", "cli", NAME)
    assert first.is_primary


VOLUMES = [
    ("Linux", {}, "home/.cache/localstack/volume/cache/machine.json"),
    ("Linux", {"XDG_CACHE_HOME": "/abs"}, "/abs/localstack/volume/cache/machine.json"),
    ("Linux", {"LOCALSTACK_VOLUME_DIR": "volume"}, "work/volume/cache/machine.json"),
    ("Linux", {"LOCALSTACK_VOLUME_DIR": "/vol"}, "/vol/cache/machine.json"),
    ("Darwin", {}, "home/Library/Caches/localstack/volume/cache/machine.json"),
    ("Darwin", {"LOCALSTACK_VOLUME_DIR": "./v"}, "work/v/cache/machine.json"),
    ("Windows", {"LOCALAPPDATA": "/l"}, "/l/cache/localstack/volume/cache/machine.json"),
    ("Linux", {"FILESYSTEM_ROOT": "/fs"}, "/fs/var/lib/localstack/cache/machine.json"),
    ("Linux", {"FILESYSTEM_ROOT": "fs"}, "work/fs/var/lib/localstack/cache/machine.json"),
    ("Linux", {"CACHE_DIR": "/old"}, "/old/machine.json"),
    ("Linux", {}, "root/tmp/localstack/cache/machine.json"),
]


@pytest.mark.parametrize(("system", "variables", "path"), VOLUMES)
def test_volumes_and_older_versions_have_their_places(
    tmp_path: Path, system: str, variables: dict[str, str], path: str
) -> None:
    """The container's file lies in the volume, 1.x's below CACHE_DIR; none of them is made."""
    machine = Machine(tmp_path / "m", variables=variables, system=system)
    place = places(machine)[path]
    assert (place.tool, place.part, place.is_primary) == ("localstack", "container", False)


def test_a_profile_moves_the_folders_too(machine: Machine) -> None:
    """The client reads its profiles before it names its folders, and so do we."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text("XDG_CACHE_HOME=/from/profile\nLOCALSTACK_VOLUME_DIR=/v\n")
    found = places(machine)
    assert "/from/profile/localstack-cli/machine.json" in found
    assert "/v/cache/machine.json" in found


def test_in_a_container_the_volume_is_the_command_lines_folder(machine: Machine) -> None:
    """Where the client takes itself for contained it uses /var/lib/localstack."""
    machine.variables["OVERRIDE_IN_DOCKER"] = "1"
    found, source = identity.cache_dir(machine.environment())
    assert (short(machine, found), source) == ("root/var/lib/localstack/cache", "state")


def test_a_home_with_a_marker_file_is_a_container(machine: Machine) -> None:
    """The engine's marker file decides when nothing overrides it."""
    (machine.root / ".dockerenv").touch()
    assert identity.cache_dir(machine.environment())[1] == "state"
    machine.variables["OVERRIDE_IN_DOCKER"] = "0"
    assert identity.cache_dir(machine.environment())[1] == "default"


LSTK_FOLDERS = [
    ("Linux", {}, (), "home/.config/lstk/machine_id"),
    ("Linux", {}, ("work/.lstk", "home/.config/lstk"), "work/.lstk/machine_id"),
    ("Linux", {"XDG_CONFIG_HOME": "{}/xdg"}, ("xdg/lstk",), "xdg/lstk/machine_id"),
    (
        "Linux",
        {"XDG_CONFIG_HOME": "{}/xdg"},
        ("xdg/lstk", "home/.config/lstk"),
        "home/.config/lstk/machine_id",
    ),
    ("Darwin", {}, (), "home/Library/Application Support/lstk/machine_id"),
    ("Darwin", {}, ("home/.config/lstk",), "home/.config/lstk/machine_id"),
    ("Windows", {"APPDATA": "{}/roaming"}, ("roaming/lstk",), "roaming/lstk/machine_id"),
]


@pytest.mark.parametrize(("system", "variables", "configs", "path"), LSTK_FOLDERS)
def test_lstks_file_lies_beside_its_configuration(
    tmp_path: Path, system: str, variables: dict[str, str], configs: tuple[str, ...], path: str
) -> None:
    """The first folder with a config.toml wins: the project's, ~/.config, the system's."""
    machine = Machine(tmp_path / "m", system=system)
    machine.variables |= {name: text.format(machine.folder) for name, text in variables.items()}
    for folder in configs:
        (machine.folder / folder).mkdir(parents=True)
        (machine.folder / folder / "config.toml").touch()
    place = places(machine)[path]
    assert (place.tool, place.part, place.form, place.is_primary) == ("lstk", "cli", "bare", False)


@pytest.mark.parametrize(
    ("system", "variables", "cache"),
    [
        ("Linux", {}, "home/.cache"),
        ("Linux", {"XDG_CACHE_HOME": "{}/xdg"}, "xdg"),
        ("Darwin", {}, "home/Library/Caches"),
        ("Windows", {"LOCALAPPDATA": "{}/local"}, "local"),
    ],
)
def test_every_volume_of_lstk_is_a_place(
    tmp_path: Path, system: str, variables: dict[str, str], cache: str
) -> None:
    """Each container of lstk has a volume with a machine.json of its own."""
    machine = Machine(tmp_path / "m", system=system)
    machine.variables |= {name: text.format(machine.folder) for name, text in variables.items()}
    for name in ("one", "two"):
        folder = machine.folder / cache / "lstk" / "volume" / name / "cache"
        folder.mkdir(parents=True)
        (folder / NAME).write_text('{"machine_id": "dkr_0123456789ab"}')
    found = [place for place in places(machine).values() if place.tool == "lstk"]
    assert [place.part for place in found].count("container") == 2
    done = replacement.replace(machine.environment(), {"lstk": "11111111-222"})
    assert [replacement.after for replacement in done] == ["gen_11111111-222"] * 2


def test_the_chosen_folder_comes_first_and_is_written(machine: Machine) -> None:
    """`cache-dir set` names a place that reset makes and that the others do not replace."""
    assert machine.run("cache-dir", "set", "volume/cache").status == 0
    folder, source = identity.cache_dir(machine.environment())
    assert (folder, source) == (machine.cwd / "volume" / "cache", "setting")
    assert machine.run("reset-machine-id", "--yes").status == 0
    texts = {(folder / NAME).read_text(), machine.machine_json.read_text()}
    assert len(texts) == 1


def test_choosing_the_command_lines_own_folder_keeps_its_part(machine: Machine) -> None:
    """The command line's place is still known as such, so that preview reads it there."""
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.write_text('{"machine_id": "mine"}')
    machine.run("cache-dir", "set", str(machine.machine_json.parent))
    first = identity.places(machine.environment())[0]
    assert (first.part, first.source) == ("cli", "setting")
    (request,) = preview.preview_localstack(machine.environment())[0].requests
    assert json.loads(request.body)["payload"]["machine_id"] == "mine"


@posix_links
def test_a_link_inside_its_folder_is_followed(machine: Machine) -> None:
    """A link to a file beside it stays a link; the file behind it gets the new ID."""
    target = machine.machine_json.with_name("real.json")
    target.parent.mkdir(parents=True)
    target.write_text('{"machine_id": "old", "k": 1}')
    machine.machine_json.symlink_to("real.json")
    (done,) = replacement.replace(machine.environment(), {"localstack": "11111111-222"})
    assert done.changed
    assert machine.machine_json.is_symlink()
    assert json.loads(target.read_text()) == {"machine_id": "gen_11111111-222", "k": 1}


@posix_links
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("clears", [True, False])
def test_a_link_out_of_its_folder_is_not_followed(
    machine: Machine, *, exists: bool, clears: bool
) -> None:
    """A link that leads elsewhere is refused with its own code; link and target stay."""
    outside = machine.folder / "outside.json"
    if exists:
        outside.write_text('{"machine_id": "old"}')
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.symlink_to(outside)
    before = snapshot(machine.folder)
    verb = ("cache-dir", "clear") if clears else ("reset-machine-id",)
    done = machine.run(*verb, "--yes", "--json", variables={"USAGECTL_TELEMETRY": "off"})
    assert done.status == 3
    assert [error["code"] for error in done.envelope["errors"]] == ["link-outside"]
    after = snapshot(machine.folder)
    assert {path: after[path] for path in before if path != "."} == {
        path: before[path] for path in before if path != "."
    }


@posix_links
def test_a_dangling_link_inside_gets_its_target(machine: Machine) -> None:
    """A link to a file beside it that is not there yet is filled, not replaced."""
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.symlink_to("later.json")
    replacement.replace(machine.environment(), {"localstack": "11111111-222"})
    assert machine.machine_json.is_symlink()
    assert json.loads(machine.machine_json.with_name("later.json").read_text())


@posix_links
def test_a_loop_of_links_is_set_aside(machine: Machine) -> None:
    """A link that leads nowhere but to itself is no file; it is renamed like all such."""
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.symlink_to("b.json")
    machine.machine_json.with_name("b.json").symlink_to(NAME)
    assert identity.read_all(machine.environment())[0].kind == "unreadable"
    (done,) = replacement.replace(machine.environment(), {"localstack": "11111111-222"})
    assert done.set_aside is not None
    assert str(done.set_aside.readlink()) == "b.json"
    assert json.loads(machine.machine_json.read_text()) == {"machine_id": "gen_11111111-222"}


@posix_links
def test_a_cache_folder_that_is_a_link_is_fine(machine: Machine) -> None:
    """People keep ~/.cache on another disk: a link above the file's folder is theirs."""
    elsewhere = machine.folder / "disk"
    elsewhere.mkdir()
    (machine.home / ".cache").symlink_to(elsewhere)
    (done,) = replacement.replace(machine.environment(), {"localstack": "11111111-222"})
    assert done.problem is None
    assert (elsewhere / "localstack-cli" / NAME).is_file()
