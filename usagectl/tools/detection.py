"""Detection of the catalogue's tools on this machine: by program, package, or a trace of use.

Nothing is run. A version is read where the package that the program belongs to tells it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl import catalogue
from usagectl.catalogue.entry import file_from_data
from usagectl.catalogue.versions import is_within
from usagectl.errors import FileUnreadableError
from usagectl.machine import files
from usagectl.machine.inventory import (
    distribution,
    distributions_in,
    normalized,
    plausible_version,
)
from usagectl.tools.base import Installation
from usagectl.tools.places import QuickLook, path_of
from usagectl.tools.python_programs import prefixes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from usagectl.catalogue.entry import Detect, Entry, File
    from usagectl.machine.environment import Environment
    from usagectl.machine.inventory import Distribution, Inventory

_LARGEST_MANIFEST = 1 << 20
"""A `package.json` is a few kilobytes long; from a larger one no version is read."""

_DEEPEST_PROGRAM = 4
"""How far below its package a program lies at most."""


def found(
    environment: Environment, names: Sequence[str] | None = None, *, stock: Inventory
) -> dict[str, Installation]:
    """Find the tools of the catalogue that are on this machine, or left a trace of their use.

    Those that are named are in the answer even where they are not here.
    """
    wanted = names or _likely(environment, stock)
    every = {name: find(catalogue.entry(name), environment, stock=stock) for name in wanted}
    return {name: each for name, each in every.items() if names or each.is_found}


def find(entry: Entry, environment: Environment, *, stock: Inventory) -> Installation:
    """Find a tool: its program, its package, or else a trace of earlier use.

    A program that merely has the name counts, unless its release is known to be older than
    what is meant. One that belongs to the tool's package is preferred, then the package alone:
    a program of another maker may have the same name.
    """
    first = None
    for each in _candidates(entry.detect, stock):
        if entry.detect.minimum and not is_within(each.version, f">={entry.detect.minimum}"):
            continue
        if each.packages or not (entry.detect.npm or entry.detect.python):
            return each
        first = first or each
    if first:
        return first
    traces = (entry.file(name) for name in entry.detect.traces)
    return Installation(installed=False, trace=_trace(traces, environment))


def _likely(environment: Environment, stock: Inventory) -> list[str]:
    """Name the tools of which something is here, by the index alone."""
    index = catalogue.index()
    here = {*_named(index, stock), *_traced(index, environment)}
    return [name for name in index.entries if name in here]


def _named(index: catalogue.Index, stock: Inventory) -> Iterator[str]:
    """Name the tools that a program, an npm package or a distribution here may be."""
    commands = frozenset(index.executables)
    for folder in stock.commands:
        for name in commands & folder.names:
            yield from index.executables[name]
    for name, _ in stock.packages(frozenset(index.npm)):
        yield from index.npm[name]
    for name in index.python.keys() & stock.distributions.keys():
        yield from index.python[name]


def _traced(index: catalogue.Index, environment: Environment) -> Iterator[str]:
    """Name the tools of which a trace is here; a quick look rules out nearly all of them."""
    look = QuickLook(environment)
    for name, traces in index.traces.items():
        texts = (place["path"] for file in traces for place in file["places"])
        if any(map(look.may_exist, texts)) and _trace(map(file_from_data, traces), environment):
            yield name


def _trace(traces: Iterable[File], environment: Environment) -> Path | None:
    """Return the first file that is there."""
    paths = (path_of(file, environment) for file in traces)
    return next((path for path in paths if path and os.path.lexists(path)), None)


def _candidates(detect: Detect, stock: Inventory) -> Iterator[Installation]:
    """Yield what may be the tool: programs in the order of PATH, then packages."""
    for program in stock.programs(frozenset(detect.executables)):
        version, folder = _package_of(program, detect, stock)
        packages = Path(folder) if folder else None
        version = version or _version_in_cellar(program) or _version_of_namesake(program, detect)
        yield Installation(True, Path(program), version, packages)  # noqa: FBT003
    packages_here = dict(reversed([*stock.packages(frozenset(detect.npm))]))
    for name in filter(packages_here.__contains__, detect.npm):
        folder, version = packages_here[name], _npm_version(packages_here[name], name, detect)
        yield Installation(installed=True, version=version, packages=Path(folder))
    for each in _of(detect, stock.distributions):
        version = _python_version(each, detect)
        yield Installation(installed=True, version=version, packages=Path(each.folder))


def _package_of(program: str, detect: Detect, stock: Inventory) -> tuple[str | None, str]:
    """Return version and folder of the tool's package that a program belongs to."""
    for name in detect.npm:
        if folder := _npm_folder(program, name, stock):
            return _npm_version(folder, name, detect), folder
    found = _beside(Path(program), detect, stock) if detect.python else None
    return (_python_version(found, detect), found.folder) if found else (None, "")


