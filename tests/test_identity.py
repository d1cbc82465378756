"""Tests of machine IDs: where they lie, what is read there, how they are replaced and removed."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.commands import snapshot
from tests.support.machine import NOW, Machine
from usagectl import identity, settings
from usagectl.errors import InvalidValueError, LinkOutsideError

if TYPE_CHECKING:
    from usagectl.identity import MachineId, Replacement
    from usagectl.tools.base import IdentityFile

GEN = re.compile(r"gen_[0-9a-f]{8}-[0-9a-f]{3}")
BODY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{3}")
DEEP = b"[" * 5000 + b"]" * 5000
NAME = "machine.json"
NEW = {"localstack": "11111111-222"}
EXAMPLES = int(os.environ.get("USAGECTL_FUZZ_EXAMPLES", "150"))
posix_links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def write(file: Path, data: bytes | str) -> Path:
    """Put a file somewhere, with its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def first(machine: Machine) -> MachineId:
    """Read the place of LocalStack's command line."""
    return identity.read_all(machine.environment())[0]


def reset(machine: Machine, *, dry_run: bool = False) -> tuple[Replacement, ...]:
    """Replace the ID as the command does."""
    environment = machine.environment()
    return identity.replace(environment, identity.plan_reset(environment), dry_run=dry_run)


def stored(machine: Machine) -> object:
    """Return what the client would read from its file now."""
    document = json.loads(machine.machine_json.read_bytes())
    assert isinstance(document, dict)
    return document["machine_id"]


def lstk_file(machine: Machine) -> Path:
    """Name lstk's own file."""
    return machine.home / ".config" / "lstk" / "machine_id"


def short(machine: Machine, path: Path) -> str:
    """Write a path relative to the machine's folder."""
    is_inside = machine.folder in path.parents
    return (path.relative_to(machine.folder) if is_inside else path).as_posix()


def places(machine: Machine) -> dict[str, IdentityFile]:
    """Name the places by a short form of their paths."""
    found = identity.places(machine.environment())
    return {short(machine, place.path): place for place in found}


CONTENTS: list[tuple[bytes, str, object]] = [
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
]
KINDS: list[tuple[object, str]] = [
    ("gen_1a55233f-ee4", "random"),
    ("1a55233f-ee4", "random"),
    ("dkr_0123456789ab", "docker-derived"),
    ("sys_7b962d59779b", "system-derived"),
    ("1b6a2f12", "short"),
    ("gen_1A55233F-EE4", "custom"),
    ("gen_1a55233f-ee45", "custom"),
    ("sys_7b962d59779b\n", "custom"),
    ("", "custom"),
    ("anything", "custom"),
    (None, "custom"),
    (5, "custom"),
    (["x"], "custom"),
]


def test_a_file_is_read_as_the_client_reads_it(machine: Machine) -> None:
    """Any mapping or list of pairs is taken, and any value; all else is a problem, no error."""
    cases = [*CONTENTS]
    cases += [(json.dumps({"machine_id": value}).encode(), kind, value) for value, kind in KINDS]
    wrong = []
    for data, kind, value in cases:
        write(machine.machine_json, data)
        found = first(machine)
        if (found.kind, found.value, bool(found.problem)) != (kind, value, kind == "unreadable"):
            wrong.append((data[:60], found.kind, found.value))
    assert wrong == []


def test_what_may_be_typed() -> None:
    """Letters, digits, underscore, dash and dot are taken, up to 64; all else is refused."""
    for text in ("gen_1a55233f-ee4", "a", "A_b-c.9", "x" * 64):
        assert identity.validate(text) == text
    for text in ("", "x" * 65, "a b", "é", "a\n", "a/b", '"', "a\0", "$(x)"):
        with pytest.raises(InvalidValueError):
            identity.validate(text)


