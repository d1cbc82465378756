"""Python programs on this machine: where their packages lie, and which releases those are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.errors import FileUnreadableError
from usagectl.machine import files
from usagectl.tools.base import Installation, find_executable, glob_quietly, is_dir, is_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from usagectl.machine.environment import Environment


def find_python_program(
    name: str, distributions: Sequence[str], environment: Environment
) -> Installation:
    """Find a command on PATH, and its version in the metadata of the packages that it imports.

    Of several `distributions` the first one found in a folder has the version.
    """
    executable = find_executable(name, environment)
    if executable is None:
        return Installation(installed=False)
    for folder in _package_folders(executable, environment):
        for distribution in distributions:
            for info in glob_quietly(folder, f"{distribution}-*.dist-info"):
                version = info.name.removesuffix(".dist-info").rpartition("-")[2]
                return Installation(
                    installed=True, executable=executable, version=version, packages=folder
                )
    return Installation(installed=True, executable=executable)


def releases_of(
    distribution: str, package: str, installation: Installation, environment: Environment
) -> tuple[str, ...]:
    """Name the releases of a library that a Python program may import; () where that is unknown.

    A virtual environment has one; elsewhere every folder that the program may look into counts.
    """
    if installation.executable is None:
        return ()
    folders = list(_package_folders(installation.executable, environment))
    own = installation.packages
    if own and any(is_file(above / "pyvenv.cfg") for above in own.parents[:3]):
        folders = [own]
    named = filter(None, environment.variables.get("PYTHONPATH", "").split(os.pathsep))
    first = [environment.cwd / name for name in named]
    folders = [each for each in first if is_dir(each / package)] or folders
    return tuple(
        release
        for folder in folders
        for info in glob_quietly(folder, f"{distribution}-*-info")
        if (release := info.name.removesuffix(".dist-info").partition("-")[2])
    )


def _package_folders(executable: Path, environment: Environment) -> Iterator[Path]:
    for prefix in dict.fromkeys(prefixes_of(executable)):
        yield from glob_quietly(prefix, "lib/python*/site-packages")
        yield from glob_quietly(prefix, "lib/python3/dist-packages")
        yield from glob_quietly(prefix, "local/lib/python*/dist-packages")
        yield prefix / "Lib" / "site-packages"
    if environment.home:
        yield from glob_quietly(environment.home, ".local/lib/python*/site-packages")


def prefixes_of(executable: Path) -> Iterator[Path]:
    """Yield the folders below which a program's packages may lie, the interpreter's first."""
    # The interpreter decides what is imported; the folder of a link on PATH says least.
    for program in (_interpreter(executable), executable.resolve(), executable):
        if program is not None:
            yield program.parent.parent


def _interpreter(script: Path) -> Path | None:
    try:
        first = (files.read_bytes(script) or b"").partition(b"\n")[0]
    except FileUnreadableError:  # Such as a program that is larger than any script.
        return None
    words = first.removeprefix(b"#!").split() if first.startswith(b"#!") else []
    program = Path(words[0].decode(errors="replace")) if words else None
    # `/usr/bin/env` and `/bin/sh` say nothing about where Python lies.
    return program if program and program.name.startswith(("python", "pypy")) else None
