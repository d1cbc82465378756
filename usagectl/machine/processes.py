"""A child program in the foreground, in our place: exit status, signals, streams.

The child has what it would have without us: the same terminal, process group,
standard streams and open descriptors. No shell is used, and no message holds an
argument of the command: it may be a token (design, rule 3).
"""

from __future__ import annotations

import os
import shlex
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from subprocess import Popen
    from types import FrameType

# Windows lacks most of these; all other systems lack the last.
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
_PASSED_THROUGH = (*_ENDING, "SIGUSR1", "SIGUSR2", "SIGWINCH")
# A terminal sends these to the whole group in its foreground.
_FROM_TERMINAL = ("SIGINT", "SIGQUIT", "SIGWINCH", "SIGBREAK")

_LONGEST_STEP_SECONDS = 0.1
"""How late at most a signal is passed on."""

_COERCED_LOCALES = ("C.UTF-8", "C.utf8", "UTF-8")


class CommandNotFoundError(UsagectlError):
    """The command names no program."""

    code = "command-not-found"
    exit_status = 127

    def __init__(self, program: str) -> None:
        super().__init__(
            f"The command {program!r} was not found.", hint=f"command -v {shlex.quote(program)}"
        )


class CommandNotExecutableError(UsagectlError):
    """The program exists, and the system does not start it."""

    code = "command-not-executable"
    exit_status = 126

    def __init__(self, program: str, *, reason: str) -> None:
        word = shlex.quote(program)
        super().__init__(
            f"The command {program!r} cannot be executed: {reason}.",
            hint=f"ls -l {word}" if "/" in program else f'ls -l "$(command -v {word})"',
        )


def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program in the foreground and return its exit status.

    A program that signal N ended counts as 128 + N. The name is looked up on
    the PATH of `environment`, which is the child's whole environment. While the
    child runs, the signals that would end or inform us go to it instead; a signal
    that we were started to ignore stays ignored, in the child too. Call it from
    the main thread: only that one can take signals.

    In the foreground of a terminal, SIGINT, SIGQUIT and SIGWINCH are not sent on:
    the terminal has sent them to the child too, which shares our process group.
    Ctrl-Z therefore stops both, and a shell's `fg` wakes both.

    Raises:
        CommandNotFoundError: no such program.
        CommandNotExecutableError: there is one, but it cannot be started.
    """
    return run_started(lambda: start(command, environment))


class Child(Protocol):
    """A program that runs."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""

    def wait(self) -> int:
        """Wait until it has ended; return its status, negative for a signal."""


def run_started(start: Callable[[], Child]) -> int:
    """Run what `start` starts in the foreground, as `run_child` does, and return its status."""
    relay = _Relay()
    with _handling_signals(relay.take):
        child = start()
        relay.attach(child)
        status = _wait(child)
    return 128 - status if status < 0 else status


def _wait(child: Child) -> int:
    """Wait for a child in a thread, so that this one takes each signal at once.

    One that came as a wait of our own began would be taken when the child ends: it was lost once
    in some hundred starts.
    """
    from threading import Thread

    ended: list[int | Exception] = []

    def wait() -> None:
        try:
            ended.append(child.wait())
        except Exception as error:  # noqa: BLE001  (it is raised below, where it belongs)
            ended.append(error)

    thread = Thread(target=wait, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LONGEST_STEP_SECONDS)
    (found,) = ended
    if isinstance(found, Exception):
        raise found
    return found


