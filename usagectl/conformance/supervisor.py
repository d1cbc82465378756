"""A process that runs command lines and becomes the parent of all that they leave running.

`sandbox` runs it as a script, so that what a command detaches is waited for or ended by
its number, whatever its environment. The job comes in on stdin and the result goes out
on stdout, both JSON. Only the standard library is imported here, and nothing of usagectl.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

_SET_CHILD_SUBREAPER = 36
_STEP_SECONDS = 0.01
_LONGEST_END_SECONDS = 5.0
_CANNOT_START = 127


def run_step(step: dict[str, Any]) -> dict[str, Any]:
    """Run one command line to its end and to the end of its output, as `$(command)` waits."""
    for name, text in step["files"].items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8", newline="")
    began = time.monotonic()
    try:
        child = _start(step)
    except OSError as error:
        return _outcome(_CANNOT_START, b"", str(error).encode())
    readers = [_Reader(child.stdout), _Reader(child.stderr)]
    ended: list[float] = []
    # A wait with a limit looks every 50 ms only, which would lengthen the duration.
    waiter = threading.Thread(target=_wait, args=(child, ended))
    waiter.start()
    limit = began + step["timeout_seconds"]
    for thread in (waiter, *(reader.thread for reader in readers)):
        thread.join(max(limit - time.monotonic(), 0))
    is_late = waiter.is_alive() or any(reader.thread.is_alive() for reader in readers)
    seconds = time.monotonic() - began
    if waiter.is_alive():
        child.kill()
        waiter.join()
    status = child.wait()
    is_left = await_late(step["grace_seconds"]) if step["afterwards"] == "wait" else False
    if is_late or is_left or step["afterwards"] == "kill":
        end_all()
    for reader in readers:
        reader.thread.join(_LONGEST_END_SECONDS)
    return {
        **_outcome(status, bytes(readers[0].data), bytes(readers[1].data)),
        "seconds": seconds,
        "own_seconds": ended[0] - began,
        "is_late": is_late,
        "is_left": is_left,
    }


def _start(step: dict[str, Any]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  (running what the author names is the task)
        step["command"],
        env=step["variables"],
        cwd=step["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # No terminal is asked for anything.
    )


def _wait(child: subprocess.Popen[bytes], ended: list[float]) -> None:
    child.wait()
    ended.append(time.monotonic())


class _Reader:
    """Thread that reads a stream to its end."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401  (a binary stream)
        self.data = bytearray()
        self._stream = stream
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while chunk := self._stream.read1(65536):
            self.data += chunk


def _outcome(status: int, stdout: bytes, stderr: bytes) -> dict[str, Any]:
    return {
        "status": status,
        "stdout": base64.b64encode(stdout).decode(),
        "stderr": base64.b64encode(stderr).decode(),
        "seconds": 0.0,
        "own_seconds": 0.0,
        "is_late": False,
        "is_left": False,
    }


def await_late(seconds: float) -> bool:
    """Wait until nothing of a command runs any more; True if something still does."""
    end = time.monotonic() + seconds
    while _has_children():
        if time.monotonic() >= end:
            return True
        time.sleep(_STEP_SECONDS)
    return False


def end_all() -> None:
    """Kill whatever a command left running; the children of a killed child become ours."""
    end = time.monotonic() + _LONGEST_END_SECONDS
    while _has_children() and time.monotonic() < end:
        for number in _children():
            try:
                os.kill(number, signal.SIGKILL)
            except OSError:
                continue
        time.sleep(_STEP_SECONDS)


def _has_children() -> bool:
    if os.name == "nt":
        return False
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    found: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        try:
            found += [int(word) for word in file.read_text().split()]
        except OSError:
            continue
    return found


def adopt_orphans() -> bool:
    """Become the parent of every orphan below; Linux alone can do that (prctl(2))."""
    if sys.platform != "linux":
        return False
    import ctypes

    return bool(ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def main() -> None:
    """Run the job on stdin, step by step, up to one that took too long."""
    job = json.load(sys.stdin.buffer)
    adopts = adopt_orphans()
    done: list[dict[str, Any]] = []
    for step in job["steps"]:
        done.append(run_step(step))
        if done[-1]["is_late"]:
            break
    sys.stdout.write(json.dumps({"adopts": adopts, "steps": done}))


if __name__ == "__main__":
    main()
