"""Connections to a store's SQLite file, which is made, migrated, or set aside if foreign."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.errors import FileUnreadableError, LockTimeoutError, SpoolUnwritableError, quote
from usagectl.machine import file_errors, files

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION_ID = 0x75736765
"""Stands in the header of each file of ours: `usge`."""

BRIEF = 0.5
"""Seconds that a command's own event waits for other processes."""

PATIENT = 15
"""Seconds that a person's command waits: a purge outlasts a delivery's longest request."""

_STEPS = ("schema.sql",)
"""Scripts that bring a file from each version to the next; `user_version` counts them."""

_LOG_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)
"""Errors of a log of writes (WAL) on a disk without shared memory."""

_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)

_FOREIGN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

_LOG_BYTES = 256 * 1024
"""Size at which a command copies the log into the file; each command reads the log whole."""

_BESIDE = ("-wal", "-shm", "-journal")
"""Ends of the names of files that SQLite keeps beside a file; two of them hold data."""


class SpoolSetAsideError(SpoolUnwritableError):
    """A file that is not a store of ours lay in its place, and has another name now."""

    code = "spool-set-aside"

    def __init__(self, file: Path, *, reason: str, aside: Path) -> None:
        super().__init__(file, reason=f"{reason}; it was set aside as {aside.name}")
        self.hint = f"ls -la {quote(str(file.parent))}"


class _ForeignFileError(sqlite3.DatabaseError):
    """The file is sound, and not in a form of ours."""

    sqlite_errorcode = sqlite3.SQLITE_NOTADB


@contextmanager
def connected(file: Path, *, seconds: float = PATIENT) -> Iterator[sqlite3.Connection]:
    """Open a store for reading and writing, and make it if it is missing; follow no link.

    Raises:
        SpoolUnwritableError: it cannot be opened, or cannot be written.
        SpoolSetAsideError: it was not a store of ours; the next attempt makes a new one.
    """
    found = _prepare(file)
    try:
        with _opened(file, seconds) as connection:
            yield connection
    except (sqlite3.Error, LockTimeoutError) as error:
        reason = reason_of(error)
        if _code(error) in _FOREIGN:
            raise _set_aside(file, found, reason=reason) from error
        raise unwritable(file, error) from error


@contextmanager
def connected_for_reading(file: Path | None) -> Iterator[sqlite3.Connection]:
    """Open a store for reading alone; a missing one reads as empty, and is not made.

    Raises:
        FileUnreadableError: it cannot be read, or is not a store of ours.
    """
    if file is None or not _holds_something(file):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            _migrate(connection)
            yield connection
        return
    try:
        with _opened(file, BRIEF, read_only=True) as connection:
            yield connection
    except (sqlite3.Error, LockTimeoutError) as error:
        is_foreign = _code(error) in _FOREIGN
        told = "; the next event that is recorded sets it aside" if is_foreign else ""
        reason, hint = _explain(file, error)
        raise FileUnreadableError(file, reason=reason + told, hint=hint) from error


def _prepare(file: Path) -> os.stat_result:
    """Make the file for its owner alone if nothing is there; return its status."""
    try:
        files.make_folder(file.parent)
        if file.parent.is_symlink():
            raise SpoolUnwritableError(file, reason="its folder is a link, which is not followed")
        files.ensure(file)
        found = file.lstat()
    except OSError as error:
        reason, hint = file_errors.explain(file, error)
        raise SpoolUnwritableError(file, reason=reason, hint=hint) from error
    if not stat.S_ISREG(found.st_mode):
        raise _set_aside(file, found, reason="it is not a file")
    return found


def is_there(file: Path) -> bool:
    """True if something lies in the place of a store.

    Raises:
        FileUnreadableError: its folder may not be searched.
    """
    return _status_of(file) is not None


def _status_of(file: Path) -> os.stat_result | None:
    try:
        return file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise file_errors.unreadable(file, error) from error


def _holds_something(file: Path) -> bool:
    """True if there is a file that is not empty, as one is that is just being made."""
    found = _status_of(file)
    if found is None:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise FileUnreadableError(file, reason="it is not a file")
    return found.st_size > 0


