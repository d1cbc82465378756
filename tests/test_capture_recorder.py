"""Tests of the recorder on real sockets: what each client sent, and what is said of the others."""

from __future__ import annotations

import gc
import gzip
import http.client
import json
import os
import resource
import socket
import ssl
import threading
import warnings
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.counting import wait_until
from usagectl.capture.certificates import Authority
from usagectl.capture.connections import Destination
from usagectl.capture.file import CaptureFile
from usagectl.capture.http2 import PROTOCOLS
from usagectl.capture.recorder import Recorder
from usagectl.capture.records import Privacy
from usagectl.capture.server import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.machine import Machine
    from usagectl.capture.records import Request

CONNECTIONS = int(os.environ.get("USAGECTL_CONNECTIONS", "100"))
BOMB = int(os.environ.get("USAGECTL_BOMB_BYTES", str(64 * 1024 * 1024)))
DRIPS = int(os.environ.get("USAGECTL_DRIPS", "50"))
AUTHORITY = Authority(protocols=PROTOCOLS)
HOST = "telemetry.example.com"
BODY = b'{"events":[{"name":"cli_cmd"}]}'


class RequestsFile(CaptureFile):
    """A capture file that keeps its requests in memory too."""

    def __init__(self, *words: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*words, **options)
        self.requests: list[Request] = []

    def store(self, request: Request) -> None:
        """Keep a request, then store it."""
        self.requests.append(request)
        super().store(request)


class Desk:
    """A recorder under test, and clients of it."""

    def __init__(self, file: RequestsFile, recorder: Recorder, port: int) -> None:
        self.file = file
        self.recorder = recorder
        self.port = port

    @property
    def requests(self) -> list[Request]:
        """What was stored."""
        return self.file.requests

    def observed(self) -> Counter[tuple[str, str, str]]:
        """Count what was observed, by kind, host and detail."""
        return Counter(
            {(each.kind, each.host, each.detail): n for each, n, _ in self.file.sums.observed}
        )

    def connect(self, *, protocols: list[str] | None = None, host: str = "") -> socket.socket:
        """Connect, over TLS to a host if one is named."""
        bare = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        if not host:
            return bare
        context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
        if protocols:
            context.set_alpn_protocols(protocols)
        return context.wrap_socket(bare, server_hostname=host)

    def exchange(self, data: bytes, *, host: str = "") -> bytes:
        """Send these bytes and the end of all, and read to the end of the answer."""
        with self.connect(host=host) as client:
            client.sendall(data)
            if not host:
                client.shutdown(socket.SHUT_WR)
            return read_all(client)

    def wait_for(self, *found: tuple[str, str, str]) -> None:
        """Wait until that was observed."""
        assert wait_until(lambda: set(found) <= set(self.observed())), self.observed()


def read_all(client: socket.socket) -> bytes:
    """Read to the end, also if the other side breaks off or waits."""
    found = b""
    try:
        while data := client.recv(65536):
            found += data
    except (ConnectionError, TimeoutError):
        pass
    return found


@contextmanager
def desk(
    machine: Machine,
    *,
    known: str = HOST,
    port: int = 443,
    answer_name: Callable[[bytes], bytes] = bytes,
    **behaviour: Any,  # noqa: ANN401
) -> Iterator[Desk]:
    """Serve a recorder to whose clients each connection went to one host; then it is gone."""
    environment = machine.environment(now=lambda: datetime.now(UTC))
    path = machine.folder / "capture.jsonl"
    file = RequestsFile(environment, path, privacy=Privacy(reveal=True), overwrite=True)
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    found = Desk(file, made(file, listening, known, port, answer_name, behaviour), 0)
    found.port = listening.getsockname()[1]
    with found.recorder:
        yield found
    assert all(thread.name != "usagectl-recorder" for thread in threading.enumerate())
    assert listening.fileno() < 0


def made(
    file: CaptureFile,
    listening: socket.socket,
    known: str,
    port: int,
    answer_name: Callable[[bytes], bytes],
    behaviour: dict[str, Any],
) -> Recorder:
    """Make a recorder of one socket."""
    return Recorder(
        file,
        [listening],
        authority=AUTHORITY,
        behaviour=Behaviour(**behaviour),
        destination=lambda _: Destination(known, "198.18.0.7", port),
        answer_name=answer_name,
    )


