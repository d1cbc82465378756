"""Own automatic sending: after a command a detached child delivers, and nobody waits for it.

It takes place only under a consent to send, takes only what was recorded under
that same consent, and there is one child at a time. After a failure the next
one waits, longer each time, in whatever process it would be. The child gets
nothing on its command line, and ends after ten seconds at the latest.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl import consent, endpoint
from usagectl.errors import (
    FileUnreadableError,
    LockTimeoutError,
    SpoolUnwritableError,
    UsagectlError,
)
from usagectl.machine import files, paths
from usagectl.settings import OWN_NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment

_PATIENCE = timedelta(seconds=7)
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=24)
_TURN_SECONDS = 0.5
_LEAST_PATIENCE = timedelta(seconds=2)
"""With less time left, a good endpoint would look dead, and sending would rest for nothing."""
_LOCK = "child.lock"
_SLEEPING_SHELL = ("/bin/sh", "-c", 'sleep 1; exec "$@"', "sh")


class Pause(NamedTuple):
    """Hold why automatic sending of a tool's events rests.

    Attributes:
        until: when it may go on.
        failures: how often it failed, one time after another.
        reason: the code of the last failure.
        since: when the last failure was; None in a file that does not tell.
    """

    until: datetime
    failures: int
    reason: str
    since: datetime | None = None


def read_pause(environment: Environment, tool: str = OWN_NAME) -> Pause | None:
    """Read whether sending of a tool's events rests; None when it may go on.

    A pause that is longer than any of ours was written by another clock: it does not count.
    """
    document = _read_document(environment, tool)
    try:
        until = datetime.fromisoformat(document["until"])
        since = document.get("since")
        found = Pause(
            until,
            int(document["failures"]),
            str(document["reason"]),
            datetime.fromisoformat(since) if since is not None else None,
        )
        left = found.until - environment.now()
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return found if timedelta() < left <= 2 * _LONGEST_PAUSE else None


def _pause_file(folder: Path, tool: str) -> Path:
    return folder / ("pause.json" if tool == OWN_NAME else f"pause-{tool}.json")


def _read_document(environment: Environment, tool: str) -> dict[str, Any]:
    """Read what is stored of a pause; nothing where there is none, or it cannot be understood."""
    folder = paths.spool_dir(environment)
    try:
        stored = files.read_bytes(_pause_file(folder, tool)) if folder else None
        document = json.loads(stored or b"null")
    except (FileUnreadableError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def start_if_due(environment: Environment, verdict: Consent) -> bool:
    """Start the child that sends, unless one is at work, sending rests, or it is not allowed.

    Never raises, prints or waits: the command it comes after has ended.
    """
    try:
        if not consent.sending_consent(environment, verdict):
            return False
        if not endpoint.looks_usable(verdict.endpoint):
            return False
        if read_pause(environment, verdict.tool) or _is_busy(environment):
            return False
        return _start_child(environment)
    except (UsagectlError, OSError):
        return False


def _is_busy(environment: Environment) -> bool:
    folder = paths.require_spool_dir(environment)
    try:
        with files.lock(folder, seconds=0):
            return False
    except UsagectlError:
        return True


def _start_child(environment: Environment) -> bool:
    """Start the child, unless one is there: it holds a lock from its first instant to its last."""
    if getattr(sys, "frozen", False) or not sys.executable:
        return False  # There the interpreter is the program itself.
    package = str(Path(__file__).resolve().parents[1])
    variables = dict(environment.variables)
    # What can be imported here can be imported there: from a source folder, say.
    known = [package, *filter(None, [variables.get("PYTHONPATH")])]
    variables["PYTHONPATH"] = os.pathsep.join(known)
    file = paths.require_spool_dir(environment) / _LOCK
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    lock = os.open(file, flags, 0o600)
    try:
        if os.name != "nt":  # A child does not inherit a lock there.
            if not files.try_lock(lock):
                return False
            os.set_inheritable(lock, True)  # noqa: FBT003
        _spawn(variables, environment.cwd, lock)
    finally:
        os.close(lock)
    return True


def _spawn(variables: dict[str, str], cwd: Path, lock: int) -> None:
    """Start a detached process that nobody waits for, and that keeps the lock open.

    A shell sleeps first: it starts in a millisecond, while an interpreter would
    slow the next command. Commands of one script then share one request, too.
    """
    words = [sys.executable, "-P", "-m", "usagectl.delivery.child"]
    if hasattr(os, "posix_spawn") and cwd == Path.cwd():
        nowhere = [
            (os.POSIX_SPAWN_OPEN, number, os.devnull, flags, 0)
            for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY))
        ]
        words = [*_SLEEPING_SHELL, *words]
        pid = os.posix_spawn(words[0], words, variables, file_actions=nowhere, setsid=True)
        wait: Callable[[], object] = partial(os.waitpid, pid, 0)
    else:
        wait = _open(words, variables, cwd, lock).wait
    # A program that runs on must not keep a zombie; one that ends does not wait for this.
    threading.Thread(target=wait, daemon=True).start()


def _open(words: list[str], variables: dict[str, str], cwd: Path, lock: int) -> Popen[bytes]:
    import subprocess

    no_window, detached = 0x08000000, 0x00000008
    is_windows = os.name == "nt"
    return subprocess.Popen(  # noqa: S603  (our own interpreter and module)
        words if is_windows else [*_SLEEPING_SHELL, *words],
        env=variables,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=() if is_windows else (lock,),
        creationflags=no_window | detached if is_windows else 0,
    )


def send(
    environment: Environment,
    *,
    patience: timedelta = _PATIENCE,
    jitter: Callable[[], float] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Deliver what may leave by itself, once; remember a failure so that the next one waits.

    Each tool that records through usagectl has its own consent, endpoint and pause.

    Raises:
        UsagectlError: another delivery is at work, or the spool cannot be changed.
    """
    import random

    from usagectl import tools

    names = [tool.name for tool in tools.emitters(environment)]
    due = [
        verdict
        for verdict in consent.evaluate(environment, names)
        if consent.sending_consent(environment, verdict)
        and not endpoint.problem_of(verdict.endpoint.rstrip("/"))
        and not read_pause(environment, verdict.tool)
    ]
    for verdict in due:
        share = patience / len(due)  # A dead endpoint takes no other tool's time.
        until = time.monotonic() + share.total_seconds()
        # What a program still held, or recorded meanwhile, could start no other child.
        while _send_of(environment, verdict, patience=share, jitter=jitter or random.random):
            sleep(_TURN_SECONDS)
            share = timedelta(seconds=until - time.monotonic())
            if share < _LEAST_PATIENCE:
                break


