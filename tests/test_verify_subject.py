"""Tests of what is verified: a tool of the catalogue, or an author's file, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import sample_tool
from usagectl.catalogue.authored import VerifyFileError, read
from usagectl.errors import FileUnreadableError, UnknownToolError
from usagectl.verify import find
from usagectl.verify.subject import CommandNotHereError, NothingToRunError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

HEAD = 'name = "mytool"\ntitle = "My Tool"\n'
DETECT = '[detect]\nexecutables = ["mytool"]\n'
SWITCH = '[[switch]]\nvariables = ["X"]\noff = { form = "set" }\n'
VERIFY = '[verify]\ncommands = ["mytool build"]\n'
MINIMAL = HEAD + DETECT + SWITCH + VERIFY


def write(folder: Path, text: str) -> Path:
    """Write an author's file."""
    file = folder / "mytool.toml"
    file.write_text(text)
    return file


def test_an_author_writes_few_keys(tmp_path: Path) -> None:
    """A name, a program, a switch and a command are enough; the rest is as in the catalogue."""
    entry = read(write(tmp_path, MINIMAL))
    assert (entry.name, entry.default, entry.combine) == ("mytool", "on", "first")
    assert entry.verify.commands == ("mytool build",)
    assert entry.switches[0].variables == ("X",)


def test_what_is_wrong_in_a_file_is_named(tmp_path: Path) -> None:
    """A slip is refused with its key, what stands there and what is wanted."""
    wrong = []
    for text, key, told in (
        ("name = [", "the file", "no TOML"),
        (MINIMAL.replace(HEAD, HEAD + 'titel = "x"\n'), "titel", "not known"),
        (MINIMAL.replace('name = "mytool"', 'name = "My Tool"'), "name", "'My Tool'"),
        (MINIMAL.replace('title = "My Tool"\n', ""), "title", "missing"),
        (MINIMAL.replace(DETECT, "detect = 1\n"), "detect", "1; wanted: table"),
        (MINIMAL.replace(DETECT, "[detect]\n"), "detect.executables", "missing"),
        (MINIMAL.replace(SWITCH, ""), "switch", "missing"),
        (MINIMAL.replace('["X"]', '"X"'), "switch[0].variables", "'X'; wanted: list"),
        (MINIMAL.replace('"set"', '"sett"'), "switch[0].off.form", "one of set,"),
        (MINIMAL + "seconds = true\n", "verify.seconds", "True; wanted: number"),
        (MINIMAL + "seconds = 0\n", "verify.seconds", "0"),
        (MINIMAL.replace(VERIFY, ""), "verify.commands", "missing"),
        (MINIMAL + "variables = { A = 1 }\n", "verify.variables.A", "1; wanted: text"),
        (MINIMAL.replace(SWITCH, SWITCH + 'file = "f"\n'), "switch[0]", "unclear"),
        (
            MINIMAL.replace('variables = ["X"]', 'file = "f"'),
            "switch[0].file",
            "'f'; wanted: the name of a [[file]] (there is none)",
        ),
        (MINIMAL.replace(HEAD, HEAD + 'module = "localstack"\n'), "module", "[[switch]]"),
        ("[conformance]\n" + MINIMAL, "conformance.name", ""),
    ):
        with pytest.raises(VerifyFileError) as caught:
            read(write(tmp_path, text))
        if caught.value.key != key or told not in caught.value.message:
            wrong.append((key, caught.value.key, caught.value.message))
    assert wrong[:-1] == []
    assert wrong[-1][1] == "name"  # Of today's form nothing is left but what is missing.
    with pytest.raises(FileUnreadableError):
        read(tmp_path / "none.toml")


def test_a_tool_is_found_or_said_to_be_missing(machine: Machine, tmp_path: Path) -> None:
    """A name is one of the catalogue; what is not here is said with how to install it."""
    environment = machine.environment()
    with pytest.raises(UnknownToolError):
        find("no-such-tool", environment)
    with pytest.raises(CommandNotHereError) as caught:
        find("turbo", environment)
    assert "npm install" in caught.value.hint
    with pytest.raises(NothingToRunError):
        find("go", environment)
    machine.install_program("turbo")
    assert find("turbo", environment).installation.executable == machine.bin / "turbo"
    found = find(str(sample_tool.make(tmp_path)), environment)
    assert found.installation.executable == tmp_path / "mytool"


def test_an_npm_tool_brings_its_packages(machine: Machine) -> None:
    """The folder of packages around a tool is known, and its programs come first."""
    package = machine.cwd / "node_modules" / "turbo"
    (package / "bin").mkdir(parents=True)
    (package / "package.json").write_text('{"name": "turbo", "version": "2.5.0"}')
    program = package / "bin" / "turbo"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (machine.cwd / "node_modules" / ".bin").mkdir()
    (machine.cwd / "node_modules" / ".bin" / "turbo").symlink_to("../turbo/bin/turbo")
    found = find("turbo", machine.environment())
    assert found.version == "2.5.0"
    assert found.installation.node_modules == machine.cwd / "node_modules"
    assert found.installation.programs[0] == machine.cwd / "node_modules" / ".bin"
