"""Events of a file in a store of their own, which a replay delivers and can take up again.

A file holds records (what `usagectl spool export` writes), events (one a line), or
whole bodies of requests (`{"events":[…]}`), in any mixture. It is only read. Its store
stays until everything in it is decided on, for seven days at most.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from usagectl import spool, tools
from usagectl.errors import NoEventsError
from usagectl.events import reading, slicing
from usagectl.events import record as records
from usagectl.events.record import as_utf8
from usagectl.machine import file_errors, files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.events.record import Record
    from usagectl.machine.environment import Environment
    from usagectl.spool import Spool, State

MOST_BYTES = 16 * 1024 * 1024
"""Of a line, or of JSON set out over many: its values take twenty times as much memory."""

_KEPT_SECONDS = 7 * 24 * 3600
_PATIENCE_SECONDS = 3600.0


@dataclass(slots=True)
class BadLines:
    """Lines of a file that hold no event and are left out."""

    count: int = 0
    first: int = 0  # The number of the first one.
    long: int = 0  # Those of them that are too long to be read.
    others: int = 0  # Lines beside these, of a capture: what went to hosts of other programs.

    def add(self, number: int, *, is_long: bool = False) -> None:
        """Count a line; a file may hold any number of them."""
        self.count += 1
        self.long += is_long
        self.first = self.first or number


class FileEvents(NamedTuple):
    """The events of a file."""

    store: Spool  # Where they wait.
    is_resumed: bool  # An earlier replay had begun with them.
    bad_lines: BadLines


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

    A file has a store in the folder for each address that it goes to; without a file the
    stream can be read but once. With `keeps`, what waits at the end is for the next replay.

    Raises:
        FileUnreadableError: the file cannot be read.
        NoEventsError: it holds none.
        SpoolUnwritableError: there is no room for the store.
        LockTimeoutError: another file was loaded for an hour.
    """
    place = folder / f"{_key(environment, file, base)}.db"
    try:
        with spool.opened(place) as store:
            try:
                with files.lock(folder, seconds=_PATIENCE_SECONDS):
                    _log(environment, store)  # Of a replay that was killed.
                    found = _load(environment, store, file=file, stream=stream)
                yield found
            finally:
                with files.lock(folder, seconds=_PATIENCE_SECONDS):
                    _log(environment, store)
                    keeps = keeps and store.count(("pending",)) > 0
    finally:
        if not keeps:
            _remove(place)


@contextmanager
def planned(
    environment: Environment, *, file: Path | None, stream: BinaryIO, base: str
) -> Iterator[FileEvents]:
    """Load the events that a replay of a file would send, and leave nothing behind.

    These are those that an earlier replay left of it, where there are some.

    Raises:
        FileUnreadableError: the file cannot be read.
        NoEventsError: it holds none.
    """
    from tempfile import TemporaryDirectory  # only a plan needs it

    own = files.spool_file(environment)
    kept = own and files.require_files_dir(environment) / f"{_key(environment, file, base)}.db"
    with spool.opened_for_reading(kept) as store:
        if store.count(("pending",)):
            yield FileEvents(store, is_resumed=True, bad_lines=BadLines())
            return
    with (
        TemporaryDirectory(prefix="usagectl-") as folder,
        opened(
            environment, Path(folder), file=file, stream=stream, base=base, keeps=False
        ) as found,
    ):
        yield found


def _load(
    environment: Environment, store: Spool, *, file: Path | None, stream: BinaryIO
) -> FileEvents:
    if store.count(("pending",)):
        return FileEvents(store, is_resumed=True, bad_lines=BadLines())
    shown = file or environment.cwd / "standard input"
    bad_lines = BadLines()
    try:
        added = store.add(_records(environment, stream, bad_lines))
    except OSError as error:
        raise file_errors.unreadable(shown, error) from error
    if bad_lines.count and not added:
        most = f"a line may have {MOST_BYTES} bytes" if bad_lines.long else ""
        raise NoEventsError(str(shown), bad_lines=bad_lines.count, reason=most)
    return FileEvents(store, is_resumed=False, bad_lines=bad_lines)


def _log(environment: Environment, store: Spool) -> None:
    """Move events that were sent or refused to the user's own spool."""
    settled: tuple[State, ...] = ("sent", "rejected")
    if store.count(settled):
        file, bounds = files.require_spool_file(environment), spool.load_bounds(environment)
        with spool.opened(file, bounds=bounds) as own:
            own.take_over(store.entries(settled))
        store.purge(settled)


def _key(environment: Environment, file: Path | None, base: str) -> str:
    """Build a name for a file's present content and an address; each stream has a new one."""
    if file is None:
        return environment.entropy(16).hex()
    try:
        found = file.stat()
    except OSError as error:
        raise file_errors.unreadable(file, error) from error
    parts = (file.resolve(), found.st_size, found.st_mtime_ns, found.st_ino, base)
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:32]


def clean(environment: Environment) -> None:
    """Remove stores of files whose replay was interrupted more than seven days ago."""
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


def _records(environment: Environment, stream: BinaryIO, bad_lines: BadLines) -> Iterator[Record]:
    """Yield a record for each event of a stream; count the lines without one.

    JSON set out over many lines is read whole first.
    """
    pieces = as_utf8(reading.pieces_of(stream))
    lines = slicing.lines_of(pieces, most_bytes=MOST_BYTES)
    first = next(lines, b"")
    head = [first]
    if first.strip() and not _records_of(environment, first):
        head += _take_bytes(lines, MOST_BYTES)
        if events := _events_of_document(b"".join(head)):
            yield from (_record(environment, event) for event in events)
            return
    for number, line in enumerate(chain(head, lines), start=1):
        if _is_of_others(line):
            bad_lines.others += 1
            continue
        found = _records_of(environment, line)
        if line.strip() and not found and not _is_observation(line):
            bad_lines.add(number, is_long=line == slicing.TOO_LONG)
        yield from found


def _take_bytes(lines: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """Yield the next lines until they are more than `limit` bytes."""
    for line in lines:
        yield line
        limit -= len(line)
        if limit < 0:
            return


def _records_of(environment: Environment, line: bytes) -> list[Record]:
    """Read a line: a record, an event, or a body; empty for anything else."""
    line = line.strip()
    record = slicing.parse_line(line)
    if record is not None and slicing.name_of(record.event):
        return [record]
    return [_record(environment, event) for event in slicing.events_of(line)]


def _is_of_others(line: bytes) -> bool:
    """True for a captured line that was not meant for the host that a replay sends to."""
    if b'"host"' not in line:  # Only a recorder's lines have it; who replays many would wait.
        return False
    return tools.is_of_others(reading.Reader().decode(line).value)


def _is_observation(line: bytes) -> bool:
    return reading.is_observation(reading.Reader().decode(line).value)


def _record(environment: Environment, event: bytes) -> Record:
    name = slicing.name_of(event)
    labels = {"tool": tools.sender_of((name,)), "kind": name}
    now, entropy = environment.now(), environment.entropy
    return records.new_record(event, now=now, entropy=entropy, **labels)


def _events_of_document(data: bytes) -> list[bytes]:
    """Cut the events out of JSON that is set out over many lines; a record is one line."""
    text = data.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    return slicing.events_of(text)