def _send_of(
    environment: Environment,
    verdict: Consent,
    *,
    patience: timedelta,
    jitter: Callable[[], float],
) -> bool:
    """Deliver what waits of a tool, and tell whether another turn may find more."""
    from usagectl.delivery import attempts, replay, routing
    from usagectl.spool.lines import Selection

    tool = verdict.tool
    granted = consent.sending_consent(environment, verdict)
    base = verdict.endpoint.rstrip("/")

    def check() -> None:
        present = consent.evaluate(environment, [tool])[0]
        if consent.sending_consent(environment, present) != granted:
            raise routing.TelemetryOffError(consent.describe(present.decided_by), tool=tool)

    options = replay.Options(
        selection=Selection(tools=(tool,), consent=granted),
        policy=attempts.Policy(patience=patience),
    )
    try:
        result = replay.run(
            environment,
            options,
            base=base,
            folder=replay.folder_for(environment, options),
            patience_seconds=0,
            may_continue=check,
        )
    except SpoolUnwritableError as error:
        _remember(environment, tool, error, jitter=jitter)
        return False
    except LockTimeoutError:  # Another delivery is at work.
        raise
    except Exception as error:
        _remember(environment, tool, error, jitter=jitter)  # Else each command would try again.
        raise
    if isinstance(result.problem, replay.EventsHeldError):
        return True
    if isinstance(result.problem, routing.TelemetryOffError):
        return False
    if result.planned or result.problem:
        _remember(environment, tool, result.problem, jitter=jitter)
    return result.problem is None and result.planned > 0


def _remember(
    environment: Environment,
    tool: str,
    problem: Exception | None,
    *,
    jitter: Callable[[], float],
) -> None:
    file = _pause_file(paths.require_spool_dir(environment), tool)
    if problem is None:
        files.remove(file)
        return
    failures = _failures_so_far(environment, tool) + 1
    pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 12), _LONGEST_PAUSE)
    code = getattr(problem, "code", "unexpected")
    if code == "tracking-refused":
        pause = _LONGEST_PAUSE
    pause = max(pause * (0.75 + jitter() / 2), min(_asked_of(problem), _LONGEST_PAUSE))
    now = environment.now()
    document = {
        "until": (now + pause).replace(microsecond=0).isoformat(),
        "failures": failures,
        "reason": code,
        "since": now.isoformat(),
    }
    files.replace_bytes(file, json.dumps(document).encode() + b"\n")


def _asked_of(problem: Exception) -> timedelta:
    wait = getattr(problem, "wait", None)
    return wait if isinstance(wait, timedelta) else timedelta()


def _failures_so_far(environment: Environment, tool: str) -> int:
    """Read how often it failed so far, also where its pause has passed."""
    count = _read_document(environment, tool).get("failures")
    return count if type(count) is int and 0 <= count < 1000 else 0  # noqa: PLR2004
