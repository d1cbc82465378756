"""Paths of the files that the catalogue names, on this machine, for this release."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.catalogue.versions import is_within
from usagectl.machine.environment import is_ci, is_container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from usagectl.catalogue.entry import Entry, File, Place, SwitchRule
    from usagectl.machine.environment import Environment

_SYSTEMS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}

_CONDITIONS: Mapping[str, Callable[[Environment], bool]] = {
    "root": lambda environment: environment.uid == 0,
    "not-root": lambda environment: environment.uid != 0,
    "container": is_container,
    "not-container": lambda environment: not is_container(environment),
    "ci": is_ci,
    "not-ci": lambda environment: not is_ci(environment),
}


def path_of(file: File, environment: Environment, version: str | None = None) -> Path | None:
    """Return where a file lies: at its first place whose conditions hold; None without one.

    A file with `search = "up"` is the nearest that exists from the working folder upwards,
    and otherwise that of the working folder.
    """
    for place in file.places:
        if (path := _at(place, file, environment, version)) is not None:
            return path
    return None


def path_to_make(file: File, environment: Environment, version: str | None = None) -> Path | None:
    """Return where a file that is not there would lie, of those that count only if they exist."""
    for place in file.places:
        if place.exists == place.path:
            return _at(place._replace(exists=""), file, environment, version)
    return None


def as_at(file: File, path: Path) -> File:
    """Return a file in the format that it has at one of its places."""
    there = (each.format for each in file.places if each.path.rpartition("/")[2] == path.name)
    return file._replace(format=next(there, None) or file.format)


def holds(conditions: Iterable[str], environment: Environment) -> bool:
    """True if every condition of an entry holds here, such as `root` or `container`."""
    return all(_CONDITIONS[each](environment) for each in conditions)


def heeded(entry: Entry, environment: Environment, version: str) -> list[SwitchRule]:
    """List the switches of an entry that a release asks on this machine, in its order."""
    return [
        rule
        for rule in entry.switches
        if is_within(version, rule.versions) and holds(rule.when, environment)
    ]


def conditions_of(entry: Entry, environment: Environment) -> tuple[str, ...]:
    """Name what this machine is, as far as an entry tells such machines apart; CI always."""
    told: set[str] = {each for rule in entry.switches for each in rule.when}
    told |= {each for file in entry.files for place in file.places for each in place.when}
    told = {"ci", *(each.removeprefix("not-") for each in told)}
    return tuple(each for each in _CONDITIONS if each in told and holds([each], environment))


def expand(text: str, environment: Environment) -> Path | None:
    """Fill a path in; None where a variable without a default is not set, or there is no home."""
    filled = _fill(text, environment.variables)
    if filled is None or "\0" in filled:
        return None
    if filled == "~" or filled.startswith("~/"):
        home = environment.home
        return None if home is None else home / filled[2:]
    # What a variable names lies where it says; what the entry names lies below the root.
    is_literal = text.startswith("/")
    return environment.at_root(filled) if is_literal else environment.cwd / filled


def written(path: Path, environment: Environment) -> str:
    """Write a path as an entry does: from home, project or a root of its own; else empty."""
    folders = {"~/": environment.home, "": environment.cwd, "/": environment.root}
    for head, folder in folders.items():
        if folder and folder != Path("/") and path.is_relative_to(folder):
            return f"{head}{path.relative_to(folder)}"
    return ""


def moved(
    files: Iterable[File], environment: Environment, version: str | None, *, below: Path
) -> tuple[Environment, Mapping[Path, Path]]:
    """Move the user's own files of a tool that an entry names from the root, as dlt's below /var.

    Return the machine on which they lie below a folder, and the folders that stand there for
    others. What lies in one right below the root, such as /tmp, stays.
    """
    paths = [path_of(file, environment, version) for file in files if file.scope == "user"]
    named = {place.path for file in files for place in file.places if place.path[0] == "/"}
    folders = {path.parent for path in paths if path and str(path) in named}
    deep = [each for each in folders if each.parent != Path("/")]
    stand_ins = {each: below / each.relative_to("/") for each in deep}
    return (environment._replace(root=below) if deep else environment), stand_ins


class QuickLook:
    """A look at hundreds of places, most of which are empty, without making a path of each."""

    def __init__(self, environment: Environment) -> None:
        self._variables = environment.variables
        self._root = str(environment.root).rstrip("/")
        self._home = str(environment.home or "\0")  # Nothing lies below that.
        self._folders = [str(each) for each in (environment.cwd, *environment.cwd.parents)]

    def may_exist(self, text: str) -> bool:
        """True unless there is nothing at the path of a place, whatever its conditions are."""
        filled = _fill(text, self._variables) if "$" in text else text
        if not filled:
            return False
        if filled.startswith("~/"):
            return os.path.lexists(self._home + filled[1:])
        if filled.startswith("/"):
            return os.path.lexists(self._root + filled if text.startswith("/") else filled)
        return any(os.path.lexists(f"{each}/{filled}") for each in self._folders)


def _at(place: Place, file: File, environment: Environment, version: str | None) -> Path | None:
    system = _SYSTEMS.get(environment.system, "linux")
    if place.system and system not in place.system:
        return None
    if not is_within(version, place.versions) or not holds(place.when, environment):
        return None
    wanted = _find(place.exists, file, environment) if place.exists else None
    if place.exists and (wanted is None or not os.path.lexists(wanted)):
        return None
    path = _find(place.path, file, environment)
    if wanted and path and file.search == "up" and not os.path.lexists(path):
        return wanted.parents[place.exists.count("/")] / place.path  # Beside what marks a project.
    return path


def _find(text: str, file: File, environment: Environment) -> Path | None:
    path = expand(text, environment)
    is_above = path is not None and file.search == "up" and not _is_absolute(text)
    return _nearest(path, text, environment) if path and is_above else path


def _fill(text: str, variables: Mapping[str, str]) -> str | None:
    """Put the variables of a path in; None where one without a default is not set."""
    head, mark, rest = text.partition("${")
    if not mark:
        return text
    inside, _, tail = rest.partition("}")
    name, is_optional, default = inside.partition(":-")
    value, filled = variables.get(name) or default, _fill(tail, variables)
    if filled is None or not (value or is_optional):
        return None
    return head + value + filled


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "~", "${"))


def _nearest(path: Path, relative: str, environment: Environment) -> Path:
    folders = (environment.cwd, *environment.cwd.parents)
    return next((each / relative for each in folders if os.path.lexists(each / relative)), path)
