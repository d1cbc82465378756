"""Tests of the capture endpoint and its file on a real socket, with good and bad clients."""

from __future__ import annotations

import concurrent.futures
import gzip
import http.client
import json
import os
import resource
import socket
import struct
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.counting import wait_until
from usagectl.capture.file import OTHERS, CaptureFile
from usagectl.capture.records import Privacy
from usagectl.capture.refusals import Refusal
from usagectl.capture.server import (
    AddressUnavailableError,
    Behaviour,
    CaptureServer,
)
from usagectl.errors import FileUnwritableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine

# Read before the walls clear them; 200 clients and 50,000 requests for a long run.
CLIENTS = int(os.environ.get("USAGECTL_CLIENTS", "16"))
REQUESTS = int(os.environ.get("USAGECTL_REQUESTS", "400"))
SILENT = 100

EVENT = b'{"name":"cli_cmd","metadata":{},"payload":{"cmd":"x","params":[]}}'
BODY = b'{"events":[' + EVENT + b"]}"
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


class Desk:
    """A capture under test: its file, its server, and requests to it."""

    def __init__(self, file: CaptureFile, server: CaptureServer) -> None:
        self.file = file
        self.server = server
        self.port = server.port

    def post(
        self,
        body: bytes = BODY,
        *,
        path: str = "/v1/events",
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """Open a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def records(self) -> list[dict[str, Any]]:
        """Read what was written."""
        return [json.loads(line) for line in self.file.path.read_bytes().splitlines()]

    def wait_for(self, requests: int) -> None:
        """Wait until that many requests were recorded."""
        assert wait_until(lambda: self.file.sums.requests >= requests), self.file.sums


@contextmanager
def desk(machine: Machine, **behaviour: Any) -> Iterator[Desk]:  # noqa: ANN401
    """Serve a capture; at its end its thread and its socket are gone."""
    environment = machine.environment(now=lambda: datetime.now(UTC))
    path = machine.folder / "capture.jsonl"
    file = CaptureFile(environment, path, privacy=Privacy(), overwrite=True)
    with CaptureServer(file, behaviour=Behaviour(**behaviour)) as server:
        found = Desk(file, server)
        yield found
    assert all(thread.name != "usagectl-capture" for thread in threading.enumerate())
    with pytest.raises(ConnectionRefusedError):
        found.connect()


def test_any_path_and_method_is_recorded(machine: Machine) -> None:
    """A client may have its own prefix and version, or no body: all of it is what it sent."""
    paths = ("/v1/events", "/v1/session", "/prefix/v9/events", "/", "//x//")
    sent = [(method, path) for path in paths for method in ("POST", "PUT", "PATCH")]
    with desk(machine) as found:
        for method, path in sent:
            assert found.post(path=path, method=method) == (200, b'{"track_events": true}')
        assert found.post(b"", path="/", method="GET")[0] == 200
        *records, empty = found.records()
        assert found.file.sums.unparsed == 1
    assert [(each["method"], each["path"]) for each in records] == sent
    assert {each["kind"] for each in records} == {"cli_cmd"}
    assert empty["kind"] == "unparsed"


def test_chunks_and_codings_come_out_as_the_event(machine: Machine) -> None:
    """A chunked and a compressed body hold the same event as a plain one."""
    with desk(machine) as found:
        found.post()
        found.post(gzip.compress(BODY), headers={"Content-Encoding": "gzip"})
        with found.connect() as client:
            client.sendall(
                b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for start in range(0, len(BODY), 10):
                part = BODY[start : start + 10]
                client.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            client.sendall(b"0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        lines = found.file.path.read_bytes().splitlines()
    assert [line.endswith(b'"event":' + EVENT + b"}") for line in lines] == [True] * 3


def test_the_body_is_on_disk_before_the_answer(machine: Machine) -> None:
    """Real clients are killed half a second after they began: what came in is kept by then."""
    with desk(machine, answer="hang") as found:
        with found.connect() as client:
            client.sendall(HEAD % len(BODY) + BODY)
            found.wait_for(1)
            assert len(found.records()) == 1
            assert found.server.is_busy
            # As a killed process leaves it: a reset, not an orderly end.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert wait_until(lambda: not found.server.is_busy)


def test_the_answer_is_what_was_asked_for(machine: Machine) -> None:
    """Each behaviour gives its answer, and the request is recorded; refused, nothing listens."""
    for answer, status, body in (
        ("on", 200, {"track_events": True}),
        ("off", 200, {"track_events": False}),
        ("error", 500, {"error": "as asked for with --answer error"}),
        ("slow", 200, {"track_events": True}),
    ):
        with desk(machine, answer=answer, slow_seconds=0.3) as found:
            got, text = found.post()
            assert (got, json.loads(text)) == (status, body)
            assert found.file.sums.events == 1
    with desk(machine, answer="refuse") as found, pytest.raises(ConnectionRefusedError):
        found.connect()


REQUESTS_TO_HOSTS: tuple[tuple[str, dict[str, str], int], ...] = (
    # A page in a browser cannot leave out or choose these.
    ("POST", {"Origin": "http://evil.example"}, 403),
    ("POST", {"Origin": "null"}, 403),
    ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("POST", {"Host": "evil.example"}, 403),
    ("POST", {"Host": "127.0.0.1.evil.example"}, 403),
    ("POST", {"Host": ""}, 403),
    ("POST", {"Host": "10.0.0.7"}, 403),
    ("POST", {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 403),
    ("POST", {"Host": "localhost@evil.example"}, 403),
    # A browser hides where an image is asked from; so a GET has to name loopback itself.
    ("GET", {"Host": "host.docker.internal:80"}, 403),
    ("GET", {}, 200),
    ("POST", {"Host": "host.docker.internal:80"}, 200),
    # The fetch that is built into Node says so of itself, and is a program all the same.
    ("POST", {"Sec-Fetch-Mode": "cors"}, 200),
)


def test_pages_of_a_browser_are_refused(machine: Machine) -> None:
    """A page of another origin, also under a name that was made to lead here, posts nothing."""
    with desk(machine) as found:
        answers = [found.post(method=method, headers=each) for method, each, _ in REQUESTS_TO_HOSTS]
        sums = found.file.sums
    assert [status for status, _ in answers] == [status for *_, status in REQUESTS_TO_HOSTS]
    assert [body for status, body in answers if status == 403 and b"track_events" in body] == []
    assert (sums.requests, sums.events, sums.refused) == (3, 3, 10)
    assert sums.turned_away[Refusal("browser", "evil.example")] == 1
    assert sums.turned_away.total() == 10


def test_a_body_that_does_not_come_is_noted(machine: Machine) -> None:
    """What is too large, drips or breaks off is refused and noted; the next client is served."""
    limits = {"max_body_bytes": 100_000, "body_seconds": 0.5}
    with desk(machine, **limits) as found:
        for length, body, status, problem in (
            (999_999, b"x" * 200_000, b"HTTP/1.1 413", "larger than 100000 bytes"),
            (100, b"abc", b"HTTP/1.1 408", "its body took too long"),
            (100, b"abc", b"", "the client went away before its body was whole"),
        ):
            before = found.file.sums.requests
            with found.connect() as client:
                client.sendall(HEAD % length + body)
                assert not status or client.recv(12) == status
            found.wait_for(before + 1)
            assert found.records()[-1]["problem"] == problem
        with found.connect() as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000)
            assert client.recv(12) == b"HTTP/1.1 400"
        assert found.file.sums.turned_away == {Refusal("too-large"): 1}
        assert found.post()[0] == 200
        assert [each["kind"] for each in found.records()] == [*["unparsed"] * 3, "cli_cmd"]


def test_a_body_in_no_form_is_one_request(machine: Machine) -> None:
    """Broken chunks are recorded with the reason, and not turned away besides."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with desk(machine) as found:
        for parts in ((head + b"zz no chunk\r\n",), (head, b"zz no chunk\r\n")):
            before = found.file.sums.requests
            with found.connect() as client:
                for part in parts:
                    client.sendall(part)
                    time.sleep(0.1)
            found.wait_for(before + 1)
        assert (found.file.sums.requests, found.file.sums.refused) == (2, 0)


def test_bodies_that_come_in_at_once_are_bounded_together(machine: Machine) -> None:
    """Many half-sent bodies cannot fill the memory: beyond the sum, a client is turned away."""
    with desk(machine, max_body_bytes=60_000, max_waiting_bytes=100_000) as found:
        clients = [found.connect() for _ in range(3)]
        for client in clients:
            client.sendall(HEAD % 60_000 + b"x" * 50_000)
        found.wait_for(1)
        assert found.records()[0]["problem"] == "too many bodies at once"
        for client in clients:
            client.close()
        found.wait_for(3)
        assert found.post()[0] == 200


def test_noise_is_counted_and_ends_its_own_connection(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are not HTTP, a TLS greeting among them, leave the server serving, in silence.

    What is turned away leaves silence unproven, so it is counted; stderr is the command's.
    """
    noises = (
        b"\x00" + os.urandom(3000),
        b"\x16\x03\x01" + bytes(500),
        b"GET\r\n\r\n",
        b"no http at all\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        b"POST /v1/events HTTP/1.1\r\nHost: loc",
    )
    with desk(machine) as found:
        for noise in noises:
            with found.connect() as client:
                client.sendall(noise)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
        assert wait_until(lambda: found.file.sums.refused >= len(noises))
        counts = {"no-http": 3, "tls": 1, "http2": 1, "broken-off": 1}
        assert found.file.sums.turned_away == {Refusal(name): n for name, n in counts.items()}
        assert found.post(headers={"Upgrade": "websocket", "Connection": "Upgrade"})[0] == 200
        assert (found.file.sums.refused, found.file.sums.requests) == (len(noises), 1)
    assert capfd.readouterr() == ("", "")


def test_half_closed_clients_get_their_answer(machine: Machine) -> None:
    """A client that has sent all may close its half; HTTP/1.0 knows no Host; both count."""
    with desk(machine) as found, found.connect() as client:
        client.sendall(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY))
        client.shutdown(socket.SHUT_WR)
        assert b"200" in client.recv(20)
        assert found.file.sums.events == 1


def test_silent_connections_keep_nobody_out(machine: Machine) -> None:
    """Beside many clients that say nothing, or half of it, a real one is recorded."""
    with desk(machine) as found:
        clients = [found.connect() for _ in range(SILENT)]
        for client in clients[: SILENT // 2]:
            client.sendall(b"POST / HTTP/1.1\r\nX")
        assert found.post()[0] == 200
        for client in clients:
            client.close()


def test_many_clients_lose_nothing(machine: Machine) -> None:
    """With clients at once, every request is in the file once, and counted."""
    clients, each = CLIENTS, REQUESTS // CLIENTS
    with desk(machine) as found:

        def send(number: int) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=60)
            for place in range(each):
                body = b'{"events":[{"name":"n","payload":"%d-%d"}]}' % (number, place)
                connection.request("POST", "/v1/events", body)
                assert connection.getresponse().read() == b'{"track_events": true}'
            connection.close()
            return each

        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            sent = sum(pool.map(send, range(clients)))
        payloads = {record["event"]["payload"] for record in found.records()}
    assert len(payloads) == sent == clients * each == found.file.sums.events


def test_names_are_bounded(machine: Machine) -> None:
    """A client that invents names does not fill the memory; the rest counts as one."""
    with desk(machine) as found:
        events = b",".join(b'{"name":"n%d"}' % number for number in range(1500))
        found.post(b'{"events":[' + events + b"]}")
        by_name = found.file.sums.by_name
    assert (len(by_name), by_name[OTHERS], found.file.sums.events) == (1001, 500, 1500)


def test_a_port_that_is_taken_is_said(machine: Machine) -> None:
    """The error names the address and what is wrong with it."""
    with desk(machine) as found:
        other = CaptureFile(machine.environment(), machine.folder / "b.jsonl", privacy=Privacy())
        with pytest.raises(AddressUnavailableError, match="another program listens there"):
            CaptureServer(other, port=found.port).__enter__()
    with pytest.raises(AddressUnavailableError):
        CaptureServer(other, address="no-address")


def test_a_full_disk_is_told_and_the_client_is_answered(machine: Machine) -> None:
    """What could not be written is counted and taken back; the client notices nothing."""
    with desk(machine) as found:
        found.post()
        size = found.file.path.stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
        try:
            assert found.post()[0] == 200
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert found.post()[0] == 200
        assert len(found.records()) == 2
        assert (found.file.sums.requests, found.file.sums.unstored) == (3, 1)
        assert found.file.problem is not None
        assert "file too large" in found.file.problem.message


def test_only_a_file_is_replaced(machine: Machine) -> None:
    """A pipe, a folder, a link or a device in the place of the file is an error, and no hang."""
    os.mkfifo(machine.folder / "fifo")
    (machine.folder / "folder").mkdir()
    (machine.folder / "link").symlink_to(machine.folder / "elsewhere")
    for name in ("fifo", "folder", "link", "/dev/null"):
        path = machine.folder / name
        with pytest.raises(FileUnwritableError):
            CaptureFile(machine.environment(), path, privacy=Privacy(), overwrite=True)


def test_a_request_under_way_at_the_end_is_noted(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half a body when the capture ends says that somebody was about to send."""
    with desk(machine) as found:
        client = found.connect()
        client.sendall(HEAD % 100 + b"abc")
        assert wait_until(lambda: found.server.is_busy)
    client.close()
    (record,) = found.records()
    assert record["problem"] == "the capture ended before its body was whole"
    assert capfd.readouterr() == ("", "")
