"""Events of a file in a store of their own, which a replay delivers and can take up again.

A file holds records (what `usagectl spool export` writes), events (one a line), or
whole bodies of requests (`{"events":[…]}`), in any mixture. It is only read. Its store
stays until everything in it is decided on, for seven days at most.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from usagectl import spool, tools
from usagectl.errors import FileUnreadableError, NoEventsError
from usagectl.events import record as records
from usagectl.events import slicing
from usagectl.events.record import as_utf8
from usagectl.machine import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from usagectl.events.record import Record
    from usagectl.machine.environment import Environment
    from usagectl.spool import Spool

_MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
_KEPT_SECONDS = 7 * 24 * 3600
_PATIENCE_SECONDS = 3600.0


class FileEvents(NamedTuple):
    """The events of a file."""

    store: Spool  # Where they wait.
    is_resumed: bool  # An earlier replay had begun with them.
    bad_lines: int = 0  # So many lines hold no event and are left out.
    first_bad_line: int = 0


@contextmanager
def opened(
    environment: Environment,
    folder: Path,
    *,
    file: Path | None,
    stream: BinaryIO,
    base: str,
    keeps: bool = True,
) -> Iterator[FileEvents]:
    """Load the events of a file, or take up what an earlier replay left of them.

    Args:
        environment: whose.
        folder: where the stores of files lie.
        file: the file; None for a stream that can be read but once.
        stream: its bytes.
        base: the address that they go to; for each, a file has a store of its own.
        keeps: keep what still waits at the end, for the next replay of the file.

    Raises:
        FileUnreadableError: the file cannot be read.
        NoEventsError: it holds none.
        SpoolUnwritableError: there is no room for the store.
        LockTimeoutError: another file was loaded for an hour.
    """
    place = folder / f"{_key(environment, file, base)}.db"
    is_done = False
    try:
        with spool.opened(place) as store:
            try:
                with files.lock(folder, seconds=_PATIENCE_SECONDS):
                    found = _load(environment, store, file=file, stream=stream)
                yield found
            finally:
                with files.lock(folder, seconds=_PATIENCE_SECONDS):
                    is_done = not (keeps and store.count(("pending",)))
                    if is_done:
                        _log(environment, store)
    finally:
        if is_done:
            _remove(place)


def _load(
    environment: Environment, store: Spool, *, file: Path | None, stream: BinaryIO
) -> FileEvents:
    if store.count(("pending",)):
        return FileEvents(store, is_resumed=True)
    _log(environment, store)  # A replay that was killed after its last answer left it.
    shown = file or environment.cwd / "standard input"
    try:
        reader = _Reader(environment, stream)
        added = store.add(reader.records())
    except OSError as error:
        raise FileUnreadableError(shown, reason=files.reason_of(error)) from error
    if reader.bad_lines and not added:
        raise NoEventsError(str(shown), bad_lines=reader.bad_lines)
    return FileEvents(store, False, reader.bad_lines, reader.first_bad_line)  # noqa: FBT003


def _log(environment: Environment, store: Spool) -> None:
    """Move what was sent or refused to the user's own spool."""
    if store.count(("sent", "rejected")):
        file, bounds = files.require_spool_file(environment), spool.load_bounds(environment)
        with spool.opened(file, bounds=bounds) as own:
            own.take_over(store.entries(("sent", "rejected")))
    store.purge(spool.STATES)


def _key(environment: Environment, file: Path | None, base: str) -> str:
    """Name a file as it is now, on its way to an address; a stream is never the same."""
    if file is None:
        return environment.entropy(16).hex()
    try:
        found = file.stat()
    except OSError as error:
        raise FileUnreadableError(file, reason=files.reason_of(error)) from error
    parts = (file.resolve(), found.st_size, found.st_mtime_ns, found.st_ino, base)
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:32]


def clean(environment: Environment) -> None:
    """Remove what interrupted replays of files left more than seven days ago."""
    now = environment.now().timestamp()
    with suppress(OSError):
        for each in files.require_files_dir(environment).iterdir():
            if abs(now - each.stat().st_mtime) > _KEPT_SECONDS:
                each.unlink()


def _remove(place: Path) -> None:
    """Remove a store with the files that SQLite keeps beside it."""
    with suppress(OSError):
        for each in place.parent.glob(f"{place.name}*"):
            each.unlink(missing_ok=True)


class _Reader:
    """The records of a file, and a count of the lines that hold none."""

    def __init__(self, environment: Environment, stream: BinaryIO) -> None:
        self._environment = environment
        self._lines = slicing.lines_of(as_utf8(iter(stream.readline, b"")))
        self.bad_lines = 0
        self.first_bad_line = 0

    def records(self) -> Iterator[Record]:
        """Yield a record for each event; JSON set out over many lines is read whole first."""
        first = next(self._lines, b"")
        head = [first]
        if first.strip() and not any(self._records_of(first.strip())):
            head += self._read_at_most(_MAX_DOCUMENT_BYTES)
            events = _events_of_document(b"".join(head))
            if events:
                yield from (self._record(event) for event in events)
                return
        for number, line in enumerate(chain(head, self._lines), start=1):
            is_empty = True
            for found in self._records_of(line.strip()):
                yield found
                is_empty = False
            if is_empty and line.strip():
                self.bad_lines += 1
                self.first_bad_line = self.first_bad_line or number

    def _read_at_most(self, limit: int) -> Iterator[bytes]:
        for line in self._lines:
            yield line
            limit -= len(line)
            if limit < 0:
                return

    def _records_of(self, line: bytes) -> Iterator[Record]:
        record = slicing.parse_line(line)
        if record is not None and slicing.name_of(record.event):
            yield record
        else:
            yield from (self._record(event) for event in slicing.events_of(line))

    def _record(self, event: bytes) -> Record:
        name = slicing.name_of(event)
        return records.new_record(
            event,
            tool=tools.sender_of((name,)),
            kind=name,
            now=self._environment.now(),
            entropy=self._environment.entropy,
        )


def _events_of_document(data: bytes) -> list[bytes]:
    """Cut the events out of JSON that is set out over many lines; a record is one line."""
    text = data.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    return slicing.events_of(text)
