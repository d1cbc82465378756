"""Tests of `disable --system` on a machine below a folder: its places, its policy, its undoing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run_inside, snapshot
from usagectl import settings, system_files
from usagectl.errors import UsagectlError
from usagectl.machine.marked_files import Piece, carry_out, plan_adding
from usagectl.tools.opt_outs import known_names, opt_out_variables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.machine.environment import Environment

FOLDERS = (
    "etc/profile.d",
    "etc/zsh",
    "etc/fish",
    "etc/environment.d",
    "run/systemd/system",
    "opt/microsoft/powershell/7",
)
WRITTEN = {
    "etc/profile.d/usagectl.sh",
    "etc/bash.bashrc",
    "etc/zsh/zshenv",
    "etc/fish/conf.d/usagectl.fish",
    "etc/environment",
    "etc/environment.d/60-usagectl.conf",
    "etc/systemd/system.conf.d/60-usagectl.conf",
    "etc/systemd/user.conf.d/60-usagectl.conf",
    "etc/usagectl/opt-out.ps1",
    "etc/usagectl/policy.toml",
    "opt/microsoft/powershell/7/profile.ps1",
}


def laid_out(machine: Machine) -> Environment:
    """Lay out a machine with every kind of shell, systemd, and root at work."""
    for name in FOLDERS:
        (machine.root / name).mkdir(parents=True)
    (machine.root / "etc/bash.bashrc").write_bytes(b'[ -z "$PS1" ] && return')
    (machine.root / "etc/environment").write_bytes(b'PATH="/usr/bin:/bin"')
    (machine.root / "opt/microsoft/powershell/7/pwsh").touch()
    return machine.environment(uid=0)


def test_every_place_is_written_and_given_back(machine: Machine) -> None:
    """Files are 0644 in folders of 0755; twice is once; undone is as if never done."""
    environment = laid_out(machine)
    before = held(machine.root)
    was = snapshot(machine.root)
    assert len(system_files.disable(environment, dry_run=True).changes) == len(WRITTEN)
    assert snapshot(machine.root) == was
    assert not system_files.disable(environment).problems
    after = held(machine.root)
    assert {name for name in after if after[name] != before.get(name)} - folders(after) == WRITTEN
    modes = {(machine.root / name).stat().st_mode & 0o777 for name in WRITTEN - before.keys()}
    assert modes == {0o644}
    assert {(machine.root / name).stat().st_mode & 0o777 for name in folders(after)} == {0o755}
    once = snapshot(machine.root)
    assert all(each.is_same for each in system_files.disable(environment).changes)
    assert snapshot(machine.root) == once
    shutil.rmtree(machine.root / "run")  # What was there then need not be there now.
    assert not system_files.enable(environment).problems
    (machine.root / "run/systemd/system").mkdir(parents=True)
    assert held(machine.root) == before


def held(folder: Path) -> dict[str, bytes | None]:
    """Return every path below a folder, with what is in it; None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def folders(paths: dict[str, bytes | None]) -> set[str]:
    """Name the folders among what is held."""
    return {name for name, data in paths.items() if data is None}


def test_nothing_is_written_for_what_is_not_there(machine: Machine) -> None:
    """A machine without shells and services gets a file to source, and the policy."""
    (machine.root / "etc").mkdir()
    system_files.disable(machine.environment(uid=0))
    found = {path.name for path in machine.root.rglob("*") if path.is_file()}
    assert found == {"opt-out.sh", "policy.toml"}
    system_files.enable(machine.environment(uid=0))
    assert os.listdir(machine.root / "etc") == []  # noqa: PTH208


def test_only_root_may(machine: Machine) -> None:
    """Another user is told the command, a user of Windows why not; nothing is written."""
    before = snapshot(machine.folder)
    for overrides, code in (
        ({"uid": 1000}, "root-needed"),
        ({"system": "Windows"}, "system-unsupported"),
    ):
        for act in (system_files.disable, system_files.enable):
            with pytest.raises(UsagectlError) as caught:
                act(machine.environment(**overrides))
            assert (caught.value.code, caught.value.exit_status) == (code, 3)
    assert snapshot(machine.folder) == before


def test_the_text_of_each_place_is_read_right(machine: Machine) -> None:
    """Bash sources the text without a word, and systemd's files name each variable once."""
    environment = laid_out(machine)
    system_files.disable(environment)
    etc = machine.root / "etc"
    done = subprocess.run(
        ["bash", "-euc", f". {etc}/profile.d/usagectl.sh; env"],
        capture_output=True,
        check=True,
        text=True,
    )
    wanted = {f"{name}={value}" for name, value in opt_out_variables().items()}
    assert (wanted - {*done.stdout.split("\n")}, done.stderr) == (set(), "")
    (line,) = [
        line
        for line in (etc / "systemd/system.conf.d/60-usagectl.conf").read_text().split("\n")
        if line.startswith("DefaultEnvironment=")
    ]
    assert set(line.removeprefix("DefaultEnvironment=").split()) == wanted
    for name in ("environment", "environment.d/60-usagectl.conf"):
        assert wanted <= {*(etc / name).read_text().split("\n")}
    assert " . /etc/profile.d/usagectl.sh; fi" in (etc / "bash.bashrc").read_text()