CLI_FOLDERS: list[tuple[str, dict[str, str], str, str]] = [
    ("Linux", {}, "home/.cache/localstack-cli", "default"),
    ("Linux", {"XDG_CACHE_HOME": "/abs"}, "/abs/localstack-cli", "environment"),
    ("Linux", {"XDG_CACHE_HOME": "rel/x"}, "home/.cache/localstack-cli", "default"),
    ("Linux", {"XDG_CACHE_HOME": "~/x"}, "home/.cache/localstack-cli", "default"),
    ("Linux", {"XDG_CACHE_HOME": ""}, "home/.cache/localstack-cli", "default"),
    ("Linux", {"OVERRIDE_IN_DOCKER": "1"}, "root/var/lib/localstack/cache", "state"),
    ("Darwin", {}, "home/Library/Caches/localstack-cli", "default"),
    ("Darwin", {"XDG_CACHE_HOME": "/abs"}, "home/Library/Caches/localstack-cli", "default"),
    ("Windows", {"LOCALAPPDATA": "/l"}, "/l/cache/localstack-cli", "environment"),
    (
        *("Windows", {"LOCALAPPDATA": "/l", "XDG_CACHE_HOME": "/abs"}),
        *("/l/cache/localstack-cli", "environment"),
    ),
]


def test_the_command_lines_folder_follows_the_client(tmp_path: Path) -> None:
    """XDG counts on Linux when absolute, LOCALAPPDATA on Windows; a container has its volume."""
    wrong = []
    for number, (system, variables, folder, source) in enumerate(CLI_FOLDERS):
        machine = Machine(tmp_path / str(number), variables=variables, system=system)
        found, why = identity.cache_dir(machine.environment())
        place = identity.places(machine.environment())[0]
        assert (place.tool, place.part, place.path.name) == ("localstack", "cli", NAME)
        assert place.is_primary
        if (short(machine, found), why) != (folder, source):
            wrong.append((system, variables, short(machine, found), why))
    assert wrong == []


def test_a_machine_with_a_marker_file_is_a_container(machine: Machine) -> None:
    """The engine's marker file decides when nothing overrides it."""
    (machine.root / ".dockerenv").touch()
    assert identity.cache_dir(machine.environment())[1] == "state"
    machine.variables["OVERRIDE_IN_DOCKER"] = "0"
    assert identity.cache_dir(machine.environment())[1] == "default"


VOLUMES = {
    "home/.cache/localstack/volume/cache": ("Linux", {}),
    "/abs/localstack/volume/cache": ("Linux", {"XDG_CACHE_HOME": "/abs"}),
    "work/volume/cache": ("Linux", {"LOCALSTACK_VOLUME_DIR": "volume"}),
    "/vol/cache": ("Linux", {"LOCALSTACK_VOLUME_DIR": "/vol"}),
    "home/Library/Caches/localstack/volume/cache": ("Darwin", {}),
    "work/v/cache": ("Darwin", {"LOCALSTACK_VOLUME_DIR": "./v"}),
    "/l/cache/localstack/volume/cache": ("Windows", {"LOCALAPPDATA": "/l"}),
    "/fs/var/lib/localstack/cache": ("Linux", {"FILESYSTEM_ROOT": "/fs"}),
    "work/fs/var/lib/localstack/cache": ("Linux", {"FILESYSTEM_ROOT": "fs"}),
    "/old": ("Linux", {"CACHE_DIR": "/old"}),  # of 1.x, as is the next
    "root/tmp/localstack/cache": ("Linux", {}),
}
"""The folder of the container's file, for a system and its variables."""

