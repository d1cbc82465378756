"""Descriptors of this process while it records: each connection of a command takes one."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    import resource
except ImportError:  # Windows has no such limit.
    _has_limit = False
else:
    _has_limit = True

_OPEN_MAX = 10240  # What macOS gives at most where its limit is none; Linux gives more.

Limits = tuple[int, int]


@contextmanager
def many() -> Iterator[Limits]:
    """Let this process open all that the system allows it; give the limits from before."""
    before = _limits()
    soft, hard = before
    if _has_limit and hard == resource.RLIM_INFINITY:
        hard = max(soft, _OPEN_MAX)
    _set((hard, before[1]))
    try:
        yield before
    finally:
        _set(before)


@contextmanager
def within(limits: Limits) -> Iterator[None]:
    """Start with these limits what is started in the body: a command keeps its own.

    One that uses `select` breaks with more than it expects.
    """
    now = _limits()
    _set((limits[0], now[1]))
    try:
        yield
    finally:
        _set(now)


def _limits() -> Limits:
    return resource.getrlimit(resource.RLIMIT_NOFILE) if _has_limit else (0, 0)


def _set(limits: Limits) -> None:
    with suppress(OSError, ValueError):  # The kernel may give less than its limit says.
        if _has_limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
