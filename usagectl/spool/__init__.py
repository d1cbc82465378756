"""The spool: the durable store of events that wait, were sent or were rejected.

One SQLite file in the user's state folder; each list, filter, count, purge and delivery is a query.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from usagectl import settings
from usagectl.errors import FileUnreadableError, SpoolUnwritableError, quote
from usagectl.events.record import new_record
from usagectl.machine import file_errors, files, owners
from usagectl.spool import database
from usagectl.spool.contents import (
    ALL,
    STATES,
    UNSENT,
    Batch,
    Bounds,
    Entry,
    Group,
    Handover,
    Losses,
    Reason,
    Selection,
    SpoolState,
    State,
    Stats,
)
from usagectl.spool.database import BRIEF, PATIENT, SpoolSetAsideError
from usagectl.spool.store import ROW_BYTES, Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from usagectl.events.record import Record
    from usagectl.machine.environment import Environment

__all__ = [
    "ALL",
    "PATIENT",
    "STATES",
    "UNSENT",
    "Batch",
    "Bounds",
    "Entry",
    "Group",
    "Handover",
    "Losses",
    "Reason",
    "Selection",
    "Spool",
    "SpoolSetAsideError",
    "SpoolState",
    "State",
    "Stats",
    "append",
    "append_all",
    "load_bounds",
    "open_spool",
    "opened",
    "opened_for_reading",
    "purge",
    "state",
]

_lock = threading.RLock()
"""Delays a fork while an event is added: the child would hang in what SQLite locks."""


def _let_go() -> None:
    with suppress(RuntimeError):  # A fork waits no longer than a command for a disk that hangs.
        _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(timeout=BRIEF),
        after_in_parent=_let_go,
        after_in_child=_let_go,
    )


def append(
    environment: Environment, event: bytes, *, tool: str, kind: str, consent: str = ""
) -> None:
    """Add one event to the user's spool; `consent` is the one to send it, empty without one.

    Raises:
        FolderUnknownError: this account has no home.
        SpoolUnwritableError: the event was not kept.
    """
    now, entropy = environment.now(), environment.entropy
    labels = {"tool": tool, "kind": kind, "consent": consent}
    append_all(environment, [new_record(event, now=now, entropy=entropy, **labels)])


def append_all(
    environment: Environment, records: Sequence[Record], *, patience: float = BRIEF
) -> None:
    """Add events to the user's spool in one transaction.

    Raises:
        FolderUnknownError: this account has no home.
        SpoolUnwritableError: not all of them were kept.
    """
    file, bounds = _own_file(environment), load_bounds(environment)
    fitting = [each for each in records if len(each.event) + ROW_BYTES <= bounds.max_bytes]
    lost = len(records) - len(fitting)
    if not _lock.acquire(timeout=patience):
        raise SpoolUnwritableError(file, reason="another thread keeps it locked")
    try:
        with opened(file, bounds=bounds, patience=patience) as store:
            store.add(fitting, lost=lost)
    except SpoolSetAsideError:
        with opened(file, bounds=bounds, patience=patience) as store:
            store.add(fitting, lost=lost)
    finally:
        _lock.release()
    if lost:
        reason = f"an event is larger than it may be ({bounds.max_bytes} bytes)"
        raise SpoolUnwritableError(file, reason=reason)


def _own_file(environment: Environment) -> Path:
    """Name the user's spool; refuse one that another user could have written."""
    file = files.require_spool_file(environment)
    if doubt := owners.doubt_of(environment, file):
        raise SpoolUnwritableError(file, reason=doubt.reason, hint=doubt.hint)
    return file


def load_bounds(environment: Environment) -> Bounds:
    """Take the bounds from the user's settings, else the defaults."""
    user, default = settings.load(environment), Bounds()
    return Bounds(
        user.spool_max_bytes or default.max_bytes, user.spool_max_days or default.max_days
    )


