"""Tests of the two distributions: who owns which file, what each requires, one version."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support import wheels
from tests.support.machine import REPOSITORY
from tests.test_layers import CORE_LIBRARIES
from usagectl._version import __version__

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    *("typer", "click", "rich", "uvicorn", "trustme", "cryptography", "dnslib", "ruamel-yaml"),
    *("ruamel.yaml", "pydantic", "pygments", "jinja2"),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of `usagectl`."""
    return wheels.build(wheels.PROGRAM, tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of `usagectl-core`."""
    return wheels.build(wheels.CORE, tmp_path_factory.mktemp("core"))


def files_of(wheel: Path) -> set[str]:
    """List the files that a wheel installs, without its own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_core_has_all_code_and_the_program_none(core: Path, program: Path) -> None:
    """A file in two wheels would go with whichever is uninstalled first."""
    code = {
        file.relative_to(REPOSITORY).as_posix()
        for package in ("usagectl", "usagectl_pytest")
        for file in (REPOSITORY / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert files_of(core) == code
    assert [name for name in files_of(program) if not name.startswith("usagectl-")] == []


def test_completions_and_man_page_lie_where_they_are_looked_for(program: Path) -> None:
    """A prefix that the wheel is installed into has each where a shell, or `man`, searches."""
    with zipfile.ZipFile(program) as archive:
        found = {
            name.partition(".data/data/")[2]: archive.read(name)
            for name in archive.namelist()
            if ".data/data/" in name
        }
    assert found == {
        target: (REPOSITORY / source).read_bytes()
        for source, target in {
            "completions/usagectl.bash": "share/bash-completion/completions/usagectl",
            "completions/_usagectl": "share/zsh/site-functions/_usagectl",
            "completions/usagectl.fish": "share/fish/vendor_completions.d/usagectl.fish",
            "completions/usagectl.ps1": "share/usagectl/usagectl.ps1",
            "man/usagectl.1": "share/man/man1/usagectl.1",
        }.items()
    }


def test_they_are_one_version(core: Path, program: Path) -> None:
    """Both say the version of the code, and the program takes that core and no other."""
    assert [wheels.metadata_of(each)["Version"] for each in (core, program)] == [__version__] * 2
    pins = {each.name: str(each.specifier) for each in wheels.required(program)}
    assert pins["usagectl-core"] == f"=={__version__}"


def test_the_core_is_light_and_has_no_upper_bound(core: Path) -> None:
    """It brings nothing that draws, serves or parses a command line, and fights no pin."""
    required = wheels.required(core)
    assert {each.name for each in required} == CORE_LIBRARIES
    assert wheels.closure([each.name for each in required]) & HEAVY == set()
    operators = {each.operator for one in required for each in one.specifier}
    assert operators == {">="}


def test_both_come_with_the_licence() -> None:
    """The core's folder has a copy of its own, since a build takes none from above."""
    assert (wheels.CORE / "LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()
