"""Wheels of the two distributions, built without a network, and environments made of them."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.machine import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PROGRAM = REPOSITORY
"""The folder that the wheel of `usagectl` is built from."""

CORE = REPOSITORY / "core"
"""The folder that the wheel of `usagectl-core` is built from."""


def build(source: Path, folder: Path) -> Path:
    """Build a wheel into an empty folder."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(words, cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def metadata_of(wheel: Path) -> metadata.PackageMetadata:
    """Return what a wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        found = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        folder = zipfile.Path(archive, found).parent
        return metadata.PathDistribution(folder).metadata  # type: ignore[arg-type]  # no pathlib.Path


def required(wheel: Path) -> list[Requirement]:
    """List what a wheel requires where no extra is asked for."""
    return list(_needed(metadata_of(wheel).get_all("Requires-Dist") or []))


def _needed(texts: list[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, texts):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def closure(names: Iterable[str]) -> set[str]:
    """Name the distributions that pip would install for some, of those that are installed here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            waiting += [each.name for each in _needed(metadata.requires(name) or [])]
    return found


def make_environment(folder: Path, wheel: Path, *more: str) -> Path:
    """Make an environment of a wheel, of all that it requires, and of more; return its Python.

    Libraries are links to those that the tests run with: nothing is fetched.
    """
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("[Ll]ib/**/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in closure([*(each.name for each in required(wheel)), *more]):
        _link(metadata.distribution(name), site)
    return next(folder.glob("[bS]*/python*"))


def _link(distribution: metadata.Distribution, site: Path) -> None:
    tops = {file.parts[0] for file in distribution.files or ()}
    for top in tops - {"..", "__pycache__"}:
        (site / top).symlink_to(str(distribution.locate_file(top)))
