"""The Python program that listens on a port of this machine, and what it was started with.

Linux tells it in /proc, of processes of the same user alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import FileUnreadableError
from usagectl.machine import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from usagectl.machine.environment import Environment

_LISTENING = "0A"
_START = 21  # The field of a process's `stat`; the name before the third one may hold blanks.
_ADDRESS, _STATE, _INODE = 1, 3, 9
_LOOPBACK = ("0100007F", "00000000000000000000000001000000")


class Listener(NamedTuple):
    """A process that listens."""

    process_id: int
    variables: Mapping[str, str]  # Those it was started with, whatever it set since.
    started_at: float  # In seconds since 1970, at most a second too early; 0 if nothing tells.


def find(environment: Environment, port: int) -> Listener | None:
    """Find the Python program behind a loopback port; None where nothing tells.

    Others that listen, such as docker-proxy, only hand the connection on.
    """
    sockets = [f"socket:[{inode}]" for inode in _inodes(environment, port)]
    for socket in sockets:
        for process in _processes(environment):
            if _is_python(process) and socket in _open_files(process):
                return _describe(environment, process)
    return None


def _inodes(environment: Environment, port: int) -> list[str]:
    """List the sockets that listen on a port, those of loopback itself first."""
    found = []
    for name in ("tcp", "tcp6"):
        for line in _lines(environment.at_root(f"/proc/self/net/{name}"))[1:]:
            fields = line.split()
            address, _, number = fields[_ADDRESS].partition(":")
            if fields[_STATE] == _LISTENING and int(number, 16) == port:
                found.append((address not in _LOOPBACK, fields[_INODE]))
    return [inode for _, inode in sorted(found)]


def _lines(file: Path) -> list[str]:
    try:
        return (files.read_bytes(file) or b"").decode(errors="replace").splitlines()
    except FileUnreadableError:
        return []


def _processes(environment: Environment) -> list[Path]:
    try:
        found = [path for path in environment.at_root("/proc").iterdir() if path.name.isdecimal()]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name))


def _is_python(process: Path) -> bool:
    try:
        return os.path.basename(os.readlink(process / "exe")).startswith(("python", "pypy"))  # noqa: PTH115, PTH119
    except OSError:
        return False


def _open_files(process: Path) -> Iterator[str]:
    try:
        for entry in (process / "fd").iterdir():
            yield os.readlink(entry)  # noqa: PTH115
    except OSError:
        return


def _describe(environment: Environment, process: Path) -> Listener | None:
    try:
        data = files.read_bytes(process / "environ")
    except FileUnreadableError:
        return None
    if not data:  # It has ended, or a program that sets its title wrote over it.
        return None
    pairs = (os.fsdecode(each).partition("=") for each in data.split(b"\0") if b"=" in each)
    variables = {name: value for name, _, value in pairs}
    return Listener(int(process.name), variables, _started_at(environment, process))


def _started_at(environment: Environment, process: Path) -> float:
    """Return when a process started: the boot's second, and its own clock ticks since."""
    try:
        fields = (files.read_bytes(process / "stat") or b"").rpartition(b")")[2].split()
        lines = map(str.split, _lines(environment.at_root("/proc/stat")))
        (boot,) = (int(words[1]) for words in lines if words[:1] == ["btime"])
        return boot + int(fields[_START - 2]) / os.sysconf("SC_CLK_TCK")
    except (FileUnreadableError, IndexError, ValueError):
        return 0.0
