"""Tests of HTTP/2 of the recorder, with a client of the same library and bytes of our own."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, TrailersReceived

from tests.support.counting import wait_until
from tests.test_capture_recorder import BODY, HOST, Desk, desk

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.support.machine import Machine


class Client:
    """A client of HTTP/2."""

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.http.initiate_connection()
        self.events: list[Event] = []  # That came and were not looked at.
        self.flush()

    def flush(self) -> None:
        """Send what is due."""
        self.socket.sendall(self.http.data_to_send())

    def begin(self, path: str, *, method: str = "POST", content_type: str = "text/plain") -> int:
        """Send the head of a request."""
        number = self.http.get_next_available_stream_id()
        pairs = [(":method", method), (":path", path), (":scheme", "https")]
        pairs += [(":authority", "said.example:1"), ("content-type", content_type)]
        self.http.send_headers(number, pairs)
        self.flush()
        return number

    def send(self, number: int, body: bytes, *, ends: bool = True) -> None:
        """Send a body, as far as the windows are open, and read until they are again."""
        while body:
            size = min(self.http.local_flow_control_window(number), 16_000, len(body))
            if size:
                self.http.send_data(number, body[:size])
                self.flush()
                body = body[size:]
            else:
                self.read()
        if ends:
            self.http.end_stream(number)
            self.flush()

    def read(self) -> None:
        """Read what comes, which is not the end."""
        data = self.socket.recv(65536)
        assert data, self.events
        self.events += self.http.receive_data(data)
        self.flush()

    def answers(self, count: int) -> dict[int, tuple[str, bytes, str]]:
        """Read so many answers: status, body, and the status of gRPC."""
        headers: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        ended = 0
        while ended < count:
            if not self.events:
                self.read()
            while self.events:
                event = self.events.pop(0)
                if isinstance(event, ResponseReceived | TrailersReceived):
                    pairs = ((str(name), str(value)) for name, value in event.headers)
                    headers.setdefault(event.stream_id, {}).update(pairs)
                elif isinstance(event, DataReceived):
                    bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                ended += isinstance(event, StreamEnded)
        return {
            number: (each[":status"], bodies.get(number, b""), each.get("grpc-status", ""))
            for number, each in headers.items()
        }


@contextmanager
def client_of(found: Desk, host: str = "") -> Iterator[Client]:
    """Connect a client, over TLS to a host if one is named."""
    with found.connect(host=host, protocols=["h2"]) as connected:
        if isinstance(connected, ssl.SSLSocket):
            assert connected.selected_alpn_protocol() == "h2"
        yield Client(connected)


def test_requests_are_stored_and_answered(machine: Machine) -> None:
    """Many on one connection, bodies beyond the first window, HEAD, in TLS and in clear."""
    large = b"x" * 200_000
    with desk(machine) as found:
        with client_of(found, "h2.example") as client:
            first, second = client.begin("/1?a=b"), client.begin("/2")
            client.send(second, BODY)
            client.send(first, large)
            client.send(client.begin("/3", method="HEAD"), b"")
            answers = client.answers(3)
        with client_of(found) as client:
            client.send(client.begin("/clear"), BODY)
            client.answers(1)
        kinds = found.observed()
    document = b'{"track_events": true}'
    assert sorted(answers.values()) == [("200", b"", ""), *[("200", document, "")] * 2]
    assert [(each.scheme, each.host, each.path, each.body) for each in found.requests] == [
        ("https", "h2.example", "/2", BODY),
        ("https", "h2.example", "/1", large),
        ("https", "h2.example", "/3", b""),
        ("http", HOST, "/clear", BODY),
    ]
    assert found.requests[0].headers["host"] == "said.example:1"
    assert ":path" not in found.requests[0].headers
    assert kinds == {("connection", "h2.example", "h2"): 1, ("connection", HOST, "h2"): 1}


def test_calls_of_grpc_are_stored_and_answered(machine: Machine) -> None:
    """With the service as the path, and the message as it came; an empty message is the answer.

    What went wrong has the status of HTTP, of which a client makes one of gRPC.
    """
    service = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    with desk(machine) as found, client_of(found, "grpc.example") as client:
        client.send(client.begin(service, content_type="application/grpc"), bytes(5))
        assert [*client.answers(1).values()] == [("200", bytes(5), "0")]
        (request,) = found.requests
    assert (request.path, request.body) == (service, bytes(5))
    assert request.headers["content-type"] == "application/grpc"
    with desk(machine, answer="error") as found, client_of(found, "grpc.example") as client:
        client.send(client.begin(service, content_type="application/grpc+proto"), bytes(5))
        ((status, _, grpc_status),) = client.answers(1).values()
        assert (status, grpc_status) == ("500", "")


def test_a_body_over_the_limit_holds_up_no_other(machine: Machine) -> None:
    """What still comes of it is taken in, so that the window of the connection stays open."""
    with desk(machine, max_body_bytes=1000) as found, client_of(found) as client:
        client.send(client.begin("/large"), bytes(1_300_000))
        client.send(client.begin("/after"), BODY)
        assert sorted(each[0] for each in client.answers(2).values()) == ["200", "413"]
    assert {each.path: each.problem for each in found.requests} == {
        "/large": "larger than 1000 bytes",
        "/after": "",
    }


def test_bytes_that_are_no_frames_end_one_connection(machine: Machine) -> None:
    """Whatever follows the beginning of HTTP/2, the next client is served."""
    source = Random(15)  # noqa: S311  (the same bytes each time)
    with desk(machine) as found:
        for size in range(1, 200):
            with found.connect() as client:
                client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + source.randbytes(size))
        with client_of(found, "after.example") as client2:
            client2.send(client2.begin("/after"), BODY)
            client2.answers(1)
    assert [each.path for each in found.requests] == ["/after"]


def test_broken_requests_are_stored_with_the_reason(machine: Machine) -> None:
    """Too large, too slow, reset, cut off, or unfinished at the end: none is lost."""
    with desk(machine, max_body_bytes=1000, body_seconds=0.4) as found:
        with client_of(found) as client:
            client.send(client.begin("/large"), b"x" * 2000)
            assert [each[0] for each in client.answers(1).values()] == ["413"]
            reset = client.begin("/reset")
            client.http.reset_stream(reset)
            client.flush()
            assert wait_until(lambda: len(found.requests) == 2)
            client.send(client.begin("/cut"), b"x", ends=False)
        with client_of(found) as client:
            client.send(client.begin("/slow"), b"x", ends=False)
            assert wait_until(lambda: len(found.requests) == 4)
    with desk(machine) as found, client_of(found) as client:
        client.send(client.begin("/unfinished"), b"x", ends=False)
        assert wait_until(lambda: found.recorder.is_busy)
        found.recorder.stop()
        assert [each.problem for each in found.requests] == [
            "the capture ended before its body was whole"
        ]
