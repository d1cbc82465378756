"""Tests of switching as a whole: usagectl itself, all tools at once, what waits, dry runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run_inside, snapshot
from tests.support.machine import NOW, Machine
from usagectl import consent, settings, spool, switching
from usagectl.emitting import permission
from usagectl.errors import FileCorruptError, UnknownToolError

if TYPE_CHECKING:
    from pathlib import Path

EVENT = b'{"name":"cli_cmd","metadata":{},"payload":{}}'


def own_state(machine: Machine) -> str:
    """Say what usagectl's own telemetry is."""
    (found,) = consent.evaluate(machine.environment(), ["usagectl"])
    return found.telemetry


def settings_file(machine: Machine, text: str | None = None) -> Path:
    """Name the settings file, its folder made; write it if there is a text for it."""
    machine.config_dir.mkdir(exist_ok=True)
    file = machine.config_dir / "settings.toml"
    if text is not None:
        file.write_text(text)
    return file


def record(machine: Machine, count: int = 3, *, tool: str = "usagectl") -> None:
    """Put events into the spool."""
    for _ in range(count):
        spool.append(machine.environment(), EVENT, tool=tool, kind="cli_cmd")


def test_disable_all_and_its_undoing(machine: Machine) -> None:
    """Without a name every part ends off; the setting keeps instant and author.

    Enable then takes out what disable made, down to the files.
    """
    machine.install_localstack()
    result = switching.disable(machine.environment())
    assert not result.problems
    assert {found.telemetry for found in result.consents if found.counts} == {"off"}
    assert [change.tool for change in result.changes] == ["localstack", "usagectl"]
    user = settings.load(machine.environment()).of_tool("usagectl")
    assert (user.mode, user.mode_set_by) == ("off", "disable")
    assert user.mode_since == NOW.replace(microsecond=0)
    result = switching.enable(machine.environment())
    assert not result.problems
    assert own_state(machine) == "local"
    assert not settings_file(machine).exists()
    assert not machine.default_profile.exists()


def test_enable_without_a_name_leaves_a_persons_own_mode(machine: Machine) -> None:
    """A mode that disable did not write stays, byte for byte, also an off after disable.

    Sending is never switched on: what was on before disable is local after enable.
    """
    for mode in ("local", "on", "off"):
        text = f'# mine\n[telemetry]\nmode = "{mode}"\n'
        file = settings_file(machine, text)
        switching.enable(machine.environment())
        assert file.read_text() == text
        changes = switching.disable(machine.environment(), ["usagectl"]).changes
        assert [change.changed for change in changes] == [mode != "off"]
        assert own_state(machine) == "off"
        switching.enable(machine.environment())
        assert own_state(machine) == ("off" if mode == "off" else "local")


def test_enable_by_name_switches_sending_on(machine: Machine) -> None:
    """`enable usagectl` is the one way to on; its instant is kept, disable is forgotten."""
    switching.disable(machine.environment())
    result = switching.enable(machine.environment(), ["usagectl"])
    assert not result.problems
    user = settings.load(machine.environment()).of_tool("usagectl")
    assert (user.mode, user.mode_set_by) == ("on", None)
    assert user.mode_since == NOW.replace(microsecond=0)
    switching.enable(machine.environment())
    assert own_state(machine) == "on"


def test_what_holds_enable_down_is_named(machine: Machine) -> None:
    """A variable with what to unset, a policy with its file."""
    for name, value in (("DO_NOT_TRACK", "1"), ("USAGECTL_TELEMETRY", "local")):
        machine.variables = {name: value}
        (problem,) = switching.enable(machine.environment(), ["usagectl"]).problems
        assert (problem.code, problem.hint) == ("switch-ineffective", f"unset {name}")
    machine.variables = {}
    file = machine.root / "etc/usagectl/policy.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[telemetry]\nmode = "local"\n')
    (problem,) = switching.enable(machine.environment(), ["usagectl"]).problems
    assert str(file) in problem.message
    assert problem.hint == f"cat {file}"


