"""Tests of switching LocalStack: which bytes its profiles get, and that they come back."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.support.machine import Machine
from usagectl import consent, switching
from usagectl.tools.localstack_client import why_unholdable
from usagectl.tools.localstack_dotenv import DIALECTS, parse
from usagectl.tools.localstack_profiles import blocks

if TYPE_CHECKING:
    from usagectl.switching import SwitchResult

OUT = b"DISABLE_EVENTS=1\n"
PREFIXED_IN = b"LOCALSTACK_DISABLE_EVENTS=0\n"


def disable(machine: Machine) -> SwitchResult:
    """Switch LocalStack off."""
    return switching.disable(machine.environment(), ["localstack"])


def enable(machine: Machine) -> SwitchResult:
    """Switch LocalStack on by its name."""
    return switching.enable(machine.environment(), ["localstack"])


def undo(machine: Machine) -> SwitchResult:
    """Enable without a name: undo what disable did."""
    return switching.enable(machine.environment())


def states(machine: Machine) -> list[str]:
    """List what both parts are now."""
    return [found.telemetry for found in consent.evaluate(machine.environment(), ["localstack"])]


def profile(machine: Machine, data: bytes | None = None, *, name: str = "default") -> Path:
    """Name a profile; write it if there are bytes for it."""
    file = machine.default_profile.with_name(f"{name}.env")
    file.parent.mkdir(exist_ok=True)
    if data is not None:
        file.write_bytes(data)
    return file


def is_usable(data: bytes) -> bool:
    """True if the client can read these bytes, and usagectl has not been there yet."""
    try:
        values = parse(data, {}, DIALECTS[0])
    except ValueError:
        return False
    return not why_unholdable(values, {}) and not blocks(data)


LINES = st.sampled_from(
    [
        b"DISABLE_EVENTS=0",
        b"DISABLE_EVENTS=1",
        b"DISABLE_EVENTS",
        b"LOCALSTACK_DISABLE_EVENTS=0",
        b"LOCALSTACK_DISABLE_EVENTS='1'",
        b"# comment",
        b'X="',
        b"Y='a",
        b'"',
        b"'",
        b"export ",
        b"\xef\xbb\xbfA=1",
        b"# >>> usagectl >>>",
        b"# <<< usagectl <<<",
        b"Z=\\",
        b"A=${DISABLE_EVENTS}",
        b"",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b""])
GRAMMAR = st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=8).map(b"".join)
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80).map(str.encode)
MIXED = st.lists(st.one_of(GRAMMAR, TEXT, st.binary(max_size=20)), max_size=4).map(b"".join)


@settings(database=None)
@given(MIXED)
@example(b'X="')
@example(b"\xef\xbb\xbf")
@example(b"X=1")
@example(b"X=1\r")
@example(b"# >>> usagectl >>>\r")
@example(b"")
def test_disable_and_enable_restore_every_byte(data: bytes) -> None:
    """Whatever a profile holds that the client can read: off is off, and undone is as before."""
    assume(is_usable(data))
    with tempfile.TemporaryDirectory() as name:
        machine = Machine(Path(name))
        file = profile(machine, data)
        result = disable(machine)
        assert not result.problems
        assert states(machine) == ["off", "off"]
        changed = file.read_bytes()
        assert changed.startswith(data)
        assert not disable(machine).changes[0].changed
        assert file.read_bytes() == changed
        undo(machine)
        assert file.read_bytes() == data


@settings(database=None)
@given(MIXED)
@example(b"DISABLE_EVENTS=1")
def test_enable_by_name_switches_on(data: bytes) -> None:
    """Whatever a profile holds, enable by name is on; undo takes out what disable wrote alone."""
    assume(is_usable(data))
    with tempfile.TemporaryDirectory() as name:
        machine = Machine(Path(name))
        file = profile(machine, data)
        for _ in range(2):
            assert not enable(machine).problems
            assert states(machine) == ["on", "on"]
        enabled = file.read_bytes()
        assert enabled.startswith(data)
        disable(machine)
        assert states(machine) == ["off", "off"]
        undo(machine)
        assert file.read_bytes() == enabled


def test_a_profile_that_was_not_there_is_made_and_removed(machine: Machine) -> None:
    """Disable makes the file that is missing; enable removes it, but not what a person added."""
    (change,) = disable(machine).changes
    assert change[:4] == ("localstack", machine.default_profile, "DISABLE_EVENTS", "1")
    assert change.changed
    assert OUT in machine.default_profile.read_bytes()
    undo(machine)
    assert not machine.default_profile.exists()
    disable(machine)
    with machine.default_profile.open("ab") as stream:
        stream.write(b"X=1\n")
    undo(machine)
    assert machine.default_profile.read_bytes() == b"X=1\n"


def test_twice_changes_nothing(machine: Machine) -> None:
    """The second time neither command touches the file, not even its time."""
    file = profile(machine, b"X=1")
    for switch in (disable, undo):
        switch(machine)
        before = file.stat()
        assert not any(change.changed for change in switch(machine).changes)
        after = file.stat()
        assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_persons_own_opt_out_is_enough(machine: Machine) -> None:
    """Where the profile is off already, disable writes nothing into it."""
    file = profile(machine, OUT)
    (change,) = disable(machine).changes
    assert (change.changed, change.value) == (False, "1")
    assert file.read_bytes() == OUT


def test_of_a_list_the_last_profile_is_edited(machine: Machine) -> None:
    """The last of the active profiles wins over the others, so it is the one to edit.

    A prefixed name that turns the container on is beaten, in whichever file of a list.
    """
    for names, first, last in (
        ("a,b", b"X=1\n", b"Y=1\n"),
        ("a,b", PREFIXED_IN, b""),
        ("a,b", b"", PREFIXED_IN),
        ("a,b", b"DISABLE_EVENTS=0\n", b"DISABLE_EVENTS\n"),
        ("b,a,b", PREFIXED_IN, b""),
    ):
        earlier, file = profile(machine, first, name="a"), profile(machine, last, name="b")
        machine.variables = {"CONFIG_PROFILE": names}
        result = disable(machine)
        assert not result.problems, (names, first, last)
        assert {change.file for change in result.changes} == {file}
        assert earlier.read_bytes() == first
        assert states(machine) == ["off", "off"], (names, first, last)
        assert not disable(machine).changes[0].changed
        undo(machine)
        assert file.read_bytes() == last


def test_enable_by_name_beats_a_persons_own_opt_out(tmp_path: Path) -> None:
    """A person's own opt-out, in any active file, stays in its file and is beaten by name only."""
    for names in ("default", "a,default", "default,a", "a,b,a"):
        machine = Machine(tmp_path / names, variables={"CONFIG_PROFILE": names})
        active = names.split(",")
        for name in active:
            profile(machine, OUT, name=name)
        undo(machine)
        assert states(machine) == ["off", "off"], names
        for switch in (enable, enable, undo):  # What enable wrote is not taken out by enable alone.
            assert not switch(machine).problems, names
            assert states(machine) == ["on", "on"], names
        assert profile(machine, name=active[0]).read_bytes().startswith(OUT)
        again = switching.enable(machine.environment(), ["localstack"], dry_run=True)
        assert not any(change.changed for change in again.changes)
        was = {name: profile(machine, name=name).read_bytes() for name in active}
        assert disable(machine).problems == ()
        assert states(machine) == ["off", "off"], names
        undo(machine)
        assert {name: profile(machine, name=name).read_bytes() for name in active} == was
        assert states(machine) == ["on", "on"], names


