"""Tests of which tools are found on a machine, by what, and in which version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.installed import distribution, link, npm_package, program
from usagectl import catalogue
from usagectl.catalogue.entry import Entry
from usagectl.machine.inventory import take
from usagectl.tools import detection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.machine import Machine, Machines
    from usagectl.tools.base import Installation

NPM = {"executables": ["tool"], "npm": ["@some/tool", "tool-old"]}
PYTHON = {"executables": ["tool"], "python": ["Some_Tool", "tool-parts"]}
ALONE = {"executables": ["tool"]}
LIBRARY = {"python": ["some-tool"]}


def entry_of(detect: Mapping[str, object]) -> Entry:
    """Make an entry that is detected so, with a file that its use leaves behind."""
    places = [{"path": "${TOOL_DIR}/id"}, {"path": "~/.tool/id"}]
    return Entry(
        {
            **dict.fromkeys(("title", "summary", "version", "date", "source"), ""),
            "name": "tool",
            "how": "wire",
            "default": "on",
            "detect": {"traces": ["id"], **detect},
            "file": [{"name": "id", "format": "text", "places": places}],
        }
    )


def find(machine: Machine, detect: Mapping[str, object]) -> Installation:
    """Find the tool on a machine."""
    environment = machine.environment()
    return detection.find(entry_of(detect), environment, stock=take(environment))


def npm_project(machine: Machine) -> None:
    """Install into the project, as npm does: `.bin` links into the package."""
    npm_package(machine.cwd / "node_modules", "@some/tool", "2.1.0", "tool")


def npm_global(machine: Machine) -> None:
    """Install globally, as npm does: PATH has a link into `lib/node_modules`."""
    folder = npm_package(machine.folder / "lib" / "node_modules", "@some/tool", "2.1.0")
    link(machine.bin / "tool", program(folder / "dist" / "run.js"))


def pnpm_project(machine: Machine) -> None:
    """Lay it out as pnpm does: a script in `.bin`, and a link to where the package lies."""
    modules = machine.cwd / "node_modules"
    store = modules / ".pnpm" / "@some+tool@2.1.0" / "node_modules"
    link(modules / "@some" / "tool", npm_package(store, "@some/tool", "2.1.0"))
    program(modules / ".bin" / "tool")


def pnpm_global(machine: Machine) -> None:
    """Install globally, as pnpm does: PATH has a script, the package lies below it."""
    machine.variables["PNPM_HOME"] = str(machine.bin)
    npm_package(machine.bin / "global" / "5" / "node_modules", "@some/tool", "2.1.0")
    program(machine.bin / "tool")


def npm_on_windows(machine: Machine) -> None:
    """Install globally on Windows: a script, and `node_modules` beside it."""
    machine.system = "Windows"
    machine.variables["USERPROFILE"] = str(machine.home)
    npm_package(machine.bin / "node_modules", "@some/tool", "2.1.0")
    program(machine.bin / "tool.cmd")


def python_environment(machine: Machine) -> None:
    """Install into the active environment, which is not on PATH."""
    distribution(machine.folder / "venv", "some_tool", "2.1.0", "tool")
    machine.variables["VIRTUAL_ENV"] = str(machine.folder / "venv")


def pipx(machine: Machine) -> None:
    """Install with pipx: PATH has a link into an environment of its own."""
    folder = machine.home / ".local" / "pipx" / "venvs" / "some-tool"
    distribution(folder, "some_tool", "2.1.0", "tool")
    link(machine.bin / "tool", folder / "bin" / "tool")


def link_to_an_environment(machine: Machine) -> None:
    """Link to a program of an environment that nothing else leads to, beside another release."""
    distribution(machine.folder, "Some.Tool", "1.0")
    distribution(machine.folder / "somewhere", "Some.Tool", "2.1.0", "tool")
    link(machine.bin / "tool", machine.folder / "somewhere" / "bin" / "tool")


def homebrew(machine: Machine) -> None:
    """Install with Homebrew: PATH has a link into the cellar."""
    cellar = machine.folder / "Cellar" / "tool" / "2.1.0" / "bin" / "tool"
    link(machine.bin / "tool", program(cellar))


LAYOUTS: list[tuple[Callable[[Machine], object], Mapping[str, object]]] = [
    *((layout, NPM) for layout in (npm_project, npm_global, pnpm_project, pnpm_global)),
    (npm_on_windows, NPM),
    *((layout, PYTHON) for layout in (python_environment, pipx, link_to_an_environment)),
    (homebrew, ALONE),
]


def test_a_program_is_found_with_its_version(machines: Machines) -> None:
    """Each layout in which package managers put a program tells the version, without running it."""
    found = {}
    for layout, detect in LAYOUTS:
        machine = machines()
        layout(machine)
        installation = find(machine, detect)
        name = installation.executable.stem if installation.executable else ""
        found[layout.__name__] = (installation.is_found, name, installation.version)
    assert found == {layout.__name__: (True, "tool", "2.1.0") for layout, _ in LAYOUTS}


def test_a_program_of_that_name_counts(machine: Machine) -> None:
    """Whose it is cannot be told, and its version is not known."""
    file = program(machine.bin / "tool")
    for detect in (ALONE, NPM, PYTHON):
        found = find(machine, detect)
        assert (found.executable, found.version, found.packages) == (file, None, None)
    assert not find(machine, LIBRARY).is_found


def test_a_library_is_found_by_its_distribution(machine: Machine) -> None:
    """A tool without a command is found where it is installed."""
    folder = distribution(machine.home / ".local", "some_tool", "2.1.0")
    found = find(machine, LIBRARY)
    assert (found.installed, found.executable, found.version, found.packages) == (
        *(True, None, "2.1.0"),
        folder,
    )


def test_only_the_first_package_tells_the_version(machines: Machines) -> None:
    """A further one shows that the tool is here, but counts its releases for itself."""
    by_npm, by_python = machines(), machines()
    npm_package(by_npm.cwd / "node_modules", "tool-old", "0.3")
    distribution(by_python.folder, "tool_parts", "0.3")
    found = [find(by_npm, NPM), find(by_python, PYTHON)]
    assert [(each.installed, each.version) for each in found] == [(True, None), (True, None)]


def test_a_shadowed_tool_is_found_by_its_package(machine: Machine) -> None:
    """Another maker's command of the same name stands before it on PATH."""
    program(machine.bin / "tool")
    npm_package(machine.folder / "work" / "node_modules", "@some/tool", "2.1.0")
    assert find(machine, NPM).version == "2.1.0"
    npm_package(machine.folder / "prefix" / "lib" / "node_modules", "@some/tool", "2.0.0")
    machine.variables["PATH"] = f"{machine.bin}:{machine.folder}/prefix/bin"
    link(
        machine.folder / "prefix" / "bin" / "tool",
        program(machine.folder / "prefix/lib/node_modules/@some/tool/x.js"),
    )
    found = find(machine, NPM)
    assert (found.executable, found.version) == (
        machine.folder / "prefix" / "bin" / "tool",
        "2.0.0",
    )


