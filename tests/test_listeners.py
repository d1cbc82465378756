"""Tests of the search in /proc for what listens on a port, laid out below a machine's root."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from usagectl.machine import listeners

if TYPE_CHECKING:
    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no /proc")

PORT = 4566
HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode"
)


def lay_sockets(machine: Machine, *sockets: tuple[str, int, str, int]) -> None:
    """Lay the table of sockets: address, port, state and inode of each."""
    lines = [
        f" 0: {a}:{port:04X} 0:0 {state} 0 0 0 0 0 {inode}" for a, port, state, inode in sockets
    ]
    folder = machine.root / "proc/self/net"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tcp").write_text("\n".join([HEAD, *lines]))


def lay_process(machine: Machine, number: int, program: str, inode: int, environ: bytes) -> None:
    """Lay a process that has one socket open."""
    folder = machine.root / "proc" / str(number)
    (folder / "fd").mkdir(parents=True)
    (folder / "exe").symlink_to(f"/usr/bin/{program}")
    (folder / "fd" / "3").symlink_to(f"socket:[{inode}]")
    (folder / "environ").write_bytes(environ)
    (folder / "stat").write_text(f"{number} (a ) b) S {' '.join(map(str, range(4, 60)))}")
    (machine.root / "proc/stat").write_text("cpu 1 2\nbtime 1000\n")


def test_the_python_program_that_listens_is_found(machine: Machine) -> None:
    """Of several sockets that of loopback comes first; proxies and other states do not count."""
    any_address, loopback = "00000000", "0100007F"
    assert listeners.find(machine.environment(), PORT) is None
    lay_sockets(
        machine,
        (any_address, PORT, "0A", 1),
        (loopback, PORT, "0A", 2),
        (loopback, PORT + 1, "0A", 3),
        (loopback, PORT + 2, "01", 4),
    )
    lay_process(machine, 10, "docker-proxy", 2, b"A=proxy\0")
    lay_process(machine, 11, "python3.11", 2, b"A=b=c\0CI=\0odd\0")
    lay_process(machine, 12, "python3.11", 1, b"A=other\0")
    lay_process(machine, 13, "docker-proxy", 3, b"A=proxy\0")
    lay_process(machine, 14, "python3.11", 4, b"A=client\0")
    found = listeners.find(machine.environment(), PORT)
    assert found == (11, {"A": "b=c", "CI": ""}, 1000 + 22 / os.sysconf("SC_CLK_TCK"))
    assert [listeners.find(machine.environment(), PORT + more) for more in (1, 2, 3)] == [None] * 3


def test_a_process_of_somebody_else_tells_nothing(machine: Machine) -> None:
    """What may not be read, or has ended meanwhile, leaves the answer open."""
    lay_sockets(machine, ("0100007F", PORT, "0A", 2))
    lay_process(machine, 11, "python3.11", 2, b"A=b\0")
    environ = machine.root / "proc/11/environ"
    environ.write_bytes(b"")
    assert listeners.find(machine.environment(), PORT) is None
    environ.unlink()
    assert listeners.find(machine.environment(), PORT) is None
    environ.mkdir()
    assert listeners.find(machine.environment(), PORT) is None
