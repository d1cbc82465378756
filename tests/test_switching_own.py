"""Tests of switching usagectl itself, lstk, all at once, and of dry runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import NOW
from tests.support.spooling import read
from usagectl import consent, settings, spool, switching
from usagectl.emitting import permission
from usagectl.errors import UnknownToolError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

EVENT = b'{"name":"cli_cmd","metadata":{},"payload":{}}'


def own_state(machine: Machine) -> str:
    """Say what usagectl's own telemetry is."""
    (found,) = consent.evaluate(machine.environment(), ["usagectl"])
    return found.telemetry


def settings_file(machine: Machine) -> Path:
    """Name the settings file, its folder made."""
    machine.config_dir.mkdir(exist_ok=True)
    return machine.config_dir / "settings.toml"


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Take everything below a folder, but SQLite's locks: kind and mode, time, content."""
    found: dict[str, tuple[int, int, bytes]] = {}
    for path in sorted(each for each in folder.rglob("*") if not each.name.endswith("-shm")):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, data)
    return found


def record(machine: Machine, count: int = 3) -> None:
    """Put events into the spool."""
    for _ in range(count):
        spool.append(machine.environment(), EVENT, tool="usagectl", kind="cli_cmd")


def test_disable_all_switches_everything_off(machine: Machine) -> None:
    """Without a name every part ends off; the setting keeps instant and author."""
    result = switching.disable(machine.environment())
    assert not result.problems
    assert {found.telemetry for found in result.consents if found.counts} == {"off"}
    assert [change.tool for change in result.changes] == ["localstack", "usagectl"]
    user = settings.load(machine.environment())
    assert (user.mode, user.mode_set_by) == ("off", "disable")
    assert user.mode_since == NOW.replace(microsecond=0)


def test_enable_without_a_name_undoes_disable(machine: Machine) -> None:
    """What disable made goes, down to the files; usagectl is local again, never on."""
    switching.disable(machine.environment())
    result = switching.enable(machine.environment())
    assert not result.problems
    assert own_state(machine) == "local"
    assert not settings_file(machine).exists()
    assert not machine.default_profile.exists()


@pytest.mark.parametrize("mode", ["off", "local", "on"])
def test_enable_without_a_name_leaves_a_persons_own_mode(machine: Machine, mode: str) -> None:
    """A mode that disable did not write stays, byte for byte."""
    text = f'# mine\n[telemetry]\nmode = "{mode}"\n'
    settings_file(machine).write_text(text)
    switching.enable(machine.environment())
    assert settings_file(machine).read_text() == text


@pytest.mark.parametrize("mode", ["local", "on"])
def test_enable_without_a_name_never_switches_sending_on(machine: Machine, mode: str) -> None:
    """After disable and enable usagectl is local, also where it was on before."""
    settings_file(machine).write_text(f'[telemetry]\nmode = "{mode}"\n')
    switching.disable(machine.environment())
    assert own_state(machine) == "off"
    switching.enable(machine.environment())
    assert own_state(machine) == "local"


def test_a_persons_own_off_survives_disable_and_enable(machine: Machine) -> None:
    """Disable finds it off and takes no authorship, so enable leaves it off."""
    settings_file(machine).write_text('[telemetry]\nmode = "off"\n')
    assert not any(
        c.changed for c in switching.disable(machine.environment(), ["usagectl"]).changes
    )
    switching.enable(machine.environment())
    assert own_state(machine) == "off"


def test_enable_by_name_switches_sending_on(machine: Machine) -> None:
    """`enable usagectl` is the one way to on; its instant is kept, disable is forgotten."""
    switching.disable(machine.environment())
    result = switching.enable(machine.environment(), ["usagectl"])
    assert not result.problems
    user = settings.load(machine.environment())
    assert (user.mode, user.mode_set_by, user.mode_since) == (
        "on",
        None,
        NOW.replace(microsecond=0),
    )
    switching.enable(machine.environment())
    assert own_state(machine) == "on"