def test_an_older_release_than_is_meant_is_another_tool(machine: Machine) -> None:
    """`yarn` 1 is found under that name, and is not what the entry describes."""
    npm_global(machine)
    assert find(machine, {**NPM, "minimum": "2.1"}).is_found
    assert not find(machine, {**NPM, "minimum": "3"}).is_found
    program(machine.folder / "other" / "tool")
    machine.variables["PATH"] = f"{machine.folder}/other:{machine.bin}"
    assert find(machine, {**NPM, "minimum": "3"}).executable == machine.folder / "other" / "tool"


def test_an_older_tool_of_the_same_name_is_seen_by_its_own_package(machine: Machine) -> None:
    """Yarn 1 is the package `yarn`, Yarn 2 and later another one; Debian has no `node_modules`."""
    detect = {**NPM, "minimum": "2"}
    classic = npm_package(machine.folder / "share" / "nodejs", "tool", "1.22.22")
    link(machine.bin / "tool", program(classic / "lib" / "cli.js"))
    assert not find(machine, detect).is_found
    (classic / "package.json").write_text('{"name": "tool", "version": "2.4.3"}')
    assert find(machine, detect).version == "2.4.3"
    (classic / "package.json").write_text('{"name": "manager", "version": "0.34.0"}')
    found = find(machine, detect)
    assert (found.is_found, found.version) == (True, None)


def test_a_trace_shows_earlier_use(machine: Machine) -> None:
    """Where nothing is installed, a file that only its use leaves behind is named."""
    assert not find(machine, ALONE).is_found
    trace = machine.home / ".tool" / "id"
    trace.parent.mkdir()
    trace.touch()
    found = find(machine, ALONE)
    assert (found.installed, found.is_found, found.trace) == (False, True, trace)
    program(machine.bin / "tool")
    assert find(machine, ALONE).trace is None


def test_a_manifest_may_hold_anything(machines: Machines) -> None:
    """A package is found whatever its manifest says; only a version that is one is taken."""
    contents = [b"", b"[1]", b"{", b"\xff", b'{"version": 3}', b'{"version": "x y"}', b"[" * 99_999]
    contents.append(b'{"version": "1.0", "x": "' + b"x" * (1 << 20) + b'"}')
    for content in contents:
        machine = machines()
        npm_global(machine)
        (machine.folder / "lib/node_modules/@some/tool/package.json").write_bytes(content)
        found = find(machine, NPM)
        assert (found.installed, found.version) == (True, None), content[:40]


@pytest.mark.skipif(os.name == "nt", reason="there are no pipes in folders")
def test_a_pipe_in_the_place_of_a_manifest_is_not_read(machine: Machine) -> None:
    """It would hang whoever opens it: no package, and the program counts by its name."""
    npm_global(machine)
    manifest = machine.folder / "lib/node_modules/@some/tool/package.json"
    manifest.unlink()
    os.mkfifo(manifest)
    assert find(machine, NPM) == (True, machine.bin / "tool", None, None, None)


def test_the_tools_of_the_catalogue_that_are_here_are_named(machine: Machine) -> None:
    """By a program, by a distribution, by a package, by a trace: in the catalogue's order."""
    environment = machine.environment()
    assert list(detection.found(environment, stock=take(environment))) == []
    program(machine.bin / "sky")
    distribution(machine.folder, "dlt", "1.31.0")
    npm_package(machine.cwd / "node_modules", "next", "16.4.6")
    (machine.home / ".semgrep").mkdir()
    (machine.home / ".semgrep" / "settings.yml").touch()
    found = detection.found(environment, stock=take(environment))
    assert [each for each in found if each in ("dlt", "next", "semgrep", "skypilot")] == [
        *("dlt", "next", "semgrep", "skypilot"),
    ]


def test_every_entry_is_found_by_each_of_its_names(machines: Machines) -> None:
    """Whatever an entry is detected by, a machine with that alone has the tool."""
    missed = []
    for name in catalogue.names():
        detect = catalogue.entry(name).detect
        for kind in ("executables", "npm", "python"):
            for each in getattr(detect, kind):
                machine = machines()
                if kind == "executables":
                    program(machine.bin / each)
                elif kind == "npm":
                    npm_package(machine.cwd / "node_modules", each, "99999.0")
                else:
                    distribution(machine.folder, each.replace("-", "_"), "99999.0")
                environment = machine.environment()
                if name not in detection.found(environment, stock=take(environment)):
                    missed.append((name, kind, each))
    assert missed == []