def _npm_folder(program: str, name: str, stock: Inventory) -> str:
    """Return the folder of a package that a program belongs to; empty where it does not.

    npm links from a program's folder into the package; pnpm and yarn put a script there,
    which runs what lies beside it, and so does npm on Windows.
    """
    real = _real(program)
    head, mark, _ = real.rpartition(f"/node_modules/{name}/")
    if mark and os.path.isfile(f"{head}{mark}package.json"):  # noqa: PTH113
        return f"{head}{mark}".rstrip("/")
    beside = os.path.dirname(program).removesuffix(f"{os.sep}.bin").removesuffix("/.bin")  # noqa: PTH120
    folders = (folder for _, folder in stock.packages(frozenset([name])))
    return next((folder for folder in folders if folder.startswith(f"{beside}/")), "")


def _npm_version(folder: str, name: str, detect: Detect) -> str | None:
    """Read the version in a package; only the first of an entry's packages tells the tool's."""
    manifest = _manifest(folder) if name == detect.npm[0] else {}
    return plausible_version(manifest.get("version"))


def _manifest(folder: str) -> Mapping[str, object]:
    """Read a `package.json`; what cannot be read or is none has no members."""
    try:
        data = files.read_bytes(Path(folder) / "package.json", limit=_LARGEST_MANIFEST)
        manifest = json.loads(data or b"")
    except (FileUnreadableError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _version_of_namesake(program: str, detect: Detect) -> str | None:
    """Read the version of the package around a program that is called like it: that of `yarn` 1.

    It matters where an older tool of the same name is another one.
    """
    if not detect.minimum:
        return None
    above = Path(_real(program)).parents[:_DEEPEST_PROGRAM]
    manifests = (_manifest(str(folder)) for folder in above)
    nearest = next((each for each in manifests if each.get("name")), {})
    is_namesake = nearest.get("name") in detect.executables
    return plausible_version(nearest.get("version")) if is_namesake else None


def _python_version(found: Distribution, detect: Detect) -> str | None:
    return found.version if found.name == normalized(detect.python[0]) else None


def _of(detect: Detect, distributions: Mapping[str, Sequence[str]]) -> Iterator[Distribution]:
    """Yield the tool's distributions among others, those that tell its version first."""
    for name in detect.python:
        yield from map(distribution, distributions.get(normalized(name), ()))


def _beside(program: Path, detect: Detect, stock: Inventory) -> Distribution | None:
    """Return the tool's distribution that a Python program imports, its interpreter's first."""
    for prefix in dict.fromkeys(map(str, prefixes_of(program))):
        libraries = tuple(f"{prefix}/{each}" for each in ("lib", "local/lib", "Lib"))
        known = _of(detect, stock.distributions)
        inside = next((each for each in known if each.folder.startswith(libraries)), None)
        # An environment to which only a link on PATH leads was not listed yet.
        if here := inside or next(_of(detect, distributions_in([prefix])), None):
            return here
    return None


def _version_in_cellar(program: str) -> str | None:
    """Read a version from the path at which Homebrew keeps a program."""
    _, mark, rest = _real(program).rpartition("/Cellar/")
    parts = rest.split("/")
    return plausible_version(parts[1]) if mark and len(parts) > 1 else None


def _real(program: str) -> str:
    """Return where a program lies, links resolved, with `/` on every system."""
    return os.path.realpath(program).replace(os.sep, "/")
