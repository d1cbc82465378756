"""The environment of a captured command, and the wait for what it leaves running.

Variables lead every known client to the endpoint (facts, parts 1 and 5). A variable of
ours marks the command's descendants, so that a detached sender is waited for.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MARK = "USAGECTL_CAPTURE"
"""A variable of the command and its children: the port that it is captured on."""

GRACE_SECONDS = 10.0
_QUIET_SECONDS = 0.3
_BLIND_SECONDS = 2.0
_DRAIN_SECONDS = 5.0
_STEP_SECONDS = 0.05
_SET_CHILD_SUBREAPER = 36

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_PROXIES_TO_EVERYTHING = (
    "OUTBOUND_HTTP_PROXY",
    "OUTBOUND_HTTPS_PROXY",
    # LocalStack's command line hands these on, and its container takes the prefix off.
    "LOCALSTACK_OUTBOUND_HTTP_PROXY",
    "LOCALSTACK_OUTBOUND_HTTPS_PROXY",
)
_LIFTED = {"DISABLE_EVENTS": "0", "LOCALSTACK_DISABLE_EVENTS": "0", "USAGECTL_TELEMETRY": "on"}


class Address(NamedTuple):
    """Address of the endpoint, as programs use it.

    Attributes:
        port: its port.
        host: its host for a program on this machine.
        container_host: its host for a container; empty if that cannot reach it.
    """

    port: int
    host: str = "127.0.0.1"
    container_host: str = ""

    @property
    def base(self) -> str:
        """The base URL for programs on this machine."""
        return _base(self.host, self.port)

    @property
    def container_base(self) -> str:
        """The base URL for programs in a container; empty without one."""
        return _base(self.container_host, self.port) if self.container_host else ""


def _base(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def endpoint_variables(address: Address) -> dict[str, str]:
    """List the variables that lead each tool's events to an endpoint.

    A container cannot reach the host's loopback: without an address for it, its
    events go to its own loopback and end there, instead of reaching LocalStack.
    """
    return {
        "ANALYTICS_API": address.base,
        "LOCALSTACK_ANALYTICS_API": address.container_base or address.base,
        "LSTK_ANALYTICS_ENDPOINT": f"{address.base}/events",
    }


def leading_variables(variables: Mapping[str, str], address: Address) -> dict[str, str]:
    """List the same, and those that keep every proxy out of the way."""
    known = f"{variables.get('no_proxy', '')},{variables.get('NO_PROXY', '')}".split(",")
    hosts = [each.strip() for each in known if each.strip()]
    hosts = ["*"] if "*" in hosts else [*hosts, *_LOOPBACK_NAMES, address.host]
    exceptions = ",".join(dict.fromkeys(hosts))
    return {
        **endpoint_variables(address),
        "NO_PROXY": exceptions,
        "no_proxy": exceptions,
        **dict.fromkeys(_PROXIES_TO_EVERYTHING, ""),
    }


def variables_for_child(
    variables: Mapping[str, str], address: Address, *, as_if_enabled: bool = False
) -> dict[str, str]:
    """Build the environment of a captured command.

    `NO_PROXY` keeps proxies away from loopback. LocalStack applies its own two to
    loopback as well, so these are empty: that also wins over a profile file. With
    `as_if_enabled`, variables lift every opt-out: each client reads them before its
    files.
    """
    found = {**variables, **leading_variables(variables, address), MARK: str(address.port)}
    if as_if_enabled:
        found.pop("DO_NOT_TRACK", None)
        found.update(_LIFTED)
    return found


def wait_for_late(
    still_runs: Callable[[], bool | None],
    is_busy: Callable[[], bool],
    count: Callable[[], int],
    *,
    seconds: float = GRACE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    is_ended: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until nothing of a command runs any more and nothing comes in.

    Args:
        still_runs: see `has_descendants`.
        is_busy: True while a request is under way.
        count: the number of requests so far.
        seconds: the longest wait.
        clock: seconds that only grow.
        is_ended: True to end the wait at once.
        sleep: waits.
    """
    # What the command has sent by its end is taken in, however short the wait.
    end = clock() + max(seconds, _DRAIN_SECONDS)
    patience = clock() + seconds
    seen, since = count(), clock()
    while (now := clock()) < end and not is_ended():
        if is_busy() or count() != seen:
            seen, since = count(), now
        left = still_runs()
        # Where processes cannot be seen, only silence says that nothing runs.
        quiet = _BLIND_SECONDS if left is None else _QUIET_SECONDS
        if now >= patience and now - since >= _QUIET_SECONDS:
            return
        if not left and now - since >= quiet:
            return
        sleep(_STEP_SECONDS)


def has_descendants(
    address: Address, *, adopts: bool = False, proc: Path = Path("/proc")
) -> bool | None:
    """True if a process of a captured command runs; None where processes cannot be seen.

    Args:
        address: the endpoint, whose port is the mark.
        adopts: True while orphans become ours, see `adopting_orphans`.
        proc: the folder of processes.
    """
    if adopts and _has_children():
        return True
    mark = f"{MARK}={address.port}".encode()
    try:
        numbers = [each for each in proc.iterdir() if each.name.isdecimal()]
    except OSError:
        return None
    if not numbers:
        return None
    return any(_bears(each, mark) for each in numbers)


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


def _has_children() -> bool:
    """True if a child of ours runs; those that have ended are reaped first."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _bears(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # It belongs to somebody else, or has ended.
        return False