@pytest.mark.parametrize(
    ("variables", "hint"),
    [({"DO_NOT_TRACK": "1"}, "unset DO_NOT_TRACK"), ({"USAGECTL_TELEMETRY": "local"}, None)],
)
def test_enable_by_name_cannot_beat_the_environment(
    machine: Machine, variables: dict[str, str], hint: str | None
) -> None:
    """A variable that holds it down is named, with what to unset."""
    machine.variables = variables
    (problem,) = switching.enable(machine.environment(), ["usagectl"]).problems
    assert problem.code == "switch-ineffective"
    assert problem.hint == (hint or "unset USAGECTL_TELEMETRY")


def test_a_policy_holds_enable_down(machine: Machine) -> None:
    """A policy that decides is named with its file."""
    file = machine.root / "etc/usagectl/policy.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[telemetry]\nmode = "local"\n')
    (problem,) = switching.enable(machine.environment(), ["usagectl"]).problems
    assert str(file) in problem.message
    assert problem.hint == f"cat {file}"


def test_disable_sets_a_corrupt_settings_file_aside(machine: Machine) -> None:
    """Disable needs a file that can be read: the old one is kept under another name."""
    settings_file(machine).write_text("[[[ mine")
    result = switching.disable(machine.environment(), ["usagectl"])
    assert not result.problems
    (aside,) = [change.set_aside for change in result.changes]
    assert aside is not None
    assert aside.read_text() == "[[[ mine"
    assert settings.load(machine.environment()).mode == "off"


def test_enable_without_a_name_leaves_corrupt_settings(machine: Machine) -> None:
    """A file that cannot be understood counts as off, and undoing does not make it louder."""
    settings_file(machine).write_text("[[[ mine")
    before = snapshot(machine.config_dir)
    result = switching.enable(machine.environment())
    assert [problem.code for problem in result.problems] == ["file-corrupt"]
    assert own_state(machine) == "off"
    assert snapshot(machine.config_dir) == before


def test_a_pipe_in_the_settings_place(machine: Machine) -> None:
    """A pipe is neither waited for nor replaced."""
    os.mkfifo(settings_file(machine))
    for switch in (switching.disable, switching.enable):
        result = switch(machine.environment(), ["usagectl"])
        assert result.problems[0].code == "file-unreadable"
        assert settings_file(machine).is_fifo()


def test_without_a_home(machine: Machine) -> None:
    """Without a folder for settings usagectl is off; switching it says which variable helps."""
    bare = machine.environment(config_dir=None, state_dir=None)
    (problem,) = switching.disable(bare, ["usagectl"]).problems
    assert problem.code == "folder-unknown"
    assert "USAGECTL_CONFIG_DIR" in problem.hint


def test_disable_purges_unsent_events(machine: Machine) -> None:
    """Events that wait go with disable, unless they are kept or another tool is meant."""
    record(machine)
    assert switching.disable(machine.environment(), ["localstack"]).purged == 0
    assert switching.disable(machine.environment(), keep_spool=True).purged == 0
    assert spool.state(machine.environment()).pending == 3
    assert switching.disable(machine.environment(), ["usagectl"]).purged == 3
    assert spool.state(machine.environment()).pending == 0
    assert read(machine) == []


def test_the_answer_names_whose_events_were_removed(machine: Machine) -> None:
    """Events of one tool are not laid at another's door."""
    environment = machine.environment()
    assert permission.permit(environment, permission.Emitter("mytool"))
    spool.append(environment, EVENT, tool="mytool", kind="cli_cmd")
    record(machine)
    of_tool = machine.run("disable", "mytool").stdout
    assert "\nmytool: 1 waiting event removed, unsent.\n" in of_tool
    own = machine.run("disable", "usagectl").stdout  # which recorded that other command too
    assert "\nusagectl: 4 waiting events removed, unsent.\n" in own


