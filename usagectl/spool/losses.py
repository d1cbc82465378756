"""Own the count of events that were lost: dropped by the bounds, or not written at all.

The file has one size for ever and is overwritten in place, so that a full disk
can be counted too. Where the spool's folder takes nothing (it is read-only,
say), a file of the system's temporary folder counts instead.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
import zlib
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.machine import files, paths
from usagectl.spool import segments

if TYPE_CHECKING:
    from pathlib import Path

    from usagectl.machine.environment import Environment

Reason = Literal["full", "old", "unwritable"]

_FILE_BYTES = 128
_TRIES = 200


class Losses(NamedTuple):
    """Hold how many events were lost since the count began.

    Attributes:
        full: dropped, the oldest first, since the spool had reached its size.
        old: dropped since they had reached their age.
        unwritable: never kept, since the disk took nothing.
    """

    full: int = 0
    old: int = 0
    unwritable: int = 0

    @property
    def total(self) -> int:
        """Count them all."""
        return sum(self)


def prepare(folder: Path) -> None:
    """Make the file while there is room for it; a failure is left for the day it matters."""
    try:
        _add(folder / "losses.json", "full", 0)
    except OSError:
        return


def add(environment: Environment, reason: Reason, count: int) -> None:
    """Count lost events; where nothing at all can be written, they stay uncounted."""
    for file in _files_of(environment, make=True):
        try:
            if file.parent.is_dir():
                _add(file, reason, count)
                return
        except OSError:
            continue


def read(environment: Environment) -> Losses:
    """Read the count; a file that cannot be understood counts nothing."""
    found = [_read(file) for file in _files_of(environment)]
    return Losses(*(sum(column) for column in zip(*found, strict=True))) if found else Losses()


def reset(environment: Environment) -> None:
    """Begin the count anew."""
    for file in _files_of(environment):
        try:
            file.unlink(missing_ok=True)
        except OSError:
            continue


def _files_of(environment: Environment, *, make: bool = False) -> list[Path]:
    folder = paths.spool_dir(environment)
    found = [folder / "losses.json"] if folder else []
    fallback = paths.fallback_dir(environment, make=make)
    name = f"losses-{zlib.crc32(os.fsencode(folder or '')):08x}.json"  # One for each spool.
    return [*found, fallback / name] if fallback else found


def _read(file: Path) -> Losses:
    try:
        descriptor = os.open(file, os.O_RDONLY | segments.SAFE)
    except OSError:
        return Losses()
    try:
        return _parse(os.read(descriptor, _FILE_BYTES))
    except OSError:
        return Losses()
    finally:
        os.close(descriptor)


def _parse(data: bytes) -> Losses:
    try:
        document = json.loads(data)
        counts = [document[name] for name in Losses._fields]
    except (ValueError, TypeError, KeyError, RecursionError):
        return Losses()
    whole = all(type(count) is int and count >= 0 for count in counts)
    return Losses(*counts) if whole else Losses()


def _add(file: Path, reason: Reason, count: int) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | segments.SAFE, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "something that is no file lies in the count's place")
        for _ in range(_TRIES):  # A stopped process that holds it must not hold us.
            if files.try_lock(descriptor):
                break
            time.sleep(0.0005)
        before = _parse(os.pread(descriptor, _FILE_BYTES, 0))
        after = before._replace(**{reason: getattr(before, reason) + count})
        text = json.dumps(after._asdict(), separators=(",", ":"))
        os.pwrite(descriptor, text.encode().ljust(_FILE_BYTES - 1)[: _FILE_BYTES - 1] + b"\n", 0)
    finally:
        os.close(descriptor)
