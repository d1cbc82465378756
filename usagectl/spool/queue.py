"""Own the way of events out of the queue: claimed, read in batches, noted as done.

Whoever delivers or purges holds the spool's lock, so there is one at a time. A
segment is claimed by a new name and a lock, so no process appends to it any
more. What is done is noted beside it before the next batch goes out; a segment
with nothing left is removed. Event bytes are sliced, never serialised again.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from usagectl.errors import SpoolUnwritableError
from usagectl.machine import files, paths
from usagectl.spool import envelope, journal, lines, logs, reading, segments
from usagectl.spool.journal import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import msgspec

    from usagectl.machine.environment import Environment
    from usagectl.spool.lines import Piece, Run, Selection, Source

ASIDE, ASIDE_FILES = "aside", ("lines.txt", "lines.before.txt")
_MOST_ASIDE_BYTES = 4 * 1024 * 1024
TEMPORARY = ".sending.tmp"
FILES = "files"
_WALLS = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE)
"""What keeps a segment from being claimed and lies not in that segment."""

_TRIES = 20
_MOST_OPEN = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold the events of one request.

    Attributes:
        events: their exact bytes.
        pieces: the lines that they stand in.
        is_session: whether it is one session event, which has an address of its own.
    """

    events: list[bytes | msgspec.Raw]
    pieces: tuple[Piece, ...]
    is_session: bool = False

    @property
    def lines(self) -> bytes:
        """Join the whole lines, as they waited."""
        return b"".join([piece.data for piece in self.pieces])

    def split(self, count: int) -> tuple[Batch, Batch]:
        """Cut it after that many events."""
        first: list[Piece] = []
        rest = list(self.pieces)
        missing = count
        while missing:
            piece = rest.pop(0)
            if piece.amount > missing:
                piece, tail = piece.split(missing)
                rest.insert(0, tail)
            first.append(piece)
            missing -= piece.amount
        return Batch(self.events[:count], tuple(first)), Batch(self.events[count:], tuple(rest))

    def prepare(self) -> None:
        """See that it can be noted what becomes of the events, before any is sent.

        Raises:
            SpoolUnwritableError: it cannot.
        """
        for piece in self.pieces:
            piece.source.prepare()

    def mark_done(self) -> None:
        """Note in each source that these lines are done.

        Raises:
            SpoolUnwritableError: it could not be noted.
        """
        for piece in self.pieces:
            piece.source.mark_done([piece.span])


class ClaimedSegment:
    """Be a segment that only this process may change, until it is closed."""

    def __init__(self, segment: segments.Segment, descriptor: int, folder: Path) -> None:
        self.segment = segment
        self._descriptor: int | None = descriptor
        self._folder = folder
        self._journal: int | None = None
        self._is_prepared = False
        self._bytes_done = 0

    @property
    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            self._descriptor = segments.open_existing(self.segment)
        if self._descriptor is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._descriptor

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Give what is not done, in blocks of whole lines."""
        return reading.waiting_blocks(self.segment, self._open_descriptor)

    def prepare(self) -> None:
        """See that what is done can be noted, before anything is: a disk may be full.

        Raises:
            SpoolUnwritableError: it cannot.
        """
        if not self._is_prepared:
            with _translated(self._folder):
                journal.write_blank(self._open_journal())
            self._is_prepared = True
            self._go_on_resting()

    def _open_journal(self) -> int:
        if self._journal is None:
            self._journal = journal.open_for_appending(self.segment)
        return self._journal

    def mark_done(self, spans: Iterable[Span]) -> None:
        """Remember that spans are done."""
        found = list(spans)
        with _translated(self._folder):
            journal.write(self._open_journal(), found)
        self._bytes_done += sum(span.end - span.start for span in found)
        self._go_on_resting()

    def _go_on_resting(self) -> None:
        if self._descriptor is None:
            self.rest()

    def rest(self) -> None:
        """Hold no descriptor until it is needed again; nobody else appends to it by now."""
        for descriptor in (self._descriptor, self._journal):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._journal = None

    def set_aside(self, start: int, line: bytes) -> None:
        """Move a line that is no record into `aside/`; a log's own header just goes."""
        if line.strip() and logs.parse_header(line) is None:
            with _translated(self._folder):
                _keep_aside(self._folder / ASIDE, line)
        self.mark_done([Span(start, start + len(line), journal.label_of(line[:64]))])

    def remove(self) -> int:
        """Remove it with all that waits in it; return how many events that were.

        Raises:
            SpoolUnwritableError: it is still there.
        """
        with _translated(self._folder):
            gone = journal.count_waiting(self.segment, self._open_descriptor)
            segments.remove(self.segment)
        return gone

    def rewrite(self, keep: Callable[[bytes], bool]) -> int:
        """Keep only the lines that should stay; return how many went.

        Raises:
            SpoolUnwritableError: the segment is as it was.
        """
        kept: list[bytes] = []
        gone: list[bytes] = []
        for _, block in self.blocks():
            for line in lines.split_lines(block):
                (kept if keep(line) else gone).append(line)
        with _translated(self._folder):
            if not any(logs.parse_header(line) is None for line in kept):
                segments.remove(self.segment)
            elif gone:  # A full disk can keep what it holds, and take no copy of it.
                _replace(self.segment, b"".join(kept))
        return sum(envelope.looks_whole(line.rstrip(b"\n")) for line in gone)

    def is_done(self) -> bool:
        """Tell whether nothing of it waits any more."""
        with _translated(self._folder):
            return journal.is_done(self.segment, self._open_descriptor)

    def may_be_done(self) -> bool:
        """Tell whether as much was noted as done as it is long; an earlier delivery counts not."""
        with _translated(self._folder):
            return self._bytes_done >= self.segment.path.stat().st_size

    def close(self) -> None:
        """Let it go; with nothing left in it, it is removed.

        Raises:
            SpoolUnwritableError: it could not be removed.
        """
        try:
            with _translated(self._folder):
                # One that was removed is gone: a purge did so.
                if self.segment.path.exists() and self.is_done():
                    segments.remove(self.segment)
        finally:
            self.rest()