LSTK_FOLDERS: list[tuple[str, str, dict[str, str], tuple[str, ...]]] = [
    ("home/.config/lstk", "Linux", {}, ()),
    ("work/.lstk", "Linux", {}, ("work/.lstk", "home/.config/lstk")),
    ("xdg/lstk", "Linux", {"XDG_CONFIG_HOME": "{}/xdg"}, ("xdg/lstk",)),
    ("home/.config/lstk", "Linux", {"XDG_CONFIG_HOME": "{}/x"}, ("x/lstk", "home/.config/lstk")),
    ("home/Library/Application Support/lstk", "Darwin", {}, ()),
    ("home/.config/lstk", "Darwin", {}, ("home/.config/lstk",)),
    ("roaming/lstk", "Windows", {"APPDATA": "{}/roaming"}, ("roaming/lstk",)),
]
"""The folder of lstk's file: the first with a config.toml, the project's before the account's."""


def test_each_tool_has_its_places(tmp_path: Path) -> None:
    """The container's file lies in the volume, lstk's beside its configuration; none is made."""
    of_volume, of_lstk = ("localstack", "container", "json"), ("lstk", "cli", "bare")
    cases: list[Any] = [(of_volume, f"{at}/{NAME}", *each, ()) for at, each in VOLUMES.items()]
    cases += [(of_lstk, f"{at}/machine_id", *each) for at, *each in LSTK_FOLDERS]
    wrong = []
    for number, (owner, path, system, variables, configs) in enumerate(cases):
        machine = Machine(tmp_path / str(number), system=system)
        machine.variables |= {name: text.format(machine.folder) for name, text in variables.items()}
        for folder in configs:
            write(machine.folder / folder / "config.toml", "")
        place = places(machine).get(path)
        if place is None or (place.tool, place.part, place.form) != owner or place.is_primary:
            wrong.append((path, system, variables, place))
    assert wrong == []


def test_a_profile_moves_the_folders_too(machine: Machine) -> None:
    """The client reads its profiles before it names its folders, and so do we."""
    write(machine.default_profile, "XDG_CACHE_HOME=/from/profile\nLOCALSTACK_VOLUME_DIR=/v\n")
    found = places(machine)
    assert "/from/profile/localstack-cli/machine.json" in found
    assert "/v/cache/machine.json" in found


def test_every_volume_of_lstk_is_a_place(tmp_path: Path) -> None:
    """Each container of lstk has a volume with a machine.json of its own."""
    cases: list[tuple[str, dict[str, str], str]] = [
        ("Linux", {}, "home/.cache"),
        ("Linux", {"XDG_CACHE_HOME": "{}/xdg"}, "xdg"),
        ("Darwin", {}, "home/Library/Caches"),
        ("Windows", {"LOCALAPPDATA": "{}/local"}, "local"),
    ]
    for number, (system, variables, cache) in enumerate(cases):
        machine = Machine(tmp_path / str(number), system=system)
        machine.variables |= {name: text.format(machine.folder) for name, text in variables.items()}
        for name in ("one", "two"):
            file = machine.folder / cache / "lstk" / "volume" / name / "cache" / NAME
            write(file, '{"machine_id": "dkr_0123456789ab"}')
        found = [place for place in places(machine).values() if place.tool == "lstk"]
        assert [place.part for place in found].count("container") == 2, cases[number]
        done = identity.replace(machine.environment(), {"lstk": "11111111-222"})
        assert [each.after for each in done] == ["gen_11111111-222"] * 2, cases[number]


def test_the_chosen_folder_comes_first_and_is_written(machine: Machine) -> None:
    """`cache-dir set` names a place that reset makes and that the others do not replace."""
    write(machine.config_dir / "settings.toml", '[localstack]\ncache_dir = "volume/cache"\n')
    folder, source = identity.cache_dir(machine.environment())
    assert (folder, source) == (machine.cwd / "volume" / "cache", "setting")
    reset(machine)
    texts = {(folder / NAME).read_text(), machine.machine_json.read_text()}
    assert len(texts) == 1


