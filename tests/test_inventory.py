"""Tests of what is found on a machine: programs and packages, each folder listed once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.installed import distribution, link, npm_package, program
from usagectl.machine import inventory
from usagectl.machine.inventory import normalized, plausible_version, take

if TYPE_CHECKING:
    from tests.support.machine import Machine

posix_alone = pytest.mark.skipif(os.name == "nt", reason="links, pipes and modes as on POSIX")


def programs(machine: Machine, *names: str) -> list[str]:
    """List the programs of these names, as paths below the machine's folder."""
    found = take(machine.environment()).programs(frozenset(names))
    return [Path(each).relative_to(machine.folder).as_posix() for each in found]


def versions(machine: Machine, name: str) -> list[str | None]:
    """List the versions of a distribution in the order in which they are found."""
    found = take(machine.environment()).distributions
    return [inventory.distribution(each).version for each in found.get(name, ())]


def test_programs_are_found_where_a_command_is_looked_for(machine: Machine) -> None:
    """First the project and the folders above it, the active environment, PATH, then tools."""
    machine.cwd = machine.cwd / "packages" / "site"
    machine.cwd.mkdir(parents=True)
    places = [
        "work/packages/site/node_modules/.bin/tool",
        "work/node_modules/.bin/tool",
        "venv/bin/tool",
        "bin/tool",
        "home/.local/share/pipx/venvs/tool/bin/tool",
        "home/.local/share/uv/tools/tool/bin/tool",
    ]
    for each in places:
        program(machine.folder / each)
    machine.variables["VIRTUAL_ENV"] = str(machine.folder / "venv")
    assert programs(machine, "tool", "other") == places


def test_what_cannot_be_run_is_no_program(machine: Machine) -> None:
    """A folder, a file that may not be run, and a link that leads nowhere have only the name."""
    (machine.bin / "folder").mkdir()
    (machine.bin / "text").write_text("")
    link(machine.bin / "broken", machine.folder / "gone")
    link(machine.bin / "loop", machine.bin / "loop")
    program(machine.bin / "tool")
    assert programs(machine, "folder", "text", "broken", "loop", "tool") == ["bin/tool"]


def test_path_may_hold_anything(machine: Machine) -> None:
    """Relative, repeated, linked, missing and endless folders: each that is one counts once."""
    program(machine.cwd / "here" / "tool")
    program(machine.bin / "tool")
    link(machine.folder / "same", machine.bin)
    link(machine.folder / "loop", machine.folder / "loop")
    (machine.folder / "file").write_text("")
    odd = ["here", "here", "loop", "file", "gone", "\0", "x" * 5000, "../loop/..", "../same"]
    folders = [*odd, *(f"/nowhere/{number}" for number in range(500)), str(machine.bin), ""]
    machine.variables["PATH"] = os.pathsep.join(folders)
    assert programs(machine, "tool") == ["work/here/tool", "same/tool"]


def test_windows_finds_a_program_by_its_extension(machine: Machine) -> None:
    """The name is what stands before an extension of PATHEXT; others are no programs."""
    machine.system = "Windows"
    machine.variables.update(PATHEXT=".EXE;.CMD", USERPROFILE=str(machine.home))
    for name in ("tool.cmd", "other.txt", "third"):
        program(machine.bin / name)
    assert programs(machine, "tool", "other", "third") == ["bin/tool.cmd"]


def test_distributions_are_found_in_every_python(machine: Machine) -> None:
    """The active environment's come first, then those of PATH, the user's own and the tools'."""
    prefixes = ["venv", "usr", "home/.local", "uv/x", "home/.local/pipx/venvs/x"]
    for number, each in enumerate(prefixes):
        distribution(machine.folder / each, "Some.Tool", f"1.{number}")
    debian = machine.folder / "usr" / "lib" / "python3" / "dist-packages"
    (debian / "some_tool-2.0-py3.egg-info").mkdir(parents=True)
    machine.variables.update(
        VIRTUAL_ENV=str(machine.folder / "venv"),
        UV_TOOL_DIR=str(machine.folder / "uv"),
        PATH=f"{machine.folder}/usr/bin:{machine.folder}/usr/sbin",
    )
    assert versions(machine, "some-tool") == ["1.0", "1.1", "2.0", "1.2", "1.3", "1.4"]


def test_packages_are_found_here_above_and_beside_a_global_program(machine: Machine) -> None:
    """A package is a folder with a manifest, scoped or not."""
    machine.variables["PATH"] = f"{machine.folder}/prefix/bin"
    modules = [machine.cwd / "node_modules", machine.folder / "node_modules"]
    modules.append(machine.folder / "prefix" / "lib" / "node_modules")
    for folder in modules:
        npm_package(folder, "@some/cli", "1.0.0")
        npm_package(folder, "tool", "1.0.0")
        (folder / "empty").mkdir()
    found = take(machine.environment()).packages(frozenset({"tool", "@some/cli", "empty", "@x/y"}))
    expected = [(name, f"{each}/{name}") for each in modules for name in ("@some/cli", "tool")]
    assert list(found) == expected


@posix_alone
def test_names_that_are_no_text_and_crowds_are_only_names(machine: Machine) -> None:
    """A folder with 20,000 names, some of which are not UTF-8, is listed like any other."""
    for number in range(20_000):
        os.mknod(machine.bin / f"command-{number}")
    Path(os.fsdecode(os.fsencode(machine.bin) + b"/\xff\xfe")).touch()
    program(machine.bin / "tool")
    assert programs(machine, "tool") == ["bin/tool"]


@posix_alone
def test_a_folder_that_may_not_be_read_holds_nothing(machine: Machine) -> None:
    """Neither an unreadable folder, a pipe in the place of one, nor one that is gone stops it."""
    os.mkfifo(machine.cwd / "node_modules")
    program(machine.bin / "tool").parent.chmod(0)
    try:
        assert programs(machine, "tool") == (["bin/tool"] if os.geteuid() == 0 else [])
    finally:
        machine.bin.chmod(0o755)
    gone = machine.environment(variables={}, account_home=None, cwd=Path("/gone/away"))
    assert take(gone).commands == ()


def test_names_are_compared_as_indexes_do() -> None:
    """Case and the kind of separator make no difference (PEP 503)."""
    assert {normalized(name) for name in ("A.b_C", "a-B--c", "a_b-_.c")} == {"a-b-c"}


def test_only_a_version_is_taken_for_one() -> None:
    """A version begins with a digit and has no spaces; any other thing says nothing."""
    right = ["1", "16.4.6-canary.1", "1.0+local.1"]
    wrong = ["", "v1", "1 2", "1\n", "1" * 65, "\u0661", None, 1]
    assert [plausible_version(each) for each in right] == right
    assert [each for each in wrong if plausible_version(each)] == []