ADMINS = """\
# ours
[telemetry]
mode = "local"
[tools.next]
mode = "local" # why
[tools."x.y"]
mode = "on\"""".replace("\n", "\r\n")


def test_the_policy_wants_every_tool_off(machine: Machine) -> None:
    """Each tool but usagectl, and but what the administrator spoke of; their lines stay."""
    environment = laid_out(machine)
    file = machine.root / "etc/usagectl/policy.toml"
    file.parent.mkdir(mode=0o755)
    file.write_bytes(ADMINS.encode())
    system_files.disable(environment)
    policy = settings.read(file)
    assert not policy.problem
    wanted = dict.fromkeys(known_names(), "off") | {
        "usagectl": "local",
        "next": "local",
        "x.y": "on",
    }
    assert {name: tool.mode for name, tool in policy.tools.items()} == wanted
    assert file.read_bytes().startswith(ADMINS.encode())
    assert tomllib.loads(file.read_text())["telemetry"] == {"mode": "local"}
    system_files.enable(environment)
    assert file.read_bytes() == ADMINS.encode()


def test_a_policy_that_cannot_be_added_to_stays(machine: Machine) -> None:
    """One that is broken, or has its tools on one line, is named; the shells have their files."""
    environment = laid_out(machine)
    file = machine.root / "etc/usagectl/policy.toml"
    file.parent.mkdir(mode=0o755)
    for text, code in (
        ("[[[", "file-corrupt"),
        ('tools = "x"', "file-corrupt"),
        ('tools = { next = { mode = "off" } }\n', "file-unwritable"),
    ):
        file.write_text(text)
        (problem,) = system_files.disable(environment).problems
        assert (problem.code, file.read_text()) == (code, text)
    assert (machine.root / "etc/profile.d/usagectl.sh").exists()


def test_a_block_without_its_end_is_not_cut(machine: Machine) -> None:
    """Where somebody took the end away, what follows could be theirs: it stays."""
    file = machine.home / "file"
    environment = machine.environment()
    piece = Piece(file, "a = 1", "block")
    carry_out(plan_adding(environment, piece, author=system_files.AUTHOR))
    text = file.read_text().replace("# end of what was added\n", "b = 2\n")
    file.write_text(text)
    (machine.root / "etc/usagectl").mkdir(parents=True)
    file.rename(machine.root / "etc/usagectl/policy.toml")
    system_files.enable(machine.environment(uid=0))
    assert (machine.root / "etc/usagectl/policy.toml").read_text() == text


def test_the_command_needs_root(machine: Machine) -> None:
    """`disable --system` without root exits with 3, says the line with sudo, and writes nothing."""
    environment = laid_out(machine)._replace(uid=1000)
    before = held(machine.root)
    done = run_inside(environment, "disable", "--system")
    hint = 'sudo "$(command -v usagectl)" disable --system'
    assert (done.status, hint in done.stderr, held(machine.root)) == (3, True, before)


def test_the_command_leaves_homes_alone(machine: Machine) -> None:
    """As root it names the files and what new shells have; no user's own file is written."""
    environment = laid_out(machine)
    done = run_inside(environment, "disable", "--system")
    assert f"system: {machine.root}/etc/zsh/zshenv is new\n" in done.stdout
    assert "systemctl daemon-reexec" in done.stdout
    assert done.status == 0
    assert not machine.default_profile.exists()
    assert not (machine.config_dir / "settings.toml").exists()
    undone = run_inside(environment, "enable", "--system", "--json")
    assert {each["tool"] for each in undone.data["changes"]} == {"system"}
    assert {each["value"] for each in undone.data["changes"]} == {None}


def test_the_command_says_what_stays_on(machine: Machine) -> None:
    """A part that heeds none of the variables makes it exit with 1; a wrong name writes nothing."""
    flags = "-e DISABLE_EVENTS=0 -e LOCALSTACK_DISABLE_EVENTS=0"
    machine.variables = {"DOCKER_FLAGS": flags}
    machine.install_localstack()
    environment = laid_out(machine)
    before = held(machine.root)
    assert run_inside(environment, "disable", "--system", "--shell", "nope").status == 2
    assert held(machine.root) == before
    done = run_inside(environment, "disable", "--system")
    assert (done.status, "localstack container stays on: " in done.stderr) == (1, True)
    assert "try: usagectl status localstack\n" in done.stderr