def test_choosing_the_command_lines_own_folder_keeps_its_part(machine: Machine) -> None:
    """The command line's place is still known as such, so that preview reads it there."""
    chosen = f'[localstack]\ncache_dir = "{machine.machine_json.parent}"\n'
    write(machine.config_dir / "settings.toml", chosen)
    place, *others = identity.places(machine.environment())
    assert (place.part, place.source, place.is_shared) == ("cli", "setting", True)
    assert place.path not in [each.path for each in others]


def test_reset_writes_random_ids_of_the_clients_own_shape(machine: Machine) -> None:
    """Reset writes gen_ and 8, a dash, 3 hex digits; lstk's file has others without a prefix.

    Only the primary place is made; of LocalStack's, all that exist agree afterwards.
    """
    write(machine.root / "etc" / "machine-id", "0123456789abcdef\n")
    reset(machine)
    one = str(stored(machine))
    assert {path for path in machine.home.rglob("*") if path.is_file()} == {machine.machine_json}
    assert stat.S_IMODE(machine.machine_json.stat().st_mode) == 0o644, "a container reads it"
    volume = machine.home / ".cache" / "localstack" / "volume" / "cache" / NAME
    for file in (machine.machine_json, volume):
        write(file, '{"machine_id": "dkr_0123456789ab"}')
    write(lstk_file(machine), "0123456789ab")
    reset(machine)
    other, body = str(stored(machine)), lstk_file(machine).read_text()
    assert json.loads(volume.read_bytes()) == {"machine_id": other}
    assert GEN.fullmatch(one)
    assert GEN.fullmatch(other)
    assert BODY.fullmatch(body)
    assert other != f"gen_{body}", "the two tools must not share an ID"
    assert other != one, "an ID is drawn each time"


def test_other_keys_order_and_mode_stay(machine: Machine) -> None:
    """Only the value of machine_id changes; the file keeps other keys, their order, its mode."""
    write(machine.machine_json, '{"b": [1, "é"], "machine_id": "old", "a": {"c": null}}')
    machine.machine_json.chmod(0o640)
    reset(machine)
    document = json.loads(machine.machine_json.read_bytes())
    assert list(document) == ["b", "machine_id", "a"]
    assert (document["b"], document["a"]) == ([1, "é"], {"c": None})
    assert stat.S_IMODE(machine.machine_json.stat().st_mode) == 0o640


def test_dry_run_changes_nothing_and_says_what_would_change(machine: Machine) -> None:
    """A dry run tells the same places as the real run and leaves every byte, mode and time."""
    write(machine.machine_json, b"broken")
    write(lstk_file(machine), "0123456789ab")
    before = snapshot(machine.folder)
    planned = reset(machine, dry_run=True)
    cleared = identity.clear(machine.environment(), dry_run=True)
    assert snapshot(machine.folder) == before
    done = reset(machine)
    assert [found.place for found in planned] == [found.place for found in done]
    assert all(found.changed and found.set_aside is None for found in planned + cleared)


def test_a_corrupt_file_is_set_aside_whole(machine: Machine) -> None:
    """What cannot be understood is renamed with its bytes, each time to a name of its own."""
    texts = [b"", b"not json", b"null", b"\xff\xfe", b'{"machine_id": ' + DEEP + b"}"]
    asides = []
    for data in texts:
        write(machine.machine_json, data)
        (done,) = reset(machine)
        asides.append(done.set_aside)
        assert GEN.fullmatch(str(stored(machine)))
    assert [aside.read_bytes() for aside in asides if aside] == texts
    assert all(NOW.strftime("%Y%m%dT%H%M%SZ") in str(aside) for aside in asides)
    write(machine.machine_json, b"precious")
    (done,) = identity.clear(machine.environment())
    assert done.set_aside is not None
    assert done.set_aside.read_bytes() == b"precious"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