@contextmanager
def opened(
    file: Path, *, bounds: Bounds | None = None, patience: float = PATIENT
) -> Iterator[Spool]:
    """Open a store for reading and writing, and make it if it is missing.

    Raises:
        SpoolUnwritableError: it cannot be opened, or cannot be written.
        SpoolSetAsideError: it was not a store; the next attempt makes a new one.
    """
    with database.connected(file, seconds=patience) as connection:
        yield Spool(connection, bounds)


@contextmanager
def opened_for_reading(file: Path | None) -> Iterator[Spool]:
    """Open a store for reading alone; a missing one reads as empty, and is not made.

    Raises:
        FileUnreadableError: it cannot be read, or is not a store of ours.
    """
    with database.connected_for_reading(file) as connection:
        yield Spool(connection)


@contextmanager
def open_spool(environment: Environment, *, read_only: bool = False) -> Iterator[Spool]:
    """Open the user's spool; one that is not there is as an empty one, and is not made.

    Raises:
        FileUnreadableError: it cannot be read.
        SpoolUnwritableError: it cannot be written.
        SpoolSetAsideError: it was not a spool of ours.
    """
    file = files.spool_file(environment)
    if file is not None and (doubt := owners.doubt_of(environment, file)):
        raise FileUnreadableError(file, reason=doubt.reason, hint=doubt.hint)
    if file is not None and not read_only and os.path.lexists(file):
        with opened(file, bounds=load_bounds(environment)) as store:
            yield store
    else:
        with opened_for_reading(file) as store:
            yield store


def purge(
    environment: Environment, *, states: Sequence[State] = UNSENT, selection: Selection = ALL
) -> int:
    """Remove events of the user's spool for good, once no delivery is under way.

    Raises:
        FileUnreadableError: the spool cannot be read.
        SpoolUnwritableError: they are still there.
        LockTimeoutError: a delivery went on and on.
    """
    file = files.spool_file(environment)
    if file is None:
        return 0
    laid_out = files.require_files_dir(environment)
    if not (database.is_there(file) or os.path.lexists(laid_out)):
        return 0
    with files.lock(files.require_delivery_dir(environment), seconds=PATIENT):
        if selection == ALL and "pending" in states:  # What `replay --file` has not sent yet.
            import shutil  # it loads three compressions

            shutil.rmtree(laid_out, ignore_errors=True)
        with open_spool(environment) as store:
            return store.purge(states, selection)


def state(environment: Environment) -> SpoolState:
    """Count what is in the spool; a problem is part of the answer."""
    file = files.spool_file(environment)
    if file is None:
        return SpoolState(None, problem="this account has no home to keep a spool in")
    aside = ", ".join(database.list_set_aside(file))
    told = f"What lay in the place of {file} was not a spool, and was set aside as {aside}."
    unwritable, hint = _why_unwritable(file)
    hint = (unwritable and file_errors.hint_of_home(environment, file)) or hint
    hint = hint or (f"ls -la {quote(str(file.parent))}" if aside else "")
    found = SpoolState(file, problem=told if aside else "", unwritable=unwritable, hint=hint)
    try:
        with open_spool(environment, read_only=True) as store:
            (pending, size), (sent, _), (rejected, _) = map(store.total, STATES)
            losses = store.losses()
    except FileUnreadableError as error:
        unknown = found._replace(pending=None, sent=None, rejected=None, bytes=None)
        return unknown._replace(problem=error.message, hint=error.hint)
    return found._replace(pending=pending, sent=sent, rejected=rejected, bytes=size, losses=losses)


def _why_unwritable(file: Path) -> tuple[str, str]:
    """Say why the next event could not be kept, as far as this shows without writing; a hint."""
    folder = next((path for path in file.parents if os.path.exists(path)), file.parent)  # noqa: PTH110  (as below)
    for path, mode in ((folder, os.W_OK | os.X_OK), (file, os.W_OK)):
        # os.path answers where pathlib raises: a folder that may not be searched.
        if os.path.exists(path) and not os.access(path, mode):  # noqa: PTH110
            hint = file_errors.explain_owner(file)[1] or f"ls -la {quote(str(folder))}"
            return f"{path} cannot be written, so that no event is kept in the spool.", hint
    return "", ""
