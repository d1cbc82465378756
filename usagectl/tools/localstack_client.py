"""Own LocalStack's client as it lies on this machine: its version and its view of things.

Facts, parts 4 and 5. Nothing here runs the client or asks Docker.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.tools import profiles as profile_files
from usagectl.tools.base import Installation, Source, find_executable, glob_quietly, is_file
from usagectl.tools.detection import is_in_container
from usagectl.tools.localstack_rules import rules_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.machine.environment import Environment
    from usagectl.tools.localstack_rules import Rules
    from usagectl.tools.profiles import Profiles

NAME = "localstack"
PLAIN = "DISABLE_EVENTS"
PREFIXED = "LOCALSTACK_DISABLE_EVENTS"
VOLUME_CACHE = "/var/lib/localstack/cache"

_DISTRIBUTIONS = ("localstack_core", "localstack")


class LocalStackClient:
    """Hold the installed client's view of an environment: rules, profiles, variables."""

    def __init__(self, environment: Environment, *, version: str | None = None) -> None:
        self.environment = environment
        self._version = version

    @cached_property
    def installation(self) -> Installation:
        """Find the client."""
        return find(self.environment)

    @cached_property
    def rules(self) -> Rules:
        """Return the rules of the version asked for, else installed, else newest known."""
        return rules_for(self._version or self.installation.version)

    @cached_property
    def profiles(self) -> Profiles:
        """Read the active profiles."""
        return profile_files.load(self.environment, self.rules)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Return the client's environment once it has read its profiles."""
        return self.profiles.merged_with(self.environment.variables)

    @cached_property
    def is_in_container(self) -> bool:
        """Tell whether the client takes this place for a container."""
        return is_in_container(self.environment, self.rules)

    @cached_property
    def cache_dir(self) -> tuple[Path, Source]:
        """Name the folder of the command line's `machine.json`, and what chose it."""
        if self.is_in_container:
            return self.environment.at_root(VOLUME_CACHE), "state"
        folder, source = user_cache_dir(self.environment, self.variables)
        return folder / "localstack-cli", source


def user_cache_dir(environment: Environment, variables: Mapping[str, str]) -> tuple[Path, Source]:
    """Name the user's cache folder as LocalStack's `get_user_cache_dir` does."""
    home = environment.home or environment.cwd / "~"
    if environment.system == "Windows":
        local = variables.get("LOCALAPPDATA")
        chosen = Path(local) / "cache" if local else environment.cwd / "%LOCALAPPDATA%" / "cache"
        return chosen, "environment" if local else "default"
    if environment.system == "Darwin":
        return home / "Library" / "Caches", "default"
    xdg = variables.get("XDG_CACHE_HOME", "")
    if environment.system == "Linux" and xdg.startswith("/"):
        return Path(xdg), "environment"
    return home / ".cache", "default"


def temporary_dir(environment: Environment) -> Path:
    """Name the folder for temporary files as Python does: TMPDIR, TEMP, TMP, else the system's."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        if environment.variables.get(name):
            return environment.cwd / environment.variables[name]
    return environment.at_root("/tmp")  # noqa: S108


def find(environment: Environment) -> Installation:
    """Find LocalStack's command on PATH; its version is read, not asked for."""
    executable = find_executable(NAME, environment)
    if executable is None:
        return Installation(installed=False)
    for folder in _package_folders(executable, environment):
        for distribution in _DISTRIBUTIONS:
            for info in glob_quietly(folder, f"{distribution}-*.dist-info"):
                version = info.name.removesuffix(".dist-info").rpartition("-")[2]
                return Installation(
                    installed=True, executable=executable, version=version, packages=folder
                )
    return Installation(installed=True, executable=executable)


def _package_folders(executable: Path, environment: Environment) -> Iterator[Path]:
    for prefix in dict.fromkeys(_prefixes(executable)):
        yield from glob_quietly(prefix, "lib/python*/site-packages")
        yield from glob_quietly(prefix, "lib/python3/dist-packages")
        yield from glob_quietly(prefix, "local/lib/python*/dist-packages")
        yield prefix / "Lib" / "site-packages"
    if environment.home:
        yield from glob_quietly(environment.home, ".local/lib/python*/site-packages")


def _prefixes(executable: Path) -> Iterator[Path]:
    # The interpreter decides what is imported; the folder of a link on PATH says least.
    for program in (_interpreter(executable), executable.resolve(), executable):
        if program is not None:
            yield program.parent.parent


def _interpreter(script: Path) -> Path | None:
    try:
        if not is_file(script):  # A pipe would hang the command.
            return None
        with script.open("rb") as stream:
            first = stream.readline(512)
    except OSError:
        return None
    words = first.removeprefix(b"#!").split() if first.startswith(b"#!") else []
    program = Path(words[0].decode(errors="replace")) if words else None
    # `/usr/bin/env` and `/bin/sh` tell nothing of where Python lies.
    return program if program and program.name.startswith(("python", "pypy")) else None