def test_enable_by_name_takes_out_what_disable_wrote_in_any_file(machine: Machine) -> None:
    """Disable's block in an earlier file of the list goes; a person's opt-out before it is beaten.

    An earlier opt-in of usagectl stays: with that profile alone it still says on.
    """
    profile(machine, OUT, name="a")
    machine.variables = {"CONFIG_PROFILE": "b"}
    middle = profile(machine, b"X=1\n", name="b")
    disable(machine)
    machine.variables = {"CONFIG_PROFILE": "a,b,c"}
    assert states(machine) == ["off", "off"]
    assert not enable(machine).problems
    assert states(machine) == ["on", "on"]
    assert middle.read_bytes() == b"X=1\n"
    assert profile(machine, name="a").read_bytes() == OUT
    machine.variables = {"CONFIG_PROFILE": "a"}
    enable(machine)
    machine.variables = {"CONFIG_PROFILE": "a,b"}
    enable(machine)
    machine.variables = {"CONFIG_PROFILE": "a"}
    assert states(machine) == ["on", "on"]


def test_undo_finds_the_block_in_a_profile_that_is_not_active(machine: Machine) -> None:
    """Disable ran while another profile was active; enable takes its block out there too."""
    machine.variables = {"CONFIG_PROFILE": "dev"}
    file = profile(machine, b"X=1\n", name="dev")
    disable(machine)
    assert file.read_bytes() != b"X=1\n"
    machine.variables = {}
    undo(machine)
    assert file.read_bytes() == b"X=1\n"


