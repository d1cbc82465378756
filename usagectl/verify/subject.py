"""A tool to be verified: its entry in the catalogue or its author's own file, and the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl import catalogue
from usagectl.catalogue import authored
from usagectl.catalogue.wording import way_to_install
from usagectl.errors import UnknownToolError, UsagectlError
from usagectl.machine import inventory
from usagectl.tools import detection
from usagectl.tools.base import Installation, find_executable

if TYPE_CHECKING:
    from pathlib import Path

    from usagectl.catalogue.entry import Entry
    from usagectl.machine.environment import Environment


class CommandNotHereError(UsagectlError):
    """The tool to be verified is not on this machine."""

    code = "tool-not-here"
    exit_status = 127

    def __init__(self, title: str, *, hint: str) -> None:
        super().__init__(f"{title} was not found on this machine, so it cannot be run.", hint=hint)


class NothingToRunError(UsagectlError):
    """The catalogue knows no command with which a tool sends."""

    code = "nothing-to-run"
    exit_status = 2

    def __init__(self, name: str) -> None:
        message = f"The catalogue knows no command that makes {name} send."
        super().__init__(message, hint="usagectl verify ./mytool.toml")


class Subject(NamedTuple):
    """A tool that can be run: its entry, its program, and the folder of its file."""

    entry: Entry
    installation: Installation
    folder: Path  # What `{here}` stands for.

    @property
    def version(self) -> str:
        """The release that is here, as far as that is known."""
        return self.installation.version or self.entry.version


def find(name: str, environment: Environment) -> Subject:
    """Return a tool of the catalogue by its name, or the one that an author's file describes.

    Raises:
        UnknownToolError: the catalogue has no such tool.
        FileUnreadableError: the file cannot be read.
        VerifyFileError: it is not TOML, or a key is unknown, missing or invalid.
        NothingToRunError: no command of the tool is known that sends.
        CommandNotHereError: it is not on this machine.
    """
    if name.endswith(".toml") or "/" in name:
        file = environment.cwd / name
        entry, folder = authored.read(file), file.parent.absolute()
    elif name in catalogue.names():
        entry, folder = catalogue.entry(name), environment.cwd
    else:
        raise UnknownToolError(name, known=catalogue.names())
    if not entry.verify.commands:
        raise NothingToRunError(name)
    found = _installation(entry, environment, folder)
    # A library has no program; of a tool that has, a file that its use left behind runs nothing.
    if not (found.executable if entry.detect.executables else found.installed):
        raise CommandNotHereError(entry.title, hint=way_to_install(entry))
    return Subject(entry, found, folder)


def _installation(entry: Entry, environment: Environment, folder: Path) -> Installation:
    """Find the program; one with a slash is a path, from the folder of the file."""
    for each in entry.detect.executables:
        path = str(folder / filled(each, folder))
        if "/" in each and (found := find_executable(path, environment)):
            return Installation(installed=True, executable=found)
    return detection.find(entry, environment, stock=inventory.take(environment))


def filled(text: str, folder: Path, value: str = "{value}") -> str:
    """Put the folder of the file and the typed value in their places."""
    return text.replace("{here}", str(folder)).replace("{value}", value)
