"""The SQLite file of a store: for its owner alone, in a form of ours, or set aside."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from usagectl.errors import FileUnreadableError, SpoolUnwritableError

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION_ID = 0x75736765
"""Stands in the header of each file of ours: `usge`."""

_STEPS = ("schema.sql",)
"""What brings a file from each version to the next; `user_version` counts those it has had."""

_LOG_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)
"""What comes of a log of writes where there is no shared memory."""

_FOREIGN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

_BRIEF_CLOSINGS = 50
"""So many commands write to the log before one copies it; each command reads it whole."""

_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file; the first and the last hold data."""


class SpoolSetAsideError(SpoolUnwritableError):
    """A file that is not a store of ours lay in its place, and has another name now."""

    code = "spool-set-aside"

    def __init__(self, file: Path, *, reason: str, aside: Path) -> None:
        super().__init__(file, reason=f"{reason}; it was set aside as {aside.name}")
        self.hint = f"ls -la {quote(str(file.parent))}"


class _ForeignFileError(Exception):
    """The file is sound, and not in a form of ours."""


@contextmanager
def connected(
    file: Path, *, patience: timedelta, is_brief: bool = False
) -> Iterator[sqlite3.Connection]:
    """Open a store for reading and writing, and make it if it is missing.

    Args:
        file: where it lies; a link is not followed.
        patience: how long to wait for other processes.
        is_brief: begin a transaction at once, and leave it to others to copy the log of writes
            into the file.

    Raises:
        SpoolUnwritableError: it cannot be opened, or cannot be written.
        SpoolSetAsideError: it was not a store of ours; the next attempt makes a new one.
    """
    found = _prepare(file)
    try:
        connection = _connect(file, patience)
        try:
            if not is_brief:
                connection.execute("ROLLBACK")
            yield connection
        finally:
            _close(connection, file, is_brief=is_brief)
    except (sqlite3.Error, _ForeignFileError) as error:
        reason = reason_of(error)
        if _is_foreign(error):
            raise _set_aside(file, found, reason=reason) from error
        raise SpoolUnwritableError(file, reason=reason) from error


def _prepare(file: Path) -> os.stat_result:
    """Make the file for its owner alone where nothing is; return what lies there."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.parent.is_symlink():
            raise SpoolUnwritableError(file, reason="its folder is a link, which is not followed")
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        found = file.lstat()
    except OSError as error:
        raise SpoolUnwritableError(file, reason=error.strerror or "unknown") from error
    if not stat.S_ISREG(found.st_mode):
        raise _set_aside(file, found, reason="it is not a file")
    return found


def _connect(file: Path, patience: timedelta) -> sqlite3.Connection:
    """Connect, and begin a transaction: what cannot be written is known at once."""
    has_locks = _has_locks(file.parent)
    try:
        return _attempt(file, patience, has_log=has_locks, has_locks=has_locks)
    except sqlite3.OperationalError as error:
        if not has_locks or _code(error) not in _LOG_REFUSED:
            raise
        return _attempt(file, patience, has_log=False, has_locks=True)


def _attempt(
    file: Path, patience: timedelta, *, has_log: bool, has_locks: bool
) -> sqlite3.Connection:
    connection = _open(file, "mode=rw" if has_locks else "mode=rw&vfs=unix-none", patience)
    try:
        if not has_log:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            connection.execute("PRAGMA locking_mode = NORMAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = FAST").fetchall()
        if not _is_ready(connection):
            _migrate(connection, has_log=has_log)
        _begin(connection, patience)
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: sqlite3.Connection, patience: timedelta) -> None:
    """Begin to write as soon as other processes let us; who has waited longest tries most often.

    SQLite's own waiting is the other way round: in a crowd some never get through.
    """
    started, whole = time.monotonic(), patience.total_seconds()
    connection.execute("PRAGMA busy_timeout = 0").fetchall()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError as error:
            left = 1 - (time.monotonic() - started) / whole
            if _code(error) != sqlite3.SQLITE_BUSY or left <= 0:
                raise
            time.sleep(0.0005 + 0.02 * left**4)
    milliseconds = patience // timedelta(milliseconds=1)
    connection.execute(f"PRAGMA busy_timeout = {milliseconds}").fetchall()


def _open(file: Path, query: str, patience: timedelta) -> sqlite3.Connection:
    uri, seconds = f"{file.absolute().as_uri()}?{query}", patience.total_seconds()
    return sqlite3.connect(uri, uri=True, timeout=seconds, isolation_level=None)


def _is_ready(connection: sqlite3.Connection) -> bool:
    """True if a file is of the present version; False if it is empty, or of an older one.

    Raises:
        _ForeignFileError: another program or a newer usagectl wrote it.
    """
    # One statement sees one state: another process may be making the file.
    ((version, application, tables),) = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_user_version, pragma_application_id"
    )
    if application != APPLICATION_ID:
        if application or version or tables:
            raise _ForeignFileError("another program wrote it")
    elif version > len(_STEPS):
        raise _ForeignFileError("a newer usagectl wrote it")
    return bool(version == len(_STEPS))


def _migrate(connection: sqlite3.Connection, *, has_log: bool) -> None:
    """Bring a file, which may be empty, to the present version; others may do so meanwhile."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # Counts before the first table alone.
    if has_log:
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version")
    for step in _STEPS[version:]:
        script = Path(__file__).with_name(step).read_text(encoding="utf-8")
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")