def test_a_linked_profile_stays_a_link(machine: Machine) -> None:
    """The target of a link is edited and restored; the link stays, a dangling one too."""
    target = machine.folder / "dotfiles.env"
    for data in (b"X=1\n", None):
        file = profile(machine)
        file.unlink(missing_ok=True)
        file.symlink_to(target)
        target.unlink(missing_ok=True)
        if data is not None:
            target.write_bytes(data)
        disable(machine)
        assert file.is_symlink()
        assert OUT in target.read_bytes()
        undo(machine)
        assert file.is_symlink()
        assert (target.read_bytes() if target.exists() else None) == data


def test_the_mode_is_kept(machine: Machine) -> None:
    """A profile keeps its permissions through both commands."""
    file = profile(machine, b"X=1\n")
    for mode in (0o600, 0o640, 0o644, 0o664, 0o444):
        file.chmod(mode)
        for switch in (disable, undo):
            switch(machine)
            assert stat.S_IMODE(file.stat().st_mode) == mode


def test_the_environment_defeats_the_file(tmp_path: Path) -> None:
    """The file is written; the variable that beats it is named, with what to export."""
    plain, prefixed = "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS"
    for number, (name, value, part, count) in enumerate(
        (
            (plain, "0", "localstack cli", 2),
            (plain, "", "localstack container", 2),
            (prefixed, "0", "localstack container", 1),
        )
    ):
        machine = Machine(tmp_path / str(number), variables={name: value})
        result = disable(machine)
        assert result.changes[0].changed
        found = [problem for problem in result.problems if part in problem.message]
        hint = f"export {name}=1"
        assert [(each.code, each.hint) for each in found] == [("switch-ineffective", hint)]
        assert len(result.problems) == count


def test_the_environment_defeats_enable(machine: Machine) -> None:
    """Enable by name cannot beat a variable that says off, and says which to unset."""
    machine.variables = {"DISABLE_EVENTS": "1"}
    result = enable(machine)
    assert {problem.code for problem in result.problems} == {"switch-ineffective"}
    assert {problem.hint for problem in result.problems} == {"unset DISABLE_EVENTS"}
    assert not undo(machine).problems


def test_a_corrupt_profile_is_left_as_it_was(machine: Machine) -> None:
    """A profile that the client cannot read, a folder or a pipe stays; an error names it."""
    file = profile(machine)
    for data in (b"X=\xff\n", b"X=a\0\n", b"'A=B'=1\n"):
        file.write_bytes(data)
        result = disable(machine)
        assert [problem.code for problem in result.problems] == ["file-corrupt"], data
        enable(machine)
        undo(machine)
        assert file.read_bytes() == data
        assert os.listdir(file.parent) == ["default.env"]  # noqa: PTH208
    file.unlink()
    file.mkdir()
    assert disable(machine).problems[0].code == "file-unreadable"
    assert file.is_dir()
    file.rmdir()
    os.mkfifo(file)
    assert disable(machine).problems[0].code == "file-unreadable"
    assert file.is_fifo()


def test_without_a_home_the_error_names_the_way_out(machine: Machine) -> None:
    """Without any home there is no profile to write; CONFIG_DIR gives it a place, even the root."""
    bare = machine.environment(variables={}, account_home=None)
    problem = switching.disable(bare, ["localstack"]).problems[0]
    assert (problem.code, "CONFIG_DIR" in problem.hint) == ("folder-unknown", True)
    placed = machine.environment(variables={"CONFIG_DIR": "conf"}, account_home=None)
    assert not switching.disable(placed, ["localstack"]).problems
    assert (machine.cwd / "conf" / "default.env").exists()
    rooted = machine.environment(variables={"CONFIG_DIR": "/"})
    assert switching.disable(rooted, ["localstack"], dry_run=True).changes
