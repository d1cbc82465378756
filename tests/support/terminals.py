"""Programs on a terminal of any width, and what it shows of them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.machine import Machine


# Runs its arguments by run_child; the leader of a session takes the terminal over first.
DRIVER = """
import os, sys
if sys.stdin.isatty() and os.getsid(0) == os.getpid():
    import fcntl, termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if sys.argv[1] == "exec":
        os.execvp(sys.argv[2], sys.argv[2:])
from usagectl.machine.processes import run_child
sys.exit(run_child(sys.argv[1:], os.environ))
"""
DRIVE = (sys.executable, "-c", DRIVER)

needs_terminal = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def environment() -> dict[str, str]:
    """Build the driver's environment, with the modules of this run."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def read_until(descriptor: int, marker: str) -> str:
    """Read what comes, up to and with the marker; a silence of 20 s fails."""
    seen = b""
    while marker.encode() not in seen:
        readable, _, _ = select.select([descriptor], [], [], 20)
        assert readable, f"{marker} never came, only {seen!r}"
        part = os.read(descriptor, 1)
        assert part, f"{marker} never came, only {seen!r}"
        seen += part
    return seen.decode()


@contextmanager
def started(*arguments: str, terminal: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run the driver in a session of its own, on the terminal if there is one, else on pipes."""
    stream = subprocess.PIPE if terminal is None else terminal
    with subprocess.Popen(
        [*DRIVE, *arguments],
        stdin=stream,
        stdout=stream,
        stderr=terminal,
        env=environment(),
        start_new_session=True,
        bufsize=0,
    ) as driver:
        try:
            yield driver
        finally:  # a failed test leaves nothing behind, and does not wait for it
            with suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)


@contextmanager
def keyboard() -> Iterator[tuple[int, int]]:
    """Open a terminal that does not echo: the ends of keyboard and screen, and of the program."""
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def on_terminal(
    words: Sequence[str], *, env: Mapping[str, str], cwd: Path, is_whole: bool = False
) -> tuple[str, str]:
    """Run a program whose stderr is a terminal; give stdout and what the terminal shows.

    With `is_whole`, stdin and stdout are that terminal too.
    """
    ours, theirs = pty.openpty()
    done = subprocess.run(
        words,
        env=dict(env),
        cwd=cwd,
        stdin=theirs if is_whole else subprocess.DEVNULL,
        stdout=theirs if is_whole else subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    return (done.stdout or b"").decode(), shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux answers so when the other end is closed.
        return b""


def answer(
    machine: Machine, *words: str, typed: bytes, variables: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Run a command on a terminal and type an answer if it asks; give status and screen."""
    program = [sys.executable, "-m", "usagectl", *words]
    given = {**machine.process_variables(), **(variables or {})}
    return answer_program(program, env=given, cwd=machine.cwd, typed=typed)


def answer_program(
    program: Sequence[str], *, env: Mapping[str, str], cwd: Path, typed: bytes
) -> tuple[int, bytes]:
    """Run a program on a terminal and type an answer if it asks; give status and screen."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        program,
        env=dict(env),
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        screen = b""
        try:
            while chunk := _read(ours):
                screen += chunk
                if typed and b"[y/N]" in screen:
                    os.write(ours, typed)
                    typed = b""
            return process.wait(timeout=30), screen
        finally:
            os.close(ours)
            process.kill()


# Draws each command line in a fork of its own, so that all of them together import once.
_DRIVER = """
import fcntl, json, os, pty, struct, sys, termios
from usagectl.cli import main

def draw(words, width):
    ours, theirs = pty.openpty() if width else os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        if width:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            os.dup2(theirs, 0)
        os.dup2(theirs, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        main(words.split())
        sys.stdout.flush()
        os._exit(0)
    os.close(theirs)
    drawn = b""
    try:
        while data := os.read(ours, 65536):
            drawn += data
    except OSError:
        pass
    os.close(ours)
    os.waitpid(child, 0)
    return drawn.decode().replace("\\r\\n", "\\n")

print(json.dumps([draw(*run) for run in json.loads(sys.argv[1])]))
"""


def draw_all(
    machine: Machine, runs: Sequence[tuple[str, int]], *, variables: Mapping[str, str] | None = None
) -> list[str]:
    """Run command lines one after another on a terminal of the width named beside each.

    Gives what each drew on stdout; where the width is 0, stdout is a pipe.
    """
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, json.dumps(runs)],
        env={**machine.process_variables(), "TERM": "xterm", **(variables or {})},
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    drawn = json.loads(done.stdout)
    assert isinstance(drawn, list)
    return drawn