def _keep_aside(folder: Path, line: bytes) -> None:
    """Keep a line that is no record; of the oldest lines some go once there are many."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file, before = (folder / name for name in ASIDE_FILES)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(file, flags, 0o600)
    if os.fstat(descriptor).st_size > _MOST_ASIDE_BYTES:
        os.close(descriptor)
        file.replace(before)
        descriptor = os.open(file, flags, 0o600)
    with os.fdopen(descriptor, "ab") as stream:
        stream.write(line if line.endswith(b"\n") else line + b"\n")


def _replace(segment: segments.Segment, data: bytes) -> None:
    temporary = segment.path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(segment.path)
    segment.journal.unlink(missing_ok=True)  # Its entries no longer fit, and would not be taken.


@contextmanager
def held(environment: Environment, *, seconds: float) -> Iterator[Path]:
    """Hold the spool for one delivery or purge; others wait.

    Returns:
        The spool's folder.

    Raises:
        FolderUnknownError: this account has no home.
        LockTimeoutError: another process held it for that long.
        SpoolUnwritableError: something that is no folder lies in its place.
    """
    folder = paths.require_spool_dir(environment)
    if folder.exists() and not folder.is_dir():
        raise SpoolUnwritableError(folder, reason="it is no folder")
    with files.lock(folder, seconds=seconds):
        yield folder


class Claims:
    """Claim one segment of a folder after another, oldest first, and keep them until they are done.

    Only for who holds the spool. A segment that a process still writes to is
    left, and so is one that comes into being meanwhile. With `passes_walls` one
    that may not be written is left too, for who has other means.
    """

    def __init__(self, folder: Path, spool_dir: Path, *, passes_walls: bool = False) -> None:
        self._folder = folder
        self._spool_dir = spool_dir
        self._walls = () if passes_walls else _WALLS
        self._open: list[ClaimedSegment] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:  # What cannot be removed keeps none of the others open.
            while self._open:
                stack.callback(self._open.pop(0).close)

    def __iter__(self) -> Iterator[ClaimedSegment]:
        """Claim the next segment.

        Raises:
            SpoolUnwritableError: a segment cannot be claimed.
        """
        with _translated(self._spool_dir):
            found = segments.list_segments(self._folder)
        # Only who holds the spool gives these names.
        taken = {each.number for each in found if each.role == segments.SENDING}
        for segment in found:
            with _translated(self._spool_dir):
                claimed = _claim(segment, self._spool_dir, taken, walls=self._walls)
            if claimed is not None:
                self._rest()
                self._open.append(claimed)
                yield claimed

    def _rest(self) -> None:
        """Hold no more than a few open: a process may have few descriptors to give."""
        for claimed in self._open[:-_MOST_OPEN]:
            claimed.rest()

    def let_go(self, claimed: ClaimedSegment) -> None:
        """Close a segment that nothing more is wanted of.

        Raises:
            SpoolUnwritableError: nothing waits in it, and it could not be removed.
        """
        self._open.remove(claimed)
        claimed.close()

    def settle(self) -> None:
        """Remove the segments that are done; the newest one may still be read.

        Raises:
            SpoolUnwritableError: one could not be removed.
        """
        for claimed in self._open[:-1]:  # Mostly there is none: the newest one is read from.
            if claimed.may_be_done() and claimed.is_done():
                self.let_go(claimed)


def _claim(
    segment: segments.Segment, spool_dir: Path, taken: set[int], *, walls: Sequence[int]
) -> ClaimedSegment | None:
    try:
        descriptor = segments.open_existing(segment)
    except OSError as error:
        if error.errno in walls:
            raise
        return None  # Something else lies there: status says so, and the rest goes on.
    if descriptor is None:
        return None
    if not (_lock_patiently(descriptor) and segments.is_still(segment, descriptor)):
        os.close(descriptor)
        return None
    try:
        if segment.role != segments.SENDING:
            segment = _rename(segment, taken)
        if not segments.ends_line(descriptor, os.fstat(descriptor).st_size):
            _end_line(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return ClaimedSegment(segment, descriptor, spool_dir)


def _end_line(descriptor: int) -> None:
    """End what may be a whole event but for its line end, so that it is sent and not left."""
    try:
        os.write(descriptor, b"\n")
    except OSError:  # A full disk: it waits on.
        return


def _lock_patiently(descriptor: int) -> bool:
    """Lock a segment, past a process that just appends one line to it."""
    for _ in range(_TRIES):
        if files.try_lock(descriptor):
            return True
        time.sleep(0.001)
    return False


def _rename(segment: segments.Segment, taken: set[int]) -> segments.Segment:
    number = segments.free_number(segment.number, taken)
    path = segment.path.with_name(f"{number:08d}{segments.SENDING}.jsonl")
    segment.path.rename(path)
    taken.add(number)
    return segments.Segment(path, number, segments.SENDING)


def batches(
    sources: Iterable[Source], selection: Selection, *, batch_size: int, batch_bytes: int
) -> Iterator[Batch]:
    """Put the selected events of the sources into batches, in their order.

    A batch has at most `batch_size` events, and at most `batch_bytes` bytes
    unless one event alone has more. A session event is a batch of its own.
    """
    filling = _Filling(batch_size, batch_bytes)
    for source in sources:
        for run in lines.runs(source, selection):
            if run.is_session:
                yield from filling.empty()
                yield Batch([*run.events], (run.piece,), is_session=True)
                continue
            rest: Run | None = run
            while rest is not None:
                rest = filling.add(rest)
                if rest is not None or filling.is_full:
                    yield from filling.empty()
    yield from filling.empty()


class _Filling:
    """Be the batch that is being filled."""

    def __init__(self, batch_size: int, batch_bytes: int) -> None:
        self._most_events = batch_size
        self._most_bytes = batch_bytes
        self._events: list[bytes | msgspec.Raw] = []
        self._pieces: list[Piece] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self._events) >= self._most_events or self._bytes >= self._most_bytes

    def add(self, run: Run) -> Run | None:
        """Take as many events as fit; return those that do not."""
        count = self._most_events - len(self._events)
        taken, rest = run.take(count)
        if self._bytes + taken.piece.size > self._most_bytes:
            fitting = self._count_fitting(taken.piece)
            taken, rest = run.take(fitting or (0 if self._events else 1))
        if taken.found:
            self._events += taken.events
            self._pieces.append(taken.piece)
            self._bytes += taken.piece.size
        return rest

    def _count_fitting(self, piece: Piece) -> int:
        room = max(self._most_bytes - self._bytes, 0)
        return piece.block.count(b"\n", piece.begin, min(piece.begin + room, piece.end))

    def empty(self) -> Iterator[Batch]:
        if self._events:
            yield Batch(self._events, tuple(self._pieces))
        self._events, self._pieces, self._bytes = [], [], 0


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolUnwritableError(folder, reason=error.strerror or "unknown") from error