def test_corrupt_settings(machine: Machine) -> None:
    """A file that cannot be understood counts as off, and undoing does not make it louder.

    Disable needs a file that can be read: the old one is kept under another name. An off
    that stands in it is not lost by storing something else.
    """
    file = settings_file(machine, "[[[ mine")
    with pytest.raises(FileCorruptError):
        settings.save(machine.environment(), {"cache_dir": "/x"})
    (problem,) = switching.enable(machine.environment()).problems
    assert (problem.code, own_state(machine)) == ("file-corrupt", "off")
    assert (os.listdir(file.parent), file.read_text()) == ([file.name], "[[[ mine")  # noqa: PTH208
    result = switching.disable(machine.environment(), ["usagectl"])
    assert not result.problems
    (aside,) = [change.set_aside for change in result.changes]
    assert aside is not None
    assert aside.read_text() == "[[[ mine"
    assert settings.load(machine.environment()).mode == "off"


def test_without_a_home(machine: Machine) -> None:
    """Without a folder for settings usagectl is off; switching it says which variable helps."""
    bare = machine.environment(config_dir=None, state_dir=None)
    (problem,) = switching.disable(bare, ["usagectl"]).problems
    assert problem.code == "folder-unknown"
    assert "USAGECTL_CONFIG_DIR" in problem.hint


def test_disable_purges_unsent_events(machine: Machine) -> None:
    """Events that wait go with disable, unless they are kept or another tool is meant."""
    record(machine)
    environment = machine.environment()
    switching.enable(environment, ["usagectl"])
    assert spool.state(environment).pending == 3
    assert switching.disable(environment, ["localstack"]).purged == 0
    assert switching.disable(environment, keep_spool=True).purged == 0
    assert spool.state(environment).pending == 3
    assert switching.disable(environment, ["usagectl"]).purged == 3
    assert spool.state(environment).pending == 0


def test_the_answer_names_whose_events_were_removed(machine: Machine) -> None:
    """Events of one tool are not laid at another's door."""
    assert permission.permit(machine.environment(), permission.Emitter("mytool"))
    record(machine, 1, tool="mytool")
    record(machine)
    of_tool = machine.run("disable", "mytool").stdout
    assert "\nmytool: 1 waiting event removed, unsent.\n" in of_tool
    own = machine.run("disable", "usagectl").stdout  # which recorded that other command too
    assert "\nusagectl: 4 waiting events removed, unsent.\n" in own


def test_a_dry_run_says_what_a_file_would_get_and_lose(machine: Machine) -> None:
    """Its sentences are about what is not yet so; nothing was tried, so nothing failed."""
    environment = machine.environment()
    assert switching.disable(environment, dry_run=True).problems == ()
    planned = run_inside(environment, "disable", "localstack", "--dry-run").stdout
    assert f"localstack: {machine.default_profile} would get DISABLE_EVENTS=1\n" in planned
    run_inside(environment, "disable", "localstack")
    planned = run_inside(environment, "enable", "localstack", "--dry-run").stdout
    assert f"localstack: {machine.default_profile} would lose DISABLE_EVENTS\n" in planned


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    """A dry run changes no byte, no time, no folder, and says what a real run would do."""
    selections: tuple[tuple[str, ...], ...] = ((), ("localstack",), ("usagectl",))
    for state in ("fresh", "disabled", "on", "corrupt"):
        for names in selections:
            machine = Machine(tmp_path / f"{state}-{''.join(names)}")
            environment = machine.environment()
            if state == "disabled":
                switching.disable(environment)
            if state == "on":
                switching.enable(environment, ["usagectl", "localstack"])
            if state == "corrupt":
                settings_file(machine, "[[[")
            if state != "fresh":
                record(machine)
            for switch in (switching.disable, switching.enable):
                before = snapshot(machine.folder)
                planned = switch(environment, names, dry_run=True)
                assert snapshot(machine.folder) == before, (state, names)
                done = switch(environment, names)
                assert [change[:5] for change in planned.changes] == [
                    change[:5] for change in done.changes
                ], (state, names)
                assert planned.purged == done.purged
                assert [change.set_aside for change in planned.changes if change.set_aside] == []


