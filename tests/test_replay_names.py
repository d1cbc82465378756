"""Names that cannot be resolved, or only after ages: the time that an endpoint has covers them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import furnish

if TYPE_CHECKING:
    from tests.support.machine import Machine

# In a network of its own, with a name server that never answers or that is not there.
SCRIPT = """
mount --bind "$1" /etc/resolv.conf || exit 98
ip link set lo up || exit 98
exec "$2" -c '
import socket, subprocess, sys, time
if sys.argv[1] == "hang":
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 53))
sys.exit(subprocess.run(sys.argv[2:]).returncode)
' "$3" "$2" -m usagectl replay --to http://telemetry.test/v1 --allow-http --timeout 1.5 --yes --json
"""


@pytest.mark.parametrize("way", ["hang", "fail"])
def test_a_name_that_cannot_be_resolved(way: str, machine: Machine) -> None:
    """A name server that is dead or silent delays nothing beyond --timeout; events are kept."""
    probe = subprocess.run(
        ["unshare", "-m", "-n", "sh", "-c", "ip link set lo up"], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip("no network namespace can be made here (unshare, ip)")
    furnish(machine)
    resolver = machine.folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:3\n")
    variables = machine.process_variables()
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        variables.pop(name)
    started = time.monotonic()
    done = subprocess.run(
        ["unshare", "-m", "-n", "sh", "-c", SCRIPT, "sh", str(resolver), sys.executable, way],
        env=variables,
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    took = time.monotonic() - started
    if done.returncode == 98:
        pytest.skip("resolv.conf cannot be replaced here")
    assert done.returncode == 5, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert answer["errors"][0]["code"] == "endpoint-unreachable"
    assert (answer["data"]["sent"], answer["data"]["kept"]) == (0, answer["data"]["planned"])
    assert answer["data"]["seconds"] < 10
    assert took < 20
