"""What a command leaves running: adopted, waited for, and kept from others' ears.

A capture waits for it in its own process. This file is also started as a script, to keep the
capture's port while something of the command runs: only the standard library is imported here,
and nothing of usagectl.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

MARK = "USAGECTL_CAPTURE"
"""A variable of the command and its children: the port that it is captured on."""

_QUIET_SECONDS = 0.3
_BLIND_SECONDS = 2.0
_DRAIN_SECONDS = 5.0
_STEP_SECONDS = 0.05
_KEEPING_STEP_SECONDS = 1.0
_SET_CHILD_SUBREAPER = 36


@contextmanager
def adopting_orphans() -> Iterator[bool]:
    """Become the parent of what a command leaves behind, even without its mark; True if so.

    Linux alone can do that (`PR_SET_CHILD_SUBREAPER`, prctl(2)).
    """
    if sys.platform != "linux":
        yield False
        return
    import ctypes

    library = ctypes.CDLL(None)
    try:
        yield library.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    finally:
        library.prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def wait_for_late(
    still_runs: Callable[[], bool | None],
    is_busy: Callable[[], bool],
    count: Callable[[], int],
    *,
    seconds: float,
    quiet_seconds: float = _QUIET_SECONDS,
    is_ended: Callable[[], bool] = lambda: False,
    on_wait: Callable[[float], None] = lambda _seconds: None,
) -> None:
    """Wait until nothing of a command runs any more and nothing comes in for `quiet_seconds`.

    That is for `seconds` at most, or until `is_ended`. `still_runs` answers as
    `has_descendants` does, `is_busy` is true while a request is under way, and `count` tells
    how many there were so far. `on_wait` is told again and again how long the wait is so far.
    """
    # What the command has sent by its end is taken in, however short the wait.
    began = time.monotonic()
    end = began + max(seconds, _DRAIN_SECONDS)
    seen, since = count(), began
    while (now := time.monotonic()) < end and not is_ended():
        if is_busy() or count() != seen:
            seen, since = count(), now
        left = still_runs()
        # Where processes cannot be seen, only silence says that nothing runs.
        quiet = _BLIND_SECONDS if left is None else quiet_seconds
        if now >= began + seconds and now - since >= quiet_seconds:
            return
        if not left and now - since >= quiet:
            return
        on_wait(now - began)
        time.sleep(min(_STEP_SECONDS, quiet_seconds))


def has_descendants(port: int, *, adopts: bool = False) -> bool | None:
    """True if a process of a captured command runs; None where processes cannot be seen.

    The endpoint's port is its mark; with `adopts`, orphans become ours.
    """
    if adopts and _has_children():
        return True
    mark = f"{MARK}={port}".encode()
    try:
        numbers = [each for each in Path("/proc").iterdir() if each.name.isdecimal()]
    except OSError:
        return None
    return any(_bears(each, mark) for each in numbers) if numbers else None


def _bears(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # It belongs to somebody else, or has ended.
        return False


class Left(NamedTuple):
    """A process that a command left running; a number alone may become another's."""

    number: int
    parent: int
    began: int  # In the system's ticks.


def left_running(
    port: int, *, adopts: bool = False, besides: Collection[int] = ()
) -> tuple[Left, ...]:
    """List the processes of a captured command that run; none where processes cannot be seen.

    These bear its mark or, with `adopts`, are below this process, but not below its children
    `besides`, which ran before.
    """
    mark = f"{MARK}={port}".encode()
    found = {each.number: each for each in _processes()}
    left = {number for number in found if _bears(Path(f"/proc/{number}"), mark)}
    below = {os.getpid()} if adopts else set()
    while more := {n for n, each in found.items() if each.parent in below} - below - {*besides}:
        below |= more
    return tuple(found[number] for number in sorted((left | below) & found.keys() - {os.getpid()}))


def _processes() -> Iterator[Left]:
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = file.read_text("utf-8", "replace").rpartition(")")
            state, parent, *others = rest.split()
        except (OSError, ValueError):  # It has ended.
            continue
        if state not in ("Z", "X"):
            yield Left(int(file.parent.name), int(parent), int(others[17]))


def keep_port(descriptor: int, port: int, left: Iterable[Left]) -> None:
    """Start a process that keeps the socket of a port until nobody is left, and answers nobody.

    Else another user could listen there, and get what the command goes on posting.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        return  # There the interpreter is the program itself.
    about = [f"{each.number}:{each.began}" for each in left]
    with suppress(OSError):
        subprocess.Popen(  # noqa: S603  (our own interpreter and script)
            [sys.executable, "-I", "-S", __file__, str(descriptor), str(port), *about],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(descriptor,),
        ).returncode = 0  # It outlives us: nobody waits for it.


def _keep(descriptor: int, port: int, about: Sequence[str]) -> None:
    with socket.socket(fileno=descriptor) as held:
        held.settimeout(_KEEPING_STEP_SECONDS)
        while _is_left(port, about):
            until = time.monotonic() + _KEEPING_STEP_SECONDS
            while (now := time.monotonic()) < until:
                try:
                    client, _ = held.accept()
                except TimeoutError:
                    break
                except OSError:  # Nothing listens: the port was to refuse.
                    time.sleep(until - now)
                    break
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()


def _is_left(port: int, about: Sequence[str]) -> bool:
    known = {f"{each.number}:{each.began}" for each in _processes()}
    return not known.isdisjoint(about) or bool(left_running(port))


def _has_children() -> bool:
    """True if a child of ours runs; those that have ended are reaped first."""
    if os.name == "nt":
        return False
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def own_children() -> list[int]:
    """List the children of this process by number; none where they cannot be seen."""
    found: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in file.read_text().split()]
    return found


if __name__ == "__main__":
    _keep(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
