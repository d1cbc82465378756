"""Own the words in which every tool is described: parts, switches, identity files.

A tool is one small module beside this one. It says which switches each of its
parts reads, in the order in which that program obeys them, and where it keeps
its machine ID. It never gives a verdict: that is the work of `consent`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from usagectl.machine.environment import Environment

MASK = "********"
"""Stands for what is hidden."""

Telemetry = Literal["on", "local", "off"]
Source = Literal["environment", "profile", "project", "policy", "setting", "default", "state"]

LOCALSTACK_ENDPOINT = "https://analytics.localstack.cloud/v1"
"""Where LocalStack's clients post when nothing else is set (facts, part 1)."""


class Switch(NamedTuple):
    """Hold one place that can turn telemetry on or off, and what it says.

    Attributes:
        source: what kind of place it is.
        name: the variable, key or file name.
        value: what stands there, as text; None when the place has no value.
        origin: the file, or `environment`, or empty for the default.
        says: what the tool makes of it; None when the tool ignores it.
    """

    source: Source
    name: str
    value: str | None
    origin: str
    says: Telemetry | None


class Caution(NamedTuple):
    """Hold something a person should know about a part: code, sentence, next step."""

    code: str
    message: str
    hint: str = ""


class Installation(NamedTuple):
    """Hold what was found of a tool: on this machine or not, its program, version and packages."""

    installed: bool
    executable: Path | None = None
    version: str | None = None
    packages: Path | None = None


class PartReading(NamedTuple):
    """Hold everything one part of a tool would look at before it sends.

    Attributes:
        tool: `localstack`, `lstk` or `usagectl`.
        part: `cli` or `container`.
        endpoint: the URL it would post to.
        switches: first the one that is obeyed first; ignored ones say None.
        any_no_wins: True when a single off decides, whatever its place.
        cautions: what is odd about this configuration.
    """

    tool: str
    part: str
    endpoint: str
    switches: tuple[Switch, ...]
    any_no_wins: bool = False
    cautions: tuple[Caution, ...] = ()


class IdentityFile(NamedTuple):
    """Hold one place in which a tool keeps its machine ID.

    Attributes:
        tool: whose it is.
        part: which part reads it.
        path: the file.
        form: `json` for `{"machine_id": …}`, `bare` for the 12 characters alone.
        is_primary: True for the file that is made when it is missing.
        source: what chose the folder.
    """

    tool: str
    part: str
    path: Path
    form: Literal["json", "bare"]
    is_primary: bool
    source: Source = "default"


class Tool(ABC):
    """Describe a program whose telemetry usagectl knows.

    Attributes:
        name: the tool as a person types it.
        parts: the names of its parts.
        always_counts: whether it counts for an expectation although it is not installed.
    """

    name: str
    parts: ClassVar[tuple[str, ...]]
    always_counts: bool = False

    @abstractmethod
    def find(self, environment: Environment) -> Installation:
        """Find the tool on this machine without running it."""

    @abstractmethod
    def read(self, environment: Environment) -> tuple[PartReading, ...]:
        """Read the switches of every part."""

    @abstractmethod
    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:
        """Name every place in which it keeps its machine ID."""


def is_no(value: str | None) -> bool:
    """Tell whether a variable such as DO_NOT_TRACK says No: set, and not a word for false."""
    return value is not None and value.strip().lower() not in ("", "0", "false", "no", "off")


def exists(path: Path) -> bool:
    """Tell whether something is there that this process can see; never raises.

    `Path.exists` raises where a folder may not be entered or a name is too long; to a
    program that looks with `os.path.exists`, as LocalStack does, that is nothing.
    """
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: Path) -> bool:
    """Tell whether a regular file is there that this process can see; never raises."""
    return os.path.isfile(path)  # noqa: PTH113


def is_dir(path: Path) -> bool:
    """Tell whether a folder is there that this process can see; never raises."""
    return os.path.isdir(path)  # noqa: PTH112


def find_executable(name: str, environment: Environment) -> Path | None:
    """Find a program on the PATH of the environment."""
    import shutil  # Typer has it loaded; the library alone may not need it
    from pathlib import Path

    found = shutil.which(name, path=environment.variables.get("PATH", ""))
    return Path(found) if found else None


def glob_quietly(folder: Path, pattern: str) -> list[Path]:
    """List what matches below a folder, sorted; nothing where it may not be looked into."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def environment_switch(
    variables: Mapping[str, str], name: str, *, says: Telemetry | None
) -> Switch:
    """Describe a variable that is present in the environment."""
    return Switch("environment", name, variables[name], "environment", says)


def mask_credentials(url: str) -> str:
    """Hide what a URL may carry besides its address: user, password, query."""
    address, mark, _ = url.partition("?")
    head, scheme, rest = address.rpartition("://")
    if "@" in rest:
        rest = f"{MASK}@{rest.rpartition('@')[2]}"
    return f"{head}{scheme}{rest}{mark}{MASK if mark else ''}"
