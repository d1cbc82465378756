"""Walls around every test: a home of its own, no telling variables, loopback only."""

from __future__ import annotations

import os
import signal
import socket
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.machine import DEAD_PROXY, Machine, cleared_variables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machines


for _name in ("SIGINT", "SIGQUIT", "SIGHUP"):
    # A background job and nohup ignore these, and so would every program that a test signals:
    # what a handler takes here is not ignored there.
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


# How long an example takes depends on the machine, and no test holds a stopwatch.
settings.register_profile(
    "usagectl", deadline=None, max_examples=int(os.environ.get("USAGECTL_FUZZ_EXAMPLES", "60"))
)
settings.load_profile("usagectl")


@pytest.fixture(autouse=True)
def walls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move home and every folder into a temporary one; let sockets reach loopback only.

    The one place that patches: what it changes belongs to the process, which a
    test shares with all others.
    """
    home = tmp_path / "walls-home"
    home.mkdir()
    for name in cleared_variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, DEAD_PROXY)
    connect = socket.socket.connect

    def connect_to_loopback(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"a test tried to reach {host}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect_to_loopback)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a machine in a temporary folder: empty home, nothing installed."""
    return Machine(tmp_path / "machine")


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    """Make machines for a test that needs an untouched one for each row of its data."""
    folders = (tmp_path / f"machine-{number}" for number in count())
    return lambda: Machine(next(folders))


def pytest_xdist_auto_num_workers() -> int:
    """Take a worker more than there are processors: a test waits for other processes at times."""
    return 1 + (os.cpu_count() or 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many predictions of the real client were right, over all workers.

    It stands here because a run of everything loads no other conftest in the main process.
    """
    right = total = 0
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            properties = dict(report.user_properties)
            right += int(properties.get("predictions_right", 0))
            total += int(properties.get("predictions", 0))
    if total:
        terminalreporter.write_line(f"{right} of {total} predictions right")