def post(
    body: bytes = BODY, *, path: str = "/v1/events", host: str = HOST, more: str = ""
) -> bytes:
    """Build a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def test_requests_are_stored_with_where_they_went(machine: Machine) -> None:
    """Over TLS and in clear, with the body, the host, the port and the scheme."""
    closes = "Connection: close\r\n"
    with desk(machine) as found:
        secure = found.exchange(post(more=closes), host="a.example")
        clear = found.exchange(post(path="/x?y=1"))
        kinds = found.observed()
        lines = [json.loads(line) for line in found.file.path.read_bytes().splitlines()]
    assert [each.endswith(b'{"track_events": true}') for each in (secure, clear)] == [True] * 2
    assert [
        (each.scheme, each.host, each.port, each.path, each.query, each.body)
        for each in found.requests
    ] == [
        ("https", "a.example", 443, "/v1/events", "", BODY),
        ("http", HOST, 443, "/x", "y=1", BODY),
    ]
    assert [each["kind"] for each in lines] == ["cli_cmd"] * 2
    assert kinds == {
        ("connection", "a.example", "http/1.1"): 1,
        ("connection", HOST, "http/1.1"): 1,
    }


def test_every_form_of_a_body_and_a_connection(machine: Machine) -> None:
    """Chunks, a continuation, one request after another, a HEAD, an upgrade: all in one."""
    chunked = b"POST /chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"".join(b"%x\r\n%b\r\n" % (1, BODY[at : at + 1]) for at in range(len(BODY)))
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    with desk(machine) as found:
        answers = found.exchange(
            post(path="/1")
            + chunked
            + b"0\r\n\r\n"
            + b"HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n"
            + post(path="/upgrade", more=upgrade)
            + post(path="http://elsewhere.example/absolute?a=http://b/c")
        )
        connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=20)
        with connection.sock or found.connect() as client:
            client.sendall(post(path="/waits", more="Expect: 100-continue\r\n")[: -len(BODY)])
            assert client.recv(100).startswith(b"HTTP/1.1 100")
            client.sendall(BODY)
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert answers.count(b"HTTP/1.1 200") == 5
    assert answers.count(b"track_events") == 4
    assert [(each.path, each.body) for each in found.requests] == [
        ("/1", BODY),
        ("/chunks", BODY),
        ("/head", b""),
        ("/upgrade", BODY),
        ("/absolute", BODY),
        ("/waits", BODY),
    ]


def test_what_is_no_request_is_observed(machine: Machine) -> None:
    """Silence, other protocols, and certificates that are not taken: each with its host."""
    strict = ssl.create_default_context()
    with desk(machine) as found:
        found.exchange(b"")
        found.exchange(b"SSH-2.0-OpenSSH_9.2\r\n")
        found.exchange(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
        found.exchange(b"\x16\x03\x01")
        for host in ("pinned.example", "xn--bcher-kva.example", "my_bucket.example.com"):
            with found.connect() as client:
                try:
                    strict.wrap_socket(client, server_hostname=host)
                except ssl.SSLCertVerificationError:
                    continue
                raise AssertionError(host)
        found.connect(host="judges-late.example").close()
        found.wait_for(
            ("connection", HOST, "silent"),
            ("connection", HOST, "unknown"),
            ("tls-refused", "pinned.example", "tlsv1 alert unknown ca"),
            ("tls-refused", "xn--bcher-kva.example", "tlsv1 alert unknown ca"),
            ("tls-refused", "my_bucket.example.com", "tlsv1 alert unknown ca"),
            ("tls-refused", "judges-late.example", "closed after the greeting"),
        )
        assert found.observed()["connection", HOST, "unknown"] == 2
    assert found.requests == []


def test_broken_requests_are_told_from_whole_ones(machine: Machine) -> None:
    """A body without its end, too large, or too slow, is stored so; half a head is seen."""
    with desk(machine, max_body_bytes=1000, body_seconds=0.3) as found:
        found.exchange(b"GET /endless HTTP/1.1\r\n" + b"A: b\r\n" * 20_000)
        found.exchange(b"GET /cut HTTP/1.1\r\nHost:")
        found.exchange(b"GET /wrong HTTP/1.1\r\nno colon\r\n\r\n")
        found.exchange(post(path="/half")[:-3])
        found.exchange(post(b"x" * 2000, path="/large"))
        with found.connect() as client:
            client.sendall(post(path="/slow")[:-3])
            assert b"HTTP/1.1 408" in read_all(client)
        kinds = found.observed()
    assert {each.path: each.problem for each in found.requests} == {
        "/half": "the client went away before its body was whole",
        "/large": "larger than 1000 bytes",
        "/slow": "its body took too long",
    }
    assert kinds["connection", HOST, "unknown"] == 3


def test_a_tunnel_leads_to_the_recorder_itself(machine: Machine) -> None:
    """A command that uses a proxy is recorded as if it were connected to the host it wants."""
    with desk(machine, known="proxy.corp.example", port=3128) as found:
        with found.connect() as client:
            client.sendall(b"CONNECT deep.example:8443 HTTP/1.1\r\nHost: deep.example\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
            with context.wrap_socket(client, server_hostname="deep.example") as inner:
                inner.sendall(post(more="Connection: close\r\n"))
                assert read_all(inner).startswith(b"HTTP/1.1 200")
        kinds = found.observed()
    assert [(each.scheme, each.host, each.port) for each in found.requests] == [
        ("https", "deep.example", 8443)
    ]
    assert kinds == {("connection", "deep.example", "http/1.1"): 1}


def test_look_ups_over_tcp_are_answered(machine: Machine) -> None:
    """Each with its length before it, several on one connection."""
    with desk(machine, port=53, answer_name=bytes.upper) as found:
        answers = found.exchange(b"\0\3abc\0\1d")
    assert answers == b"\0\3ABC\0\1D"


def answer_to(found: Desk, data: bytes) -> bytes:
    """Send bytes and wait for the whole answer, or a moment."""
    with found.connect() as client:
        client.sendall(data)
        client.settimeout(0.3)
        return read_all(client)


def test_each_behaviour_answers_as_it_says(machine: Machine) -> None:
    """All are stored; a namespace without listeners is what refuses."""
    found_answers = {}
    for answer in ("off", "error", "slow", "hang"):
        with desk(machine, answer=answer, slow_seconds=0.01) as found:
            found_answers[answer] = answer_to(found, post(more="Connection: close\r\n")).rpartition(
                b"\r\n"
            )[2]
            assert wait_until(lambda: not found.recorder.is_busy)
            assert len(found.requests) == 1
            kinds = set(found.observed())
        assert kinds == {("connection", HOST, "http/1.1")}
    assert found_answers == {
        "off": b'{"track_events": false}',
        "error": b'{"error": "as asked for with --answer error"}',
        "slow": b'{"track_events": true}',
        "hang": b"",
    }


def test_what_came_just_before_the_end_is_stored(machine: Machine) -> None:
    """A request that nobody has read when the recorder stops, and one that is half there."""
    with desk(machine) as found:
        clients = [found.connect() for _ in range(20)]
        for client in clients:
            client.sendall(post())
        half = found.connect()
        half.sendall(post(path="/half")[:-3])
    for each in (*clients, half):
        each.close()
    assert Counter(each.problem for each in found.requests) == {
        "": 20,
        "the capture ended before its body was whole": 1,
    }


def test_many_at_once_and_slow_ones_beside(machine: Machine) -> None:
    """Nobody is turned away, and slow clients hold up nobody."""
    with desk(machine) as found:
        drips = [found.connect() for _ in range(DRIPS)]
        for each in drips:
            each.sendall(b"POST /drip HT")
        clients = [found.connect() for _ in range(CONNECTIONS)]
        for number, each in enumerate(clients):
            each.sendall(post(path=f"/{number}"))
        for each in clients:
            assert each.recv(100).startswith(b"HTTP/1.1 200")
        for each in (*drips, *clients):
            each.close()
        wait = ("connection", HOST, "http/1.1"), ("connection", HOST, "unknown")
        assert wait_until(
            lambda: [found.observed()[each] for each in wait] == [CONNECTIONS, DRIPS]
        ), found.observed()
    assert {each.path for each in found.requests} == {f"/{n}" for n in range(CONNECTIONS)}


def test_what_never_spoke_is_seen_at_the_end(machine: Machine) -> None:
    """A connection that is open and mute when the capture ends, also in the midst of a greeting."""
    with desk(machine) as found:
        open_ones = [found.connect() for _ in range(3)]
        open_ones[1].sendall(b"CONN")
        open_ones[2].sendall(b"\x16\x03\x01\x02\x00\x01")
        assert wait_until(lambda: found.recorder.is_busy)
    for each in open_ones:
        each.close()
    kinds = found.observed()
    assert kinds == {("connection", HOST, "silent"): 2, ("connection", HOST, "tls"): 1}


ODD_NAMES = (
    *("my_bucket.example.com", "_", "a_b", "-a.example", "a..example", ".", "*.example", "*"),
    *("xn--bcher-kva.example", "xn--\u00e9", "b\u00fccher.example", "\u3002", "\ufffd" * 40),
    *("a" * 64 + ".example", "a." * 140 + "example", "a" * 300, "1.2.3.4", "::1", "[::1]"),
    *("1.2.3.4/8", "", " ", "a\0b", "\0", "a b", "a/b", "a@b", "a:443", "\n", "*." + "\0"),
)


def test_a_certificate_for_whatever_name() -> None:
    """Each name has a context, however odd; and the contexts that are kept are bounded."""
    authority = Authority()
    wrong = {}
    for name in (*ODD_NAMES, *(bytes(range(n, n + 9)).decode("latin-1") for n in range(0, 247, 3))):
        try:
            assert isinstance(authority.context(name), ssl.SSLContext)
        except Exception as error:  # noqa: BLE001  (all are collected)
            wrong[name] = error
    assert wrong == {}


def test_odd_greetings_are_served(machine: Machine) -> None:
    """A greeting without a name, for an address, or for a name that no certificate is for."""
    careless = ssl.create_default_context()
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    closes = "Connection: close\r\n"
    with desk(machine) as found:
        for name in (None, "192.0.2.1", "a_b.example", "xn--bcher-kva.example", "a" * 60 + ".b"):
            with found.connect() as bare, careless.wrap_socket(bare, server_hostname=name) as made:
                made.sendall(post(more=closes))
                assert read_all(made).startswith(b"HTTP/1.1 200"), name
    assert [each.host for each in found.requests] == [
        *(HOST, HOST, "a_b.example", "xn--bcher-kva.example", "a" * 60 + ".b")
    ]


def test_bodies_that_grow_are_read_within_bounds(machine: Machine) -> None:
    """Bombs of gzip, brotli and zstd are stored as they came; memory stays flat."""
    bombs = {"gzip": gzip.compress(bytes(BOMB), 9)}
    with suppress(ImportError):
        import brotli

        bombs["br"] = brotli.compress(bytes(BOMB), quality=1)
    with suppress(ImportError):
        import zstandard

        bombs["zstd"] = zstandard.compress(bytes(BOMB))
    with desk(machine) as found:
        peaks = []
        for _ in range(5):
            for coding, body in bombs.items():
                found.exchange(post(body, more=f"Content-Encoding: {coding}\r\n"))
            peaks.append(peak_kib())
    assert [each.body for each in found.requests] == [*bombs.values()] * 5
    assert peaks[-1] - peaks[0] < 32 * 1024, peaks


def peak_kib() -> int:
    """Return the most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_nothing_of_it_is_left(machine: Machine) -> None:
    """No thread, descriptor or warning stays, whatever state its clients were in."""
    before = open_files()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            leave_clients(machine)
        gc.collect()
    assert [str(each.message) for each in caught] == []
    assert open_files() == before


def leave_clients(machine: Machine) -> None:
    """End a capture while clients wait in every state."""
    with ExitStack() as clients, desk(machine, answer="hang") as found:
        for data in (b"", b"C", b"\x16", b"PRI * HTTP/2.0\r\n", post(), post()[:-1]):
            client = clients.enter_context(found.connect())
            client.sendall(data)
        clients.enter_context(found.connect(host="a.example"))
        clients.enter_context(found.connect(host="b.example", protocols=["h2"]))
        assert wait_until(lambda: found.requests)
    found.file.close()


def open_files() -> list[str]:
    """List the open descriptors."""
    return sorted(each.name for each in Path("/proc/self/fd").iterdir())
