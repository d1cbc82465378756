"""Tests of reading, replacing, setting aside and locking files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import NOW, REPOSITORY
from usagectl.errors import FileUnreadableError, FileUnwritableError, LockTimeoutError
from usagectl.machine import file_errors, files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.machine import Machine

# Locks a folder, says so, and holds it until its input ends.
HOLDER = """
import sys
from pathlib import Path
from usagectl.machine import file_errors, files
with files.lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

# The limit of a file's size stands for the full disk; the signal of it is ignored.
FULL = """
import resource, signal, sys
from pathlib import Path
from usagectl import errors
from usagectl.machine import file_errors, files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.replace_bytes(Path(sys.argv[1]), b"x" * 5000)
except errors.FileUnwritableError:
    sys.exit(7)
"""


def process(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a Python program that imports this repository."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@contextmanager
def held_by_another(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that holds a folder's lock."""
    with process(HOLDER, str(folder)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder
        holder.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make an empty folder."""
    made = tmp_path / "own"
    made.mkdir()
    return made


def test_reading(folder: Path) -> None:
    """A file is read whole up to the bound, an empty one as empty, and a missing one as None."""
    file = folder / "f"
    assert files.read_bytes(file) is None
    assert files.read_bytes(file / "below") is None
    file.write_bytes(b"")
    assert files.read_bytes(file) == b""
    assert files.read_bytes(file / "below") is None
    file.write_bytes(b"\0\r\n\xff")
    assert files.read_bytes(file) == b"\0\r\n\xff"
    link = folder / "link"
    link.symlink_to(file)
    assert files.read_bytes(link, limit=4) == b"\0\r\n\xff"
    with pytest.raises(FileUnreadableError, match="larger than 3 bytes"):
        files.read_bytes(file, limit=3)


def test_only_files_are_read(folder: Path) -> None:
    """A folder, a pipe, a device, a loop and an impossible name are refused without hanging."""
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    for name, word in [
        ("folder", "folder"),
        ("pipe", "a pipe"),
        ("device", "device"),
        ("loop", "loop"),
        ("n" * 300, "cannot be read"),
        ("a\0b", "cannot be read"),
    ]:
        with pytest.raises(FileUnreadableError, match=word):
            files.read_bytes(folder / name)


def test_modes(folder: Path) -> None:
    """A new file has the given mode and its folders are the owner's; an old one keeps its mode."""
    file = folder / "a" / "b" / "f"
    files.replace_bytes(file, b"x", new_mode=0o640)
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"x", 0o640)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]
    for mode in (0o600, 0o644, 0o664, 0o400, 0o777):
        file.chmod(mode)
        files.replace_bytes(file, b"new", new_mode=0o606)
        assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", mode)


def test_replacing_follows_links(folder: Path) -> None:
    """A link stays a link, whether its target is there or not; the target gets the bytes."""
    below = folder / "elsewhere"
    below.mkdir()
    link, hop, target = folder / "link", below / "hop", below / "target"
    link.symlink_to(hop)
    hop.symlink_to("target")
    for data in (b"1", b"2"):
        files.replace_bytes(link, data)
        assert link.is_symlink()
        assert hop.is_symlink()
        assert target.read_bytes() == data
    assert sorted(below.iterdir()) == [hop, target]


def test_a_failed_replacement_changes_nothing(folder: Path) -> None:
    """Where the name cannot be taken, all stays as it was and no leftover remains."""
    taken = folder / "taken"
    (taken / "inner").mkdir(parents=True)
    file = folder / "file"
    file.write_bytes(b"old")
    (folder / "loop").symlink_to("loop")
    before = sorted(folder.rglob("*"))
    for name in ("taken", "file/below", "n" * 300, "loop/x", "a\0b"):
        with pytest.raises(FileUnwritableError):
            files.replace_bytes(folder / name, b"new")
    assert sorted(folder.rglob("*")) == before
    assert file.read_bytes() == b"old"


def test_a_full_disk_keeps_the_old_bytes(folder: Path) -> None:
    """A write that fails half way leaves the old file and no leftover."""
    file = folder / "f"
    file.write_bytes(b"old")
    with process(FULL, str(file)) as child:
        assert child.wait(timeout=60) == 7
    assert file.read_bytes() == b"old"
    assert list(folder.iterdir()) == [file]


def test_a_home_that_is_none_is_led_to_its_variable(machine: Machine) -> None:
    """A system account has a home that is not there: a folder in it can be for nobody."""
    missing = machine.folder / "nonexistent"
    for home, path, expected in (
        (missing, missing / ".config" / "f", 'export HOME="$(mktemp -d)"'),
        (missing, machine.folder / "f", ""),
        (machine.home, machine.home / ".config" / "f", ""),
        (missing, None, ""),
    ):
        environment = machine.environment(variables={"HOME": str(home)})
        assert file_errors.hint_of_home(environment, path) == expected


def test_removing(folder: Path) -> None:
    """A file is removed once; a link goes and its target stays; a folder is refused."""
    file, link = folder / "f", folder / "link"
    file.write_bytes(b"x")
    link.symlink_to(file)
    assert files.remove(link)
    assert file.exists()
    assert files.remove(file)
    assert not files.remove(file)
    assert not files.remove(file / "below")
    with pytest.raises(FileUnwritableError):
        files.remove(folder)


def test_setting_aside(folder: Path) -> None:
    """What is set aside keeps its content, and nothing that was set aside before is lost."""
    file = folder / "f.json"
    names = []
    for data in (b"1", b"2", b"3"):
        file.write_bytes(data)
        names.append(files.set_aside(file, NOW).name)
        assert not file.exists()
    stem = "f.json.corrupt-20261123T063000Z"
    assert names == [stem, f"{stem}-1", f"{stem}-2"]
    assert [(folder / name).read_bytes() for name in names] == [b"1", b"2", b"3"]
    inner = folder / "d" / "inner"
    inner.mkdir(parents=True)
    assert (files.set_aside(inner.parent, NOW) / "inner").is_dir()
    with pytest.raises(FileUnwritableError):
        files.set_aside(file, NOW)


def test_another_process_waits(folder: Path) -> None:
    """A folder that another process holds is waited for, up to the limit, then refused."""
    ticks = iter(range(1000))
    naps: list[float] = []
    with held_by_another(folder):
        with (
            pytest.raises(LockTimeoutError, match="waited 5 s"),
            files.lock(folder, seconds=5, sleep=naps.append, clock=lambda: float(next(ticks))),
        ):
            pytest.fail("the lock was taken twice")
        assert len(naps) == 4
        with files.lock(folder / "other"):
            pass


def test_a_lock_is_taken_once_the_other_is_gone(folder: Path) -> None:
    """A holder that is killed leaves no lock behind."""
    with held_by_another(folder) as holder, ExitStack() as stack:

        def kill_instead_of_sleeping(_: float) -> None:
            holder.kill()
            holder.wait()

        stack.enter_context(files.lock(folder, sleep=kill_instead_of_sleeping))
        assert holder.returncode is not None


def test_no_other_user_can_hold_a_lock(folder: Path) -> None:
    """In a folder that others may enter, such as a home, a folder of our own is locked.

    What others made in its place is not locked: they could hold it for ever.
    """
    folder.chmod(0o755)
    held = os.open(folder, os.O_RDONLY)
    assert files.try_lock(held)
    with files.lock(folder, seconds=0):
        inner = folder / ".lock"
        assert stat.S_IMODE(inner.stat().st_mode) == 0o700
        with pytest.raises(LockTimeoutError), files.lock(folder, seconds=0):
            pytest.fail("the lock was taken twice")
    inner.chmod(0o777)
    open_to_all = os.open(inner, os.O_RDONLY)
    assert files.try_lock(open_to_all)
    with files.lock(folder, seconds=0):
        pass
    os.close(open_to_all)
    os.close(held)


def test_a_lock_leaves_no_trace(folder: Path) -> None:
    """The folder itself is locked; no file is left in it, and it can be locked again.

    An error under the lock frees it and passes through. Where no folder can be locked, the body
    runs all the same.
    """
    new = folder / "new"
    with pytest.raises(KeyError), files.lock(new):
        raise KeyError
    with files.lock(new, seconds=0):
        assert list(new.iterdir()) == []
    assert list(new.iterdir()) == []
    (folder / "file").write_bytes(b"")
    with pytest.raises(KeyError), files.lock(folder / "file" / "below"):
        raise KeyError