def test_lstk_on_path_without_its_variable(machine: Machine) -> None:
    """Lstk reads no file, so it stays on; the answer is what to export. Absent it is quiet."""
    assert switching.disable(machine.environment()).problems == ()
    assert switching.disable(machine.environment(), ["lstk"]).problems == ()
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


def test_an_unknown_tool_is_refused_before_anything_is_written(machine: Machine) -> None:
    """A wrong name is an error of usage, and no file is touched."""
    before = snapshot(machine.folder)
    for switch in (switching.disable, switching.enable):
        with pytest.raises(UnknownToolError, match="'nothing'"):
            switch(machine.environment(), ["localstack", "nothing"])
    assert snapshot(machine.folder) == before


def test_a_tool_that_is_not_here_gets_no_file_without_its_name(machine: Machine) -> None:
    """Who never had LocalStack gets no folder of it, and an account without a home no error of it.

    With its name the file is written for later.
    """
    result = switching.disable(machine.environment())
    assert [change.tool for change in result.changes] == ["usagectl"]
    assert not machine.default_profile.parent.exists()
    homeless = {**machine.environment().variables}
    del homeless["HOME"]
    result = switching.disable(machine.environment(variables=homeless, account_home=None))
    assert not result.problems
    result = switching.disable(machine.environment(), ["localstack"])
    assert [change.file for change in result.changes] == [machine.default_profile]


def test_a_plan_that_would_work_is_no_failure(machine: Machine) -> None:
    """A project's file that would be written switches off a tool that has no other file."""
    machine.install_program("meltano")
    (machine.cwd / "meltano.yml").touch()
    planned = switching.disable(machine.environment(), project=True, dry_run=True)
    assert machine.cwd / ".env" in [change.file for change in planned.changes]
    assert not planned.problems
    (problem,) = switching.disable(machine.environment(), dry_run=True).problems
    assert problem.message.startswith("meltano stays on: no file of yours")


def test_enable_speaks_of_no_file_of_a_tool_that_was_never_here(machine: Machine) -> None:
    """What disable leaves out without a name, enable leaves out as well."""
    result = switching.enable(machine.environment())
    assert [change.tool for change in result.changes] == ["usagectl"]


def test_a_tool_that_has_a_folder_here_is_switched_off_too(machine: Machine) -> None:
    """LocalStack may be in an environment that is not active; its folder tells of it."""
    machine.default_profile.parent.mkdir()
    changes = switching.disable(machine.environment()).changes
    assert machine.default_profile in [change.file for change in changes]


def test_one_failure_does_not_stop_the_others(machine: Machine) -> None:
    """A profile that cannot be written leaves usagectl's own switch thrown."""
    machine.install_localstack()
    machine.default_profile.mkdir(parents=True)
    result = switching.disable(machine.environment())
    assert "file-unreadable" in [problem.code for problem in result.problems]
    assert own_state(machine) == "off"


def test_undo_says_what_is_wrong_with_the_settings(machine: Machine) -> None:
    """What others may write to is not called damaged, and the hint is what mends it."""
    file = settings_file(machine, '[telemetry]\nmode = "off"\n')
    file.chmod(0o666)
    done = machine.run("enable")
    assert (done.status, f"chmod go-w {file}" in done.stderr) == (3, True)
    assert "cannot be understood" not in done.stderr
    file.write_text("[telemetry\n")
    file.chmod(0o600)
    assert f"{file} cannot be understood" in machine.run("enable").stderr