def require_program(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raise what `run_child` would for a program that is missing or may not be run; run nothing.

    Raises:
        CommandNotFoundError: no such program.
        CommandNotExecutableError: there is one, but this user may not run it.
    """
    program = command[0]
    is_folder = os.sep in program and os.path.isdir(program)  # noqa: PTH112  (never raises)
    if not is_folder and _located(program, environment, mode=os.F_OK) is None:
        raise CommandNotFoundError(program)
    if is_folder or _located(program, environment, mode=os.F_OK | os.X_OK) is None:
        raise CommandNotExecutableError(program, reason="permission denied")


def start(command: Sequence[str], environment: Mapping[str, str]) -> Popen[bytes]:
    """Start a program with the streams and descriptors of ours; errors are those of `run_child`."""
    import subprocess

    program, executable = command[0], None
    if os.name == "nt":  # which would look on our own PATH
        executable = _located(program, environment, mode=os.F_OK | os.X_OK)
        if executable is None:
            raise CommandNotFoundError(program)
    try:
        # A shell's `<(...)` and make's job server hand descriptors down: all stay open.
        return subprocess.Popen(  # noqa: S603 - running what the user typed is the task
            command, executable=executable, env=without_own(environment), close_fds=False
        )
    except OSError as error:
        raise translated(error, program, environment) from error


def without_own(variables: Mapping[str, str]) -> dict[str, str]:
    """Leave out what Python added to our own variables: in the C locale, LC_CTYPE (PEP 538).

    Only Linux still says which variables we were started with.
    """
    found = dict(variables)
    if found.get("LC_CTYPE", "") in _COERCED_LOCALES:
        with suppress(OSError), open("/proc/self/environ", "rb") as stream:  # noqa: PTH123
            if not any(each.startswith(b"LC_CTYPE=") for each in stream.read().split(b"\0")):
                del found["LC_CTYPE"]
    return found


def translated(error: OSError, program: str, environment: Mapping[str, str]) -> UsagectlError:
    """Return the error for a missing program or for one that does not start.

    The number alone does not say which: a missing interpreter counts as "no such file",
    and one closed folder on the PATH makes every unknown name "permission denied".
    """
    is_missing = isinstance(error, FileNotFoundError)
    if is_missing or os.sep not in program:
        if _located(program, environment, mode=os.F_OK) is None:
            return CommandNotFoundError(program)
        if is_missing:
            return CommandNotExecutableError(program, reason="its interpreter is missing")
    reason = os.strerror(error.errno) if error.errno else "the system refuses it"
    return CommandNotExecutableError(program, reason=reason)


def _located(program: str, environment: Mapping[str, str], *, mode: int) -> str | None:
    import shutil

    return shutil.which(program, mode, environment.get("PATH", os.defpath))


class _Relay:
    """Passes signals on to a child, including those that came before it started."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._early: list[int] = []

    def take(self, number: int, _frame: FrameType | None) -> None:
        if self._child is None:
            self._early.append(number)
        elif not _has_reached_group(number):
            # Popen sends nothing to a child that has ended: its ID may be another's.
            self._child.send_signal(number)

    def attach(self, child: Child) -> None:
        self._child = child
        for number in self._early:
            self.take(number, None)


def _has_reached_group(number: int) -> bool:
    if signal.Signals(number).name not in _FROM_TERMINAL:
        return False
    if os.name == "nt":
        return True  # a console sends Ctrl-C and Ctrl-Break to all its processes
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False  # no terminal, or it has hung up
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextmanager
def noting_end(*, hears_interrupt: bool = False) -> Iterator[list[int]]:
    """Collect the signals that would end us in a list, so that we can end in order.

    With `hears_interrupt`, SIGINT too where we were started to ignore it, as a script's
    background job is: `kill -INT` is how a script ends what only Ctrl-C ends.
    """
    ended: list[int] = []
    heard = ("SIGINT",) if hears_interrupt else ()
    with _handling_signals(lambda number, _frame: ended.append(number), _ENDING, heard=heard):
        yield ended


@contextmanager
def _handling_signals(
    take: Callable[[int, FrameType | None], None],
    names: Sequence[str] = _PASSED_THROUGH,
    *,
    heard: Sequence[str] = (),
) -> Iterator[None]:
    """Pass our signals to `take`, then restore every handler.

    Those that are ignored stay so, but for `heard`.
    A handler that Python does not know could not be restored: it stays.
    """
    previous: dict[int, Callable[[int, FrameType | None], object] | int] = {}
    try:
        for number in (each for each in signal.Signals if each.name in names):
            handler = signal.getsignal(number)
            if handler is not None and (handler != signal.SIG_IGN or number.name in heard):
                previous[number] = handler
                signal.signal(number, take)
        # Where SIGCHLD is ignored the system drops exit statuses, and 3 would pass for 0.
        if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            previous[signal.SIGCHLD] = signal.SIG_IGN
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        yield
    finally:
        for restored, handler_before in previous.items():
            signal.signal(restored, handler_before)