def test_what_is_no_file_neither_hangs_nor_is_lost(machine: Machine) -> None:
    """A folder, a pipe or a loop of links in the file's place is set aside with its content."""
    asides = []
    for kind in ("folder", "pipe", "loop"):
        if kind == "folder":
            write(machine.machine_json / "inner" / "note", "mine")
        elif kind == "pipe":
            os.mkfifo(machine.machine_json)
        else:
            machine.machine_json.symlink_to("b.json")
            machine.machine_json.with_name("b.json").symlink_to(NAME)
        assert first(machine).kind == "unreadable"
        (done,) = reset(machine)
        assert done.set_aside is not None
        asides.append(done.set_aside)
        assert GEN.fullmatch(str(stored(machine)))
        machine.machine_json.unlink()
    folder, pipe, link = asides
    assert (folder / "inner" / "note").read_text() == "mine"
    assert pipe.is_fifo()
    assert str(link.readlink()) == "b.json"


def test_a_chosen_id_is_written_once_to_each_tool(machine: Machine) -> None:
    """The program lstk adds gen_ to what its file holds, so that file holds the rest.

    A place that holds the wanted ID already is left untouched.
    """
    write(lstk_file(machine), "0123456789ab")
    bodies = dict.fromkeys(("localstack", "lstk"), "gen_1a55233f-ee4")
    identity.replace(machine.environment(), bodies, prefix="")
    assert stored(machine) == "gen_1a55233f-ee4"
    assert lstk_file(machine).read_text() == "1a55233f-ee4"
    write(machine.machine_json, '{ "machine_id":"gen_1a55233f-ee4" }')
    done = identity.replace(machine.environment(), bodies, prefix="")
    assert [each.changed for each in done] == [False, False]
    assert machine.machine_json.read_bytes() == b'{ "machine_id":"gen_1a55233f-ee4" }'


def test_clear_removes_the_known_files_alone(machine: Machine) -> None:
    """Clearing takes the ID's file from each place; other files in those folders stay."""
    write(machine.machine_json, '{"machine_id": "x"}')
    write(lstk_file(machine), "0123456789ab")
    others = [
        write(machine.machine_json.with_name(name), "mine")
        for name in ("machine.json.bak", "machine.json.corrupt-20260101T000000Z", "pypi.json")
    ]
    config = write(lstk_file(machine).with_name("config.toml"), "")
    identity.clear(machine.environment())
    assert not machine.machine_json.exists()
    assert not lstk_file(machine).exists()
    assert all(other.read_text() == "mine" for other in others)
    assert config.exists()


def test_a_settings_file_that_is_broken_does_not_stop_a_reset(machine: Machine) -> None:
    """The places of the tools are known without usagectl's settings."""
    write(machine.config_dir / "settings.toml", b"\xff broken")
    assert settings.load(machine.environment()).problem
    (done,) = reset(machine)
    assert done.changed


@posix_links
def test_a_link_inside_its_folder_is_followed(machine: Machine) -> None:
    """A link to a file beside it stays a link; that file gets the new ID, made if missing."""
    target = write(machine.machine_json.with_name("real.json"), '{"machine_id": "old", "k": 1}')
    machine.machine_json.symlink_to("real.json")
    for kept in ({"k": 1}, {}):
        (done,) = identity.replace(machine.environment(), NEW)
        assert done.changed
        assert machine.machine_json.is_symlink()
        assert json.loads(target.read_text()) == {"machine_id": "gen_11111111-222", **kept}
        target.unlink()


@posix_links
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_out_of_its_folder_is_not_followed(machine: Machine, *, exists: bool) -> None:
    """A link that leads elsewhere is refused with its own code; link and target stay."""
    outside = machine.folder / "outside.json"
    if exists:
        outside.write_text('{"machine_id": "old"}')
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.symlink_to(outside)
    before = snapshot(machine.folder)
    for verb in (("cache-dir", "clear"), ("reset-machine-id",)):
        done = machine.run(*verb, "--yes", "--json", variables={"USAGECTL_TELEMETRY": "off"})
        assert done.status == 3, verb
        assert [error["code"] for error in done.envelope["errors"]] == ["link-outside"]
        after = snapshot(machine.folder)
        assert [path for path in before if path != "." and after[path] != before[path]] == []


