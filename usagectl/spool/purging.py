"""Own the removal of events for good: from the queue and from its logs."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from usagectl.errors import FileUnreadableError, SpoolUnwritableError, UsagectlError
from usagectl.machine import paths
from usagectl.spool import journal, lines, logs, queue, reading, segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.spool.lines import Selection

State = Literal["pending", "sent", "rejected"]
UNSENT: tuple[State, ...] = ("pending", "rejected")

PATIENCE_SECONDS = 15.0
"""A delivery stops at the first sign of an opt-out; the longest request lasts ten seconds."""


def folder_of(spool_dir: Path, state: State) -> Path:
    """Name the folder that holds the events of a state."""
    places = {"pending": spool_dir, "sent": spool_dir / logs.SENT}
    return places.get(state, spool_dir / logs.REJECTED)


def purge(
    environment: Environment,
    *,
    states: Sequence[State] = UNSENT,
    selection: Selection = lines.ALL,
    dry_run: bool = False,
    on_progress: Callable[[int], None] | None = None,
    on_problem: Callable[[UsagectlError], None] | None = None,
) -> int:
    """Remove events for good, in each segment at once; what a kill interrupts can be repeated.

    Args:
        environment: whose.
        states: of which states.
        selection: which of them.
        dry_run: count alone.
        on_progress: is told the number so far after each segment.
        on_problem: is told of each segment that stays; without it that is raised at the end.

    Returns:
        How many events went, or would go.

    Raises:
        SpoolUnwritableError: some are still there.
        FileUnreadableError: a segment cannot be read.
        LockTimeoutError: a delivery went on and on.
    """
    spool_dir = paths.spool_dir(environment)
    if spool_dir is None or not os.path.lexists(spool_dir):
        return 0
    folders = [folder_of(spool_dir, state) for state in states]
    if dry_run:
        return sum(_count(folder, selection) for folder in folders)
    if not any(_holds_something(folder) for folder in folders):
        return 0  # Nobody has to be waited for.
    gone = 0
    problems: list[UsagectlError] = []
    with queue.held(environment, seconds=PATIENCE_SECONDS):
        for folder in folders:
            if selection == lines.ALL and folder == spool_dir:
                shutil.rmtree(spool_dir / queue.FILES, ignore_errors=True)
            for removed in _purge_folder(folder, spool_dir, selection, problems):
                gone += removed
                if on_progress:
                    on_progress(gone)
    for problem in problems:
        if on_problem is None:
            raise problem
        on_problem(problem)
    return gone


def _holds_something(folder: Path) -> bool:
    if reading.list_segments(folder):
        return True
    if any((folder / queue.ASIDE / name).exists() for name in queue.ASIDE_FILES):
        return True
    laid_out = any(each.is_dir() for each in (folder / queue.FILES).glob("*"))
    return laid_out or any(folder.glob(f"*{queue.TEMPORARY}"))


def _count(folder: Path, selection: Selection) -> int:
    if selection == lines.ALL:
        return reading.measure(folder).events
    return sum(_count_in(segment, selection) for segment in reading.list_segments(folder))


def _count_in(segment: segments.Segment, selection: Selection) -> int:
    return sum(
        1
        for block in reading.blocks(segment)
        for line in lines.split_lines(block)
        if (found := lines.decode(line)) and selection.takes(found)
    )


def _purge_folder(
    folder: Path, spool_dir: Path, selection: Selection, problems: list[UsagectlError]
) -> Iterator[int]:
    """Purge segment by segment; say of each how many events went, and go on past what stays."""

    def keeps(line: bytes) -> bool:
        found = lines.decode(line)
        return found is None or not selection.takes(found)

    with queue.Claims(folder, spool_dir, passes_walls=True) as claims:
        for claimed in claims:
            with _noted(problems):
                yield claimed.remove() if selection == lines.ALL else claimed.rewrite(keeps)
                claims.let_go(claimed)
    with _noted(problems):
        _remove_leftovers(folder, spool_dir, selection)
    for segment in reading.list_segments(folder):
        with _noted(problems):
            if selection == lines.ALL:
                yield _empty_held(segment)
            elif segment.role == segments.OWN and _count_in(segment, selection):
                reason = f"a process keeps {segment.path.name} open; purge again when it has ended"
                raise SpoolUnwritableError(spool_dir, reason=reason)


@contextmanager
def _noted(problems: list[UsagectlError]) -> Iterator[None]:
    try:
        yield
    except (SpoolUnwritableError, FileUnreadableError) as error:
        problems.append(error)


def _remove_leftovers(folder: Path, spool_dir: Path, selection: Selection) -> None:
    """Remove what a purge that was killed left, and with everything also the lines set aside."""
    aside = [folder / queue.ASIDE / name for name in queue.ASIDE_FILES]
    if selection != lines.ALL:
        aside = []
    try:
        for file in (*folder.glob(f"*{queue.TEMPORARY}"), *aside):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise SpoolUnwritableError(spool_dir, reason=error.strerror or "unknown") from error


def _empty_held(segment: segments.Segment) -> int:
    """Empty a segment that a process keeps open, under its hands; remove what is no file."""
    try:
        with segments.opened(segment) as descriptor:
            if descriptor is None:
                return 0
            waiting = journal.count_waiting(segment, descriptor)
            os.ftruncate(descriptor, 0)
            return waiting
    except OSError:
        pass
    try:
        segments.remove(segment)
    except OSError as error:
        raise SpoolUnwritableError(segment.path, reason=error.strerror or "unknown") from error
    return 0
