"""Automatic sending: after a command a detached child delivers, and nobody waits for it.

One child at a time sends, under a consent to send, the events that were recorded under that
same consent. After a failure sending rests, longer each time.
"""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from usagectl import consent, endpoint
from usagectl.delivery import frozen
from usagectl.errors import LockTimeoutError, StateError, UsagectlError
from usagectl.machine import files, runners
from usagectl.machine.environment import CONFIG_DIR_VARIABLE, STATE_DIR_VARIABLE
from usagectl.settings import OWN_NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment

_PATIENCE = timedelta(seconds=7)
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=24)
_TURN_SECONDS = 0.5
_LEAST_PATIENCE = timedelta(seconds=2)
"""With less time left, a good endpoint would look dead, and sending would rest for nothing."""

_PATHS = ("PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables of paths that the child needs; any of them may be relative."""


class Pause(NamedTuple):
    """A rest of the automatic sending of a tool's events."""

    until: datetime  # When it may go on.
    failures: int  # How often it failed, one time after another.
    reason: str  # The code of the last failure.
    since: datetime  # When that was.


def read_pause(environment: Environment, tool: str = OWN_NAME) -> Pause | None:
    """Read the pause of a tool's events; None when they may be sent.

    A pause that is longer than any of ours was written by another clock: it does not count.
    """
    found = _read_last_pause(environment, tool)
    if found is None or not timedelta() < found.until - environment.now() <= _LONGEST_PAUSE:
        return None
    return found


def _pause_file(environment: Environment, tool: str) -> Path:
    return files.require_delivery_dir(environment) / f"pause-{tool}.json"


def _read_last_pause(environment: Environment, tool: str) -> Pause | None:
    """Read the last pause of a tool, also one that is over; None for a file of another form."""
    try:
        stored = files.read_bytes(_pause_file(environment, tool))
        document = json.loads(stored or b"null")
        until, since = (datetime.fromisoformat(document[name]) for name in ("until", "since"))
        if until.tzinfo is None or since.tzinfo is None:  # Another program wrote it.
            return None
        return Pause(until, int(document["failures"]), str(document["reason"]), since)
    except (StateError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def start_if_due(environment: Environment, verdict: Consent) -> bool:
    """Start the child that sends, unless one is at work, sending rests, or it is not allowed.

    Never raises, prints or waits: the command it comes after has ended.
    """
    try:
        return _is_due(environment, verdict) and _start_child(environment)
    except (UsagectlError, OSError):
        return False


def _is_due(environment: Environment, verdict: Consent) -> bool:
    if not consent.sending_consent(environment, verdict):
        return False
    is_usable = not endpoint.problem_of(verdict.endpoint.rstrip("/"))
    return is_usable and read_pause(environment, verdict.tool) is None


def _start_child(environment: Environment) -> bool:
    """Start the child, unless one is there: it holds a lock from its first instant to its last."""
    if not frozen.can_start_child():
        return False
    folder = files.require_delivery_dir(environment)
    files.make_folder(folder)
    place = folder / "child.lock"
    files.ensure(place)
    lock = os.open(place, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        if not files.try_lock(lock):
            return False
        _spawn(environment, lock)
    finally:
        os.close(lock)
    return True


def _spawn(environment: Environment, lock: int) -> None:
    """Start a detached process that nobody waits for, and that keeps the lock open."""
    import subprocess

    is_windows = os.name == "nt"  # A child inherits no lock there.
    no_window, detached = 0x08000000, 0x00000008
    process = subprocess.Popen(  # noqa: S603  (an interpreter, or this very program)
        frozen.command(),
        # Only a tool whose author wants that starts it from a test; itself it runs no test.
        env=frozen.variables(runners.without(_variables_of_child(environment))),
        cwd=environment.cwd.anchor,  # A folder that somebody works in cannot be unmounted.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        close_fds=True,  # Whoever waits for the end of a pipe, or for a lock, waits for no child.
        pass_fds=() if is_windows else (lock,),
        creationflags=no_window | detached if is_windows else 0,
    )
    # A program that runs on must not keep a zombie; one that ends does not wait for this.
    threading.Thread(target=process.wait, daemon=True).start()


def _variables_of_child(environment: Environment) -> dict[str, str]:
    """Return the environment of a child that works elsewhere: what is relative there is not here.

    PWD names the folder whose project files hold.
    """
    here = environment.cwd
    found = {**environment.variables, "PWD": str(here)}
    for name in _PATHS:
        known = environment.variables.get(name, "").split(os.pathsep)
        if any(known):
            found[name] = os.pathsep.join(str(here / each) for each in known if each)
    for name in chain.from_iterable(map(endpoint.otlp_variables, endpoint.OTLP_FILES)):
        if file := environment.variables.get(name, "").strip():
            found[name] = str(here / file)
    folders = {
        CONFIG_DIR_VARIABLE: environment.config_dir,
        STATE_DIR_VARIABLE: environment.state_dir,
    }
    return found | {name: str(folder) for name, folder in folders.items() if folder}


def send(
    environment: Environment,
    *,
    patience: timedelta = _PATIENCE,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Deliver the events that may leave without being asked for; rest a tool after a failure.

    Each tool that records through usagectl has its own consent, endpoint and pause.

    Raises:
        UsagectlError: another delivery is at work, or the spool cannot be changed.
    """
    from usagectl import tools

    names = [tool.name for tool in tools.emitters(environment)]
    verdicts = consent.evaluate(environment, names)
    due = [verdict for verdict in verdicts if _is_due(environment, verdict)]
    for verdict in due:
        share = patience / len(due)  # A dead endpoint takes no other tool's time.
        until = time.monotonic() + share.total_seconds()
        # A command that ends while this child is at work starts no other one.
        while _send_of(environment, verdict, patience=share):
            sleep(_TURN_SECONDS)
            share = timedelta(seconds=until - time.monotonic())
            if share < _LEAST_PATIENCE:
                break


def _send_of(environment: Environment, verdict: Consent, *, patience: timedelta) -> bool:
    """Deliver the waiting events of a tool; True if another turn may find more."""
    from usagectl import spool
    from usagectl.delivery import replay

    tool = verdict.tool
    granted = consent.sending_consent(environment, verdict)
    chosen = spool.Selection(tools=(tool,), consent=granted)
    base = verdict.endpoint.rstrip("/")
    try:
        wire = replay.wire_of(environment)
        options = replay.Options(selection=chosen, patience=patience, wire=wire)
        with spool.open_spool(environment) as store:
            result = replay.run(environment, options, base=base, store=store, patience_seconds=0)
    except LockTimeoutError:  # Another delivery is at work.
        raise
    except Exception as error:
        _remember(environment, tool, error)  # Else each command would try again.
        raise
    if isinstance(result.problem, replay.TelemetryOffError):
        return False
    if result.planned or result.problem:
        _remember(environment, tool, result.problem)
    return result.problem is None and result.planned > 0


def _remember(environment: Environment, tool: str, problem: Exception | None) -> None:
    """Store the pause that a failure calls for; remove it after a success."""
    file = _pause_file(environment, tool)
    if problem is None:
        files.remove(file)
        return
    last = _read_last_pause(environment, tool)
    failures = (last.failures if last else 0) + 1
    code = getattr(problem, "code", "unexpected")
    pause = _FIRST_PAUSE * 2 ** min(failures - 1, 12)
    if code == "tracking-refused":
        pause = _LONGEST_PAUSE
    pause = min(max(pause, getattr(problem, "wait", pause)), _LONGEST_PAUSE)
    now = environment.now()
    found = Pause((now + pause).replace(microsecond=0), failures, code, since=now)
    document = json.dumps(found._asdict(), default=datetime.isoformat)
    files.replace_bytes(file, document.encode() + b"\n")