@posix_links
def test_a_cache_folder_that_is_a_link_is_fine(machine: Machine) -> None:
    """People keep ~/.cache on another disk: a link above the file's folder is theirs."""
    elsewhere = machine.folder / "disk"
    elsewhere.mkdir()
    (machine.home / ".cache").symlink_to(elsewhere)
    (done,) = identity.replace(machine.environment(), NEW)
    assert done.problem is None
    assert (elsewhere / "localstack-cli" / NAME).is_file()


def test_the_hint_of_a_refused_link_is_one_safe_command(tmp_path: Path) -> None:
    """A path with blanks and shell signs stays one word of the command that is proposed."""
    odd = tmp_path / "my cache; echo pwned" / NAME
    hint = LinkOutsideError(odd, target=tmp_path).hint
    assert shlex.split(hint) == ["rm", str(odd)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["machine_id", "Machine_id", ""]) | st.text(max_size=4)
DOCUMENTS = (
    st.dictionaries(KEYS, JSON, max_size=4)
    | st.lists(st.tuples(KEYS, JSON), max_size=3)
    | st.lists(st.lists(JSON, max_size=3), max_size=3)
    | JSON
)
ODD_FILES = (
    st.binary(max_size=64)
    | DOCUMENTS.map(lambda document: json.dumps(document).encode())
    | st.builds(
        lambda document, cut, junk: json.dumps(document).encode()[cut:] + junk,
        DOCUMENTS,
        st.integers(0, 3),
        st.binary(max_size=3),
    )
    | st.text(max_size=40).map(lambda text: text.encode("utf-16"))
)


def understood(data: bytes) -> dict[str, object] | None:
    """Say what the client's `dict.update(json.load(file))` makes of the bytes, None if it fails."""
    document: dict[str, object] = {}
    try:
        document.update(json.loads(data.decode("utf-8")))
    except (ValueError, TypeError):
        return None
    return document


@hypothesis_settings(max_examples=EXAMPLES)
@given(data=ODD_FILES, clears=st.booleans())
def test_no_content_of_machine_json_is_too_odd(data: bytes, *, clears: bool) -> None:
    """Reading, replacing and clearing never raise; what is not understood is set aside whole."""
    with tempfile.TemporaryDirectory() as name:
        machine = Machine(Path(name))
        file = write(machine.machine_json, data)
        before = understood(data)
        found = first(machine)
        assert (found.kind == "unreadable") == (before is None)
        if clears:
            (done,) = identity.clear(machine.environment())
            assert not file.exists()
        else:
            (done,) = identity.replace(machine.environment(), NEW)
            after = understood(file.read_bytes())
            assert after is not None
            assert after["machine_id"] == "gen_11111111-222"
            # Pairs may have brought numbers and null as keys: JSON writes them as text.
            kept = json.loads(json.dumps(before or {})).keys()
            assert after.keys() - {"machine_id"} == kept - {"machine_id"}
        assert done.problem is None
        survives = any(path.read_bytes() == data for path in file.parent.glob("*.corrupt-*"))
        assert survives == (before is None)
        assert not list(file.parent.glob(".*")), "a temporary file was left"


@hypothesis_settings(max_examples=EXAMPLES // 2)
@given(data=st.binary(max_size=64) | st.text(max_size=20).map(str.encode))
def test_no_content_of_lstks_file_is_too_odd(data: bytes) -> None:
    """Any bytes in lstk's bare file are read and replaced by twelve characters."""
    with tempfile.TemporaryDirectory() as name:
        machine = Machine(Path(name))
        file = write(lstk_file(machine), data)
        identity.read_all(machine.environment())
        (done,) = identity.replace(machine.environment(), {"lstk": "11111111-222"})
        assert done.problem is None
        assert file.read_bytes() == b"11111111-222"