def _close(connection: sqlite3.Connection, file: Path, *, is_brief: bool) -> None:
    """Close a connection, briefly where somebody waits for a command to end.

    The last one that can write copies the log into the file and waits for the disk twice,
    which takes ten times as long as adding an event. Beside one that only reads it is not the
    last.
    """
    reader = None
    with suppress(sqlite3.Error):
        if is_brief and time.perf_counter_ns() // 1000 % _BRIEF_CLOSINGS:
            reader = _open(file, "mode=ro", timedelta())
            reader.execute("PRAGMA user_version").fetchall()
    connection.close()
    if reader is not None:
        reader.close()


@contextmanager
def connected_for_reading(
    file: Path | None, *, patience: timedelta, is_glance: bool = False
) -> Iterator[sqlite3.Connection]:
    """Open a store for reading alone; a missing one is as an empty one, and is not made.

    Args:
        file: where it lies; a link is not followed. None: nowhere.
        patience: how long to wait for other processes.
        is_glance: leave no trace in the folder where that is possible.

    Raises:
        FileUnreadableError: it cannot be read, or is not a store of ours.
    """
    try:
        found = _connect_for_reading(file, patience, is_glance=is_glance)
        with closing(found) as connection:
            yield connection
    except (sqlite3.Error, _ForeignFileError) as error:
        assert file is not None  # noqa: S101  (an empty store raises nothing)
        told = "; the next event that is recorded sets it aside" if _is_foreign(error) else ""
        raise FileUnreadableError(file, reason=reason_of(error) + told) from error


def _connect_for_reading(
    file: Path | None, patience: timedelta, *, is_glance: bool
) -> sqlite3.Connection:
    queries = ["mode=ro", "mode=rw", "immutable=1"]  # The second brings what a kill left in order.
    while file is not None and _holds_something(file):
        is_lonely = not any(os.path.lexists(f"{file}{end}") for end in _BESIDE)
        if (is_glance and is_lonely) or not _has_locks(file.parent):
            queries = ["immutable=1"]
        connection = _open(file, queries.pop(0), patience)
        try:
            if _is_ready(connection):
                return connection
            break  # Another process is just making it.
        except BaseException as error:
            connection.close()
            if not queries or _code(error) in (0, sqlite3.SQLITE_BUSY, *_FOREIGN):
                raise
    empty = sqlite3.connect(":memory:", isolation_level=None)
    _migrate(empty, has_log=False)
    return empty


def _holds_something(file: Path) -> bool:
    """True if a file with bytes in it lies there; one that is just being made has none."""
    try:
        found = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise FileUnreadableError(file, reason=reason) from error
    if not stat.S_ISREG(found.st_mode):
        raise FileUnreadableError(file, reason="it is not a file")
    return found.st_size > 0


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_foreign(error: Exception) -> bool:
    return isinstance(error, _ForeignFileError) or _code(error) in _FOREIGN


def reason_of(error: Exception) -> str:
    """Put into words what SQLite says of a file."""
    if isinstance(error, sqlite3.Error) and not _code(error):
        raise error  # It is not about a file: a bug keeps its traceback.
    is_busy = _code(error) == sqlite3.SQLITE_BUSY
    return "another process keeps it locked" if is_busy else str(error)


def _has_locks(folder: Path) -> bool:
    """True if the file system has the locks that SQLite takes; some over a network have none."""
    if os.name == "nt":
        return True
    import fcntl  # Windows lacks it

    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in (errno.EACCES, errno.EAGAIN)
        finally:
            os.close(descriptor)
    return True


def _set_aside(file: Path, found: os.stat_result, *, reason: str) -> SpoolUnwritableError:
    """Rename a file and what lies beside it, unless another process has done so."""
    stamp = datetime.fromtimestamp(found.st_mtime, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = file.with_name(f"{file.name}.corrupt-{stamp}-{os.getpid()}")
    try:
        if file.lstat().st_ino == found.st_ino and not os.path.lexists(aside):
            # The log goes first: without its file it would be taken for that of a new one.
            for end in (*_BESIDE, ""):
                with suppress(FileNotFoundError):
                    os.rename(f"{file}{end}", f"{aside}{end}")  # noqa: PTH104  (names, not paths)
    except FileNotFoundError:
        pass
    except OSError as error:
        return SpoolUnwritableError(file, reason=f"{reason}; {error.strerror}")
    return SpoolSetAsideError(file, reason=reason, aside=aside)


def list_set_aside(file: Path) -> list[str]:
    """Name the files that were set aside, and are still there."""
    with suppress(OSError):
        found = (each.name for each in file.parent.glob(f"{file.name}.corrupt-*"))
        return sorted(name for name in found if not name.endswith(_BESIDE))
    return []