def test_a_dry_run_says_what_a_file_would_get_and_lose(machine: Machine) -> None:
    """The sentence of a dry run is one about what is not yet so."""
    planned = machine.run("disable", "localstack", "--dry-run").stdout
    assert f"localstack: {machine.default_profile} would get DISABLE_EVENTS=1\n" in planned
    machine.run("disable", "localstack")
    planned = machine.run("enable", "localstack", "--dry-run").stdout
    assert f"localstack: {machine.default_profile} would lose DISABLE_EVENTS\n" in planned


def test_enable_keeps_the_spool(machine: Machine) -> None:
    """Enable never touches waiting events."""
    record(machine)
    switching.enable(machine.environment(), ["usagectl"])
    assert spool.state(machine.environment()).pending == 3


@pytest.mark.parametrize("names", [(), ("localstack",), ("usagectl",)])
@pytest.mark.parametrize("state", ["fresh", "disabled", "on", "corrupt"])
def test_a_dry_run_writes_nothing(machine: Machine, names: tuple[str, ...], state: str) -> None:
    """A dry run changes no byte, no time, no folder, and says what a real run would do."""
    if state == "disabled":
        switching.disable(machine.environment())
    if state == "on":
        switching.enable(machine.environment(), ["usagectl", "localstack"])
    if state == "corrupt":
        settings_file(machine).write_text("[[[")
    if state != "fresh":
        record(machine)
    for switch in (switching.disable, switching.enable):
        before = snapshot(machine.folder)
        planned = switch(machine.environment(), names, dry_run=True)
        assert snapshot(machine.folder) == before
        done = switch(machine.environment(), names)
        assert [(c.file, c.name, c.value, c.changed) for c in planned.changes] == [
            (c.file, c.name, c.value, c.changed) for c in done.changes
        ]
        assert planned.purged == done.purged
        assert [c.set_aside for c in planned.changes if c.set_aside] == []


def test_a_dry_run_reports_no_part_as_staying_on(machine: Machine) -> None:
    """Nothing was tried, so nothing failed."""
    assert switching.disable(machine.environment(), dry_run=True).problems == ()


def test_lstk_on_path_without_its_variable(machine: Machine) -> None:
    """On PATH and without a file of its own, lstk stays on; the answer is what to export."""
    machine.install_program("lstk")
    problems = switching.disable(machine.environment()).problems
    assert [problem.code for problem in problems] == ["switch-ineffective"] * 2
    assert {problem.hint for problem in problems} == {"export LOCALSTACK_DISABLE_EVENTS=1"}
    assert [problem.message.split(" stays")[0] for problem in problems] == [
        "lstk cli",
        "lstk container",
    ]
    machine.variables = {"LOCALSTACK_DISABLE_EVENTS": "1"}
    assert switching.disable(machine.environment()).problems == ()


def test_lstk_that_is_absent_is_quiet(machine: Machine) -> None:
    """A tool that is not on this machine is no problem, even by name."""
    assert switching.disable(machine.environment()).problems == ()
    assert switching.disable(machine.environment(), ["lstk"]).problems == ()


def test_an_unknown_tool_is_refused_before_anything_is_written(machine: Machine) -> None:
    """A wrong name is an error of usage, and no file is touched."""
    before = snapshot(machine.folder)
    for switch in (switching.disable, switching.enable):
        with pytest.raises(UnknownToolError, match="'docker'"):
            switch(machine.environment(), ["localstack", "docker"])
    assert snapshot(machine.folder) == before


def test_one_failure_does_not_stop_the_others(machine: Machine) -> None:
    """A profile that cannot be written leaves usagectl's own switch thrown."""
    machine.default_profile.mkdir(parents=True)
    result = switching.disable(machine.environment())
    assert "file-unreadable" in [problem.code for problem in result.problems]
    assert own_state(machine) == "off"