@contextmanager
def _opened(file: Path, seconds: float, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    """Connect, and close briefly where somebody waits for a command to end.

    The last one that can write copies the log into the file and waits for the disk twice, which
    takes ten times as long as adding an event. Beside one that only reads it is not the last.
    """
    with ExitStack() as reading, closing(_connect(file, seconds, read_only=read_only)) as found:
        try:
            yield found
        finally:
            with suppress(OSError, sqlite3.Error):
                log_bytes = file.with_name(f"{file.name}-wal").stat().st_size
                if seconds < PATIENT and 0 < log_bytes < _LOG_BYTES:
                    reader = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
                    reading.callback(reader.close)
                    reader.execute("PRAGMA user_version").fetchall()


def _connect(file: Path, seconds: float, *, read_only: bool = False) -> sqlite3.Connection:
    """Connect with a log of writes, or without where the disk (of a container, say) has none."""
    if not _has_locks(file.parent):
        ways = [("immutable=1" if read_only else "mode=rw&vfs=unix-none", read_only)]
    else:
        ways = [("mode=rw", True), ("immutable=1", True) if read_only else ("mode=rw", False)]
    while True:
        query, has_log = ways.pop(0)
        uri = f"{file.absolute().as_uri()}?{query}"
        connection = sqlite3.connect(uri, timeout=seconds, uri=True, isolation_level=None)
        try:
            if not has_log:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("PRAGMA journal_mode = DELETE").fetchall()
                connection.execute("PRAGMA locking_mode = NORMAL")
            if not _is_ready(connection):
                with files.lock(file.parent, seconds=seconds):  # One of a crowd makes it.
                    if not _is_ready(connection):
                        _migrate(connection, has_log=has_log)
        except BaseException as error:
            connection.close()
            if not ways or _code(error) not in _LOG_REFUSED:
                raise
        else:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = FAST").fetchall()
            return connection


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
    if application != APPLICATION_ID and (application or version or tables):
        raise _ForeignFileError("another program wrote it")
    if version > len(_STEPS):
        raise _ForeignFileError("a newer usagectl wrote it")
    return bool(version == len(_STEPS))


def _migrate(connection: sqlite3.Connection, *, has_log: bool = False) -> None:
    """Bring a file, which may be empty, to the present version; others may do so meanwhile."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # Counts before the first table alone.
    if has_log:
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
    begin(connection)
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    for step in _STEPS[version:]:
        script = Path(__file__).with_name(step).read_text(encoding="utf-8")
        for statement in script.split(";\n"):
            connection.execute(statement)
    connection.execute("COMMIT")


def begin(connection: sqlite3.Connection) -> None:
    """Begin to write; give up when another process holds the lock and does not get on.

    SQLite waits as long as the connection's patience; in a crowd that is too short for some.
    """
    before = None
    while True:
        try:
            before = _version_of_data(connection)
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or before == _version_of_data(connection):
                raise
        else:
            return


def _version_of_data(connection: sqlite3.Connection) -> object:
    """Return a number that changes with each transaction of another process."""
    return connection.execute("PRAGMA data_version").fetchone()


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def reason_of(error: Exception) -> str:
    """Return the reason in an error of SQLite's about a file."""
    if isinstance(error, sqlite3.Error) and not _code(error):
        raise error  # It is not about a file: a bug keeps its traceback.
    is_busy = _code(error) == sqlite3.SQLITE_BUSY or isinstance(error, LockTimeoutError)
    return "another process keeps it locked" if is_busy else str(error)


def unwritable(file: Path, error: Exception) -> SpoolUnwritableError:
    """Translate an error of SQLite's: why the file cannot be written, and what helps."""
    reason, hint = _explain(file, error)
    return SpoolUnwritableError(file, reason=reason, hint=hint)


def _explain(file: Path, error: Exception) -> tuple[str, str]:
    reason = reason_of(error)
    if _code(error) == sqlite3.SQLITE_FULL or _is_full(file):
        return reason, file_errors.hint_of_full_disk(file)
    told, hint = file_errors.explain_owner(file) if _code(error) in _REFUSED else ("", "")
    return f"{reason}{told and '; '}{told}", hint


def _is_full(file: Path) -> bool:
    """True if the disk has no room: SQLite calls that an I/O error at times."""
    if not hasattr(os, "statvfs"):
        return False
    with suppress(OSError):
        return os.statvfs(file.parent).f_bavail == 0
    return False


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
        return SpoolUnwritableError(file, reason=f"{reason}; {files.reason_of(error)}")
    return SpoolSetAsideError(file, reason=reason, aside=aside)


def list_set_aside(file: Path) -> list[str]:
    """List the names of files that were set aside and are still there."""
    with suppress(OSError):
        there = os.listdir(file.parent)  # noqa: PTH208
        found = (name for name in there if name.startswith(f"{file.name}.corrupt-"))
        return sorted(name for name in found if not name.endswith(_BESIDE))
    return []
