"""Files: where usagectl's own lie; safe reading, replacing and locking of any.

Reading is bounded and never blocks: it refuses a FIFO or a device in the place of a
file. Writing replaces the whole file or leaves it as it was.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from usagectl.errors import (
    FileExistsAlreadyError,
    FileUnreadableError,
    FileUnwritableError,
    FolderUnknownError,
    LockTimeoutError,
)
from usagectl.machine import owners
from usagectl.machine.environment import CONFIG_DIR_VARIABLE, STATE_DIR_VARIABLE
from usagectl.machine.file_errors import reason_of as reason_of  # noqa: PLC0414  (for those who ask here)
from usagectl.machine.file_errors import unreadable, unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from usagectl.machine.environment import Environment

PROJECT_FILE_NAME = ".usagectl.toml"

MAX_BYTES = 4 * 1024 * 1024
"""Settings, profile and identity files are smaller; a larger file is not read."""

LOCK_SECONDS = 30.0
"""Longer than 64 commands on a busy machine take in turns; a lock ends with its holder."""

_ANYBODY_ELSE = 0o077
_LOCK_NAME = ".lock"

_FAR_OFF = 1 << 40
"""Windows locks bytes, not files: this one lies beyond the end of every file of ours."""

_POLICY_FILES = {
    "Darwin": "/Library/Application Support/usagectl/policy.toml",
    "Linux": "/etc/usagectl/policy.toml",
    "Windows": "C:/ProgramData/usagectl/policy.toml",
}


def settings_file(environment: Environment) -> Path | None:
    """Name the user's settings file; None when this account has no home."""
    folder = environment.config_dir
    return folder / "settings.toml" if folder else None


def require_settings_file(environment: Environment) -> Path:
    """Name the user's settings file; raises FolderUnknownError when this account has no home."""
    if file := settings_file(environment):
        return file
    raise FolderUnknownError("usagectl's settings", variable=CONFIG_DIR_VARIABLE)


def spool_file(environment: Environment) -> Path | None:
    """Name the spool's file; None when this account has no home."""
    folder = environment.state_dir
    return folder / "spool.db" if folder else None


def require_spool_file(environment: Environment) -> Path:
    """Name the spool's file; raises FolderUnknownError when this account has no home."""
    if file := spool_file(environment):
        return file
    raise FolderUnknownError("the spool", variable=STATE_DIR_VARIABLE)


def require_delivery_dir(environment: Environment) -> Path:
    """Name the folder that a delivery locks, and that keeps its pauses; raises as the above."""
    return require_spool_file(environment).with_name("delivery")


def require_files_dir(environment: Environment) -> Path:
    """Name the folder where `replay --file` keeps what it has not sent; raises as the above."""
    return require_spool_file(environment).with_name("files")


def policy_file(environment: Environment) -> Path:
    """Name the machine-wide policy file; no variable moves it: its users could, too."""
    return environment.at_root(_POLICY_FILES.get(environment.system, _POLICY_FILES["Linux"]))


def project_files(environment: Environment) -> tuple[Path, ...]:
    """List the project files from the working folder up to the root, nearest first."""
    folders = (environment.cwd, *environment.cwd.parents)
    found = (folder / PROJECT_FILE_NAME for folder in folders)
    return tuple(file for file in found if os.path.lexists(file))


def read_data(name: str) -> str:
    """Read a text of the package's own `data` folder."""
    return (Path(__file__).parents[1] / "data" / name).read_text(encoding="utf-8")


def read_bytes(file: Path, *, limit: int = MAX_BYTES) -> bytes | None:
    """Read a whole regular file; None if it does not exist.

    Raises:
        FileUnreadableError: it may not be read, is no regular file, or is
            larger than `limit` bytes.
    """
    try:
        # Without O_NONBLOCK a FIFO in the file's place would hang the command.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _O_BINARY)
        try:
            return _read_descriptor(file, descriptor, limit=limit)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from error


def _read_descriptor(file: Path, descriptor: int, *, limit: int) -> bytes:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        raise FileUnreadableError(file, reason=f"it is {_kind(mode)}, not a file")
    with os.fdopen(descriptor, "rb", closefd=False) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise FileUnreadableError(file, reason=f"it is larger than {limit} bytes")
    return data


def make_folder(folder: Path) -> None:
    """Make a folder for its owner alone, and those above it, whatever the umask.

    Raises:
        OSError: it cannot be made.
    """
    refuse_foreign_link(folder)
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    for each in reversed(missing):
        with suppress(FileExistsError):  # Another process was faster.
            each.mkdir(mode=0o700)
            each.chmod(0o700)  # A umask may take away what we need.
            owners.give_away(each)
    folder.mkdir(exist_ok=True)


def missing_folders(file: Path) -> list[Path]:
    """Name the folders that have to be made for a file, or a link's target, the innermost first."""
    parents = Path(os.path.realpath(file)).parents
    return [each for each in parents if not os.path.lexists(each)]


def create(file: Path) -> int:
    """Make a file for its owner alone, open for writing; return the descriptor.

    Raises:
        FileExistsError: there is something.
        OSError: it cannot be made.
    """
    refuse_foreign_link(file)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_BINARY, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    owners.give_away(file)
    return descriptor


def ensure(file: Path) -> None:
    """Make an empty file for its owner alone, unless there is something.

    Raises:
        OSError: it cannot be made.
    """
    with suppress(FileExistsError):
        os.close(create(file))


def refuse_foreign_link(path: Path) -> None:
    """Refuse to let a user's link lead root's hand elsewhere.

    Raises:
        PermissionError: there is one on the way.
    """
    link = owners.foreign_link(path, uid=owners.effective_uid())
    if link is not None:
        raise PermissionError(errno.EPERM, f"root does not follow the link {link}")


