"""Tests of the process that sends: it ends in time, also in a name look-up that hangs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.delivering import event, put
from usagectl.delivery.requests import TOO_LATE

if TYPE_CHECKING:
    from tests.support.machine import Machine

# As started by a program that ignores and blocks the alarm, in a call that no Python code ends.
HANGING = """
import ctypes, signal
from usagectl.delivery import child
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
def hang():
    while True:
        ctypes.CDLL(None).pause()
child.main(lifetime=0.3, rest=0, deliver=hang)
"""
DONE = "from usagectl.delivery import child; child.main(rest=0, deliver=lambda: None)"

# In a network of its own, with a name server that never answers, is not there, or is late.
SCRIPT = r"""
mount --bind "$1" /etc/resolv.conf || exit 98
ip link set lo up || exit 98
python=$2 way=$3
shift 3
exec "$python" -c '
import socket, subprocess, sys, threading, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] != "fail":
    server.bind(("127.0.0.1", 53))
def answer():
    while True:
        asked, peer = server.recvfrom(512)
        time.sleep(1)
        found = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if asked[-3] == 1 else b""
        counts = b"\0\1\0" + bytes([bool(found)]) + b"\0\0\0\0"
        server.sendto(asked[:2] + b"\x81\x80" + counts + asked[12:] + found, peer)
if sys.argv[1] == "late":
    threading.Thread(target=answer, daemon=True).start()
print(subprocess.run(sys.argv[2:]).returncode)
' "$way" "$@"
"""
LATE = """
import socket, time
from usagectl.delivery.requests import NoAnswerError, build_post
from usagectl.delivery.transport import Transport
listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(30)
base = f"http://telemetry.test:{listener.getsockname()[1]}/v1"
try:
    Transport(base).send(build_post([b"{}"], base=base), time.monotonic() + 0.3)
except NoAnswerError as error:
    print(error.reason)
connection, _ = listener.accept()
print(connection.recv(1000))
"""
CHILD = "from usagectl.delivery import child; child.main(lifetime=1.5, rest=0)"
REPLAY = ("-m", "usagectl", "replay", "--to", "http://telemetry.test/v1", "--allow-http")


def run_where_names(way: str, machine: Machine, *words: str) -> tuple[str, int]:
    """Run Python where look-ups hang, fail or take a second; return output and exit status."""
    probe = ["unshare", "-m", "-n", "sh", "-c", "ip link set lo up"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here (unshare, ip)")
    resolver = machine.folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:3\n")
    variables = machine.process_variables()
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        variables.pop(name)
    shell = ["unshare", "-m", "-n", "sh", "-c", SCRIPT, "sh", str(resolver), sys.executable]
    done = subprocess.run(
        [*shell, way, sys.executable, *words],
        env=variables,
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,  # The look-up that hangs takes longer.
        check=False,
    )
    if done.returncode == 98:
        pytest.skip("resolv.conf cannot be replaced here")
    *output, status = done.stdout.decode().splitlines()
    return "\n".join(output), int(status)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarm")
def test_the_system_ends_a_child_that_hangs() -> None:
    """No code of ours has to run for its end: the alarm has its usual effect.

    One that is done ends well: its lifetime is a limit, not a duration.
    """
    for code, status in ((HANGING, -signal.SIGALRM), (DONE, 0)):
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, timeout=9, check=False)
        assert (done.returncode, done.stderr) == (status, b"")


def test_a_look_up_that_hangs_ends_the_child(machine: Machine) -> None:
    """The look-up would go on for minutes; the child is gone when its lifetime is over."""
    machine.variables |= {
        "USAGECTL_TELEMETRY": "on",
        "ANALYTICS_API": "https://telemetry.test/v1",
    }
    put(machine, event(1), consent="environment")
    _, status = run_where_names("hang", machine, "-c", CHILD)
    assert status == -signal.SIGALRM


def test_a_look_up_that_hangs_delays_no_replay_beyond_its_timeout(machine: Machine) -> None:
    """Whether the name server is dead or silent, --timeout covers it, and events are kept."""
    put(machine, event(1))
    for way in ("hang", "fail"):
        text, status = run_where_names(way, machine, *REPLAY, "--timeout", "1.5", "--yes", "--json")
        answer = json.loads(text)
        assert (status, answer["errors"][0]["code"]) == (5, "endpoint-unreachable")
        data = answer["data"]
        assert (data["sent"], data["kept"]) == (0, data["planned"])


def test_a_look_up_that_is_late_sends_nothing(machine: Machine) -> None:
    """What was given up does not go after all: somebody may have said No meanwhile."""
    text, status = run_where_names("late", machine, "-c", LATE)
    assert (text.splitlines(), status) == ([TOO_LATE, "b''"], 0)
