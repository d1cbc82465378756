"""Tests of a capture by a proxy: telemetry is answered here, the rest is passed on untouched."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support import sealing
from tests.support.endpoint import Endpoint
from usagectl import capture
from usagectl.capture import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine
    from usagectl.capture.proxied import ProxyCapture

TELEMETRY = "telemetry.nextjs.org"


@contextmanager
def opened(machine: Machine, **variables: str) -> Iterator[ProxyCapture]:
    """Open a capture by a proxy on a machine without one of its own."""
    machine.variables = {"HTTP_PROXY": "", "HTTPS_PROXY": "", **variables}
    options = capture.Options(file=machine.folder / "out.jsonl", reveal=True, overwrite=True)
    with proxied.opened(machine.environment(), options) as found:
        yield found


class Answer(NamedTuple):
    """What came back from a proxy."""

    status: int
    body: bytes


def ask(port: int, request: bytes) -> bytes:
    """Send bytes to the proxy, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), 10) as made:
        made.sendall(request)
        return read_all(made)


def read_all(made: socket.socket) -> bytes:
    """Read up to the end."""
    found = b""
    while chunk := made.recv(65536):
        found += chunk
    return found


def post(url: str, *headers: str, body: bytes = b'{"name":"x"}') -> bytes:
    """Build a request that closes its connection."""
    host = url.partition("://")[2].partition("/")[0] or "h"
    lines = [f"POST {url} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def test_what_is_no_telemetry_is_passed_on(machine: Machine) -> None:
    """A request in clear and a tunnel reach their host, and leave no request in the file.

    What was for the proxy alone is not passed on with them.
    """
    with Endpoint() as host, opened(machine) as found:
        place = host.base.partition("://")[2].partition("/")[0]
        port = found.address.port
        header = "Proxy-Authorization: Basic Zm9v"
        clear = ask(port, post(f"http://{place}/v1/events", header, body=b'{"events":[]}'))
        tunnel = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", port), 10) as made:
            made.sendall(tunnel)
            assert made.recv(100).startswith(b"HTTP/1.1 200")
            made.sendall(post("/v1/events", body=b'{"events":[]}'))
            within = made.recv(65536)
        found.finish()
    assert (clear[:12], within[:12]) == (b"HTTP/1.1 200", b"HTTP/1.1 200")
    assert [each.path for each in host.received] == ["/v1/events"] * 2
    assert not any("proxy-authorization" in map(str.lower, each.headers) for each in host.received)
    assert found.file.sums.requests == 0
    seen = [(each.observation.host, each.observation.detail) for each in found.file.sums.observed]
    assert seen == [("127.0.0.1", "passed on")]


def test_telemetry_is_answered_here(machine: Machine) -> None:
    """In clear and in a tunnel over TLS, with the certificate that the variables hand over."""
    with opened(machine) as found:
        port = found.address.port
        ask(port, post(f"http://{TELEMETRY}/api/v1/record"))
        trusting = ssl.create_default_context(cafile=found.variables["SSL_CERT_FILE"])
        with socket.create_connection(("127.0.0.1", port), 10) as made:
            made.sendall(f"CONNECT {TELEMETRY}:443 HTTP/1.1\r\n\r\n".encode())
            assert made.recv(100).startswith(b"HTTP/1.1 200")
            with trusting.wrap_socket(made, server_hostname=TELEMETRY) as secure:
                secure.sendall(post("/api/v1/record"))
                assert read_all(secure).startswith(b"HTTP/1.1 200")
        found.finish()
    lines = [json.loads(each) for each in found.file.path.read_bytes().splitlines()]
    requests = [(each["host"], each["port"], each["scheme"]) for each in lines if "method" in each]
    assert requests == [(TELEMETRY, 80, "http"), (TELEMETRY, 443, "https")]


def test_offline_passes_nothing_on(machine: Machine) -> None:
    """Each host is answered here."""
    machine.variables = {"HTTP_PROXY": "", "HTTPS_PROXY": ""}
    options = capture.Options(file=machine.folder / "out.jsonl", offline=True)
    with Endpoint() as host, proxied.opened(machine.environment(), options) as found:
        place = host.base.partition("://")[2].partition("/")[0]
        answer = ask(found.address.port, post(f"http://{place}/v1/events"))
        found.finish()
    assert (answer[:12], len(host.received)) == (b"HTTP/1.1 200", 0)
    assert found.file.sums.requests == 1


def test_own_hosts_are_passed_on(machine: Machine) -> None:
    """What the user says that the command is for is no telemetry, whatever the catalogue says."""
    options = capture.Options(file=machine.folder / "out.jsonl", own=("nextjs.org",))
    with upstream() as (port, asked):
        machine.variables = {"HTTP_PROXY": "", "HTTPS_PROXY": f"http://me:word@127.0.0.1:{port}"}
        with proxied.opened(machine.environment(), options) as found:
            line = f"CONNECT {TELEMETRY}:443 HTTP/1.1\r\n\r\n".encode()
            assert b"HTTP/1.1 200" in ask(found.address.port, line)
            found.finish()
    (head,) = asked
    assert head.startswith(f"CONNECT {TELEMETRY}:443 HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic bWU6d29yZA==\r\n" in head


@contextmanager
def upstream() -> Iterator[tuple[int, list[bytes]]]:
    """Serve a proxy that takes one tunnel, and ends it."""
    heads: list[bytes] = []

    def serve() -> None:
        client, _ = listening.accept()
        with client:
            heads.append(client.recv(65536))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], heads
        thread.join(10)


@pytest.mark.parametrize(
    "begun", [b"", b"CONN", b"CONNECT x", b"GET http://", b"\x16\x03", b"CONNECT \xff\r\n\r\n"]
)
def test_a_client_that_breaks_off_hurts_nobody(machine: Machine, begun: bytes) -> None:
    """Whatever it had begun, the next one is served."""
    with opened(machine) as found:
        with socket.create_connection(("127.0.0.1", found.address.port), 10) as made:
            made.sendall(begun)
        assert b"200" in ask(found.address.port, post(f"http://{TELEMETRY}/x"))
        found.finish()
    assert found.file.sums.requests == 1


def test_a_host_that_cannot_be_reached_is_said(machine: Machine) -> None:
    """The client gets the status for it, and the host is seen."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with opened(machine) as found:
        answer = ask(found.address.port, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        found.finish()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert found.file.sums.observed.count("connection") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_more_connections_than_descriptors_are_recorded(machine: Machine) -> None:
    """A low limit of ours loses no request; the command keeps its limit."""
    code = f"""
import os, resource, socket
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
port = int(os.environ["HTTP_PROXY"].rpartition(":")[2].partition("/")[0])
made = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(400)]
head = b"POST http://{TELEMETRY}/x HTTP/1.1\\r\\nHost: {TELEMETRY}\\r\\n"
for each in made: each.sendall(head + b"Content-Length: 2\\r\\n\\r\\n{{}}")
print(sum(each.recv(12) == b"HTTP/1.1 200" for each in made))
"""
    (machine.cwd / "many.py").write_text(code)
    words = f"{sys.executable} -m usagectl capture --proxy -- {sys.executable} many.py"
    done = sealing.run_shell(machine, f"ulimit -Sn 256; ulimit -Hn 4000; exec {words}")
    assert done.stdout.split() == ["256", "400"], done.stderr
    assert "400 requests" in done.stderr