def replace_bytes(file: Path, data: bytes, *, new_mode: int = 0o600) -> None:
    """Replace a file's bytes at once and keep its mode; make it and its folders if missing.

    Another process sees the old bytes or the new ones, never a part. A link stays and
    its target is replaced. `new_mode` is the mode of a file that did not exist.

    Raises:
        FileUnwritableError: nothing was changed.
    """
    with _replacing(file) as (stream, target):
        if target.exists():
            _copy_owner_and_mode(stream, target.stat())
        elif hasattr(os, "fchmod"):
            os.fchmod(stream.fileno(), new_mode)
        stream.write(data)


def write_lines(
    file: Path, lines: Iterable[bytes], *, replaces: bool, dry_run: bool = False
) -> tuple[int, int]:
    """Write lines, with line ends added, to a file that appears whole or not at all.

    Returns:
        The numbers of lines and of bytes.

    Raises:
        FileExistsAlreadyError: there is a file, and `replaces` is false.
        FileUnwritableError: nothing was written.
    """
    if not replaces and os.path.lexists(file):
        raise FileExistsAlreadyError(file)
    _refuse_special(_resolve(file))
    if dry_run:
        return _write_to(None, lines)
    if not file.parent.is_dir():
        raise FileUnwritableError(file, reason=f"there is no folder {file.parent}")
    with _replacing(file) as (stream, _):
        written = _write_to(stream, lines)
        if not replaces and os.path.lexists(file):  # Somebody made it meanwhile.
            raise FileExistsAlreadyError(file)
    return written


@contextmanager
def _replacing(file: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file that takes the place of another when the body ends; remove it on an error.

    Yields:
        The new file, and the one that it replaces: a link's target.

    Raises:
        FileUnwritableError: nothing was changed.
    """
    target = _resolve(file)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        refuse_foreign_link(file)
        make_folder(target.parent)
        descriptor = create(temporary)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream, target
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except (OSError, ValueError) as error:
        raise unwritable(file, error) from error
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


def _resolve(file: Path) -> Path:
    try:
        return file.resolve() if file.is_symlink() else file
    except (OSError, RuntimeError) as error:
        raise unwritable(file, error) from error


def _copy_owner_and_mode(stream: BinaryIO, before: os.stat_result) -> None:
    if hasattr(os, "fchmod"):
        os.fchmod(stream.fileno(), stat.S_IMODE(before.st_mode))
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.fchown(stream.fileno(), before.st_uid, before.st_gid)  # sudo must not take it away.


def _write_to(stream: BinaryIO | None, lines: Iterable[bytes]) -> tuple[int, int]:
    count = size = 0
    for line in lines:
        count += 1
        size += len(line) + 1
        if stream is not None:
            stream.write(line + b"\n")
    return count, size


def _refuse_special(file: Path) -> None:
    """Raise where the rename would replace a device, a pipe or a folder."""
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):
        return  # There is no file, or writing it raises the error.
    if not stat.S_ISREG(mode):
        raise FileUnwritableError(file, reason=f"it is {_kind(mode)}, not a file")


def remove(file: Path) -> bool:
    """Remove a file; False if there was none.

    Raises:
        FileUnwritableError: it is still there.
    """
    try:
        refuse_foreign_link(file.parent)
        file.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unwritable(file, error) from error
    return True


def set_aside(path: Path, now: datetime) -> Path:
    """Rename an unreadable file or folder, so that its content is kept.

    Returns:
        Its new name: the old one, `.corrupt-` and the UTC time.

    Raises:
        FileUnwritableError: it keeps its name.
    """
    name = f"{path.name}.corrupt-{now:%Y%m%dT%H%M%SZ}"
    target, number = path.with_name(name), 0
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{name}-{number}")
    try:
        refuse_foreign_link(path.parent)
        return path.rename(target)
    except OSError as error:
        raise unwritable(path, error) from error


def put_back(aside: Path, path: Path) -> bool:
    """Undo `set_aside` after the next step failed; False if it stays aside."""
    try:
        if os.path.lexists(path):
            return False
        aside.rename(path)
    except OSError:
        return False
    return True


@contextmanager
def lock(
    folder: Path,
    *,
    seconds: float = LOCK_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Lock a folder for this process while the body runs; others that lock it wait.

    The folder itself is locked: that leaves no lock file behind and works for a
    read-only folder. In one that others may enter a folder of our own is locked, since
    they could hold its lock for ever. Where the file system has no locks, or the folder
    cannot be made, the body runs without a lock: each single replacement is still whole.

    Raises:
        LockTimeoutError: another process held it for `seconds`.
    """
    descriptor = _open_for_lock(folder)
    if descriptor is None:
        yield
        return
    deadline = clock() + seconds
    try:
        while not try_lock(descriptor):
            if clock() >= deadline:
                raise LockTimeoutError(folder, seconds=seconds)
            sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _open_for_lock(folder: Path) -> int | None:
    try:
        make_folder(folder)
        if os.name == "nt":  # A folder cannot be opened there.
            return os.open(folder / ".usagectl.lock", os.O_RDWR | os.O_CREAT)
        if stat.S_IMODE(folder.stat().st_mode) & _ANYBODY_ELSE:
            folder /= _LOCK_NAME
            make_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & _ANYBODY_ELSE:
        os.close(descriptor)  # Another user made it, and could hold it for ever.
        return None
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Lock an open file or folder for this process; False if another one has it.

    The lock ends with the descriptor, so a killed process leaves none.
    """
    try:
        if os.name == "nt":
            import msvcrt  # Windows alone has it

            os.lseek(descriptor, _FAR_OFF, os.SEEK_SET)  # A locked byte cannot be read there.
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl  # Windows lacks it

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # No locks here (some network file systems): go on without.
    return True


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"


_O_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
