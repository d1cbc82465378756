"""Tests of the questions of `preview --live`, against a real server and real programs."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from usagectl import live
from usagectl.delivery import transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.machine import Machine

    Speak = Callable[[socket.socket], None]

LONG = timedelta(seconds=10)
SHORT = timedelta(seconds=0.3)
INFO = b'{"version": "4.14.0", "session_id": "s", "machine_id": "gen_1", "edition": "pro"}'
posix = pytest.mark.skipif(sys.platform == "win32", reason="the fake program is a shell script")


class Server:
    """A loopback server that says exactly the given bytes, in the given way."""

    def __init__(self, speak: Speak) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._speak = speak
        self._is_over = threading.Event()
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        """Name the port."""
        port = self._listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    @property
    def url(self) -> str:
        """Name the address that is asked."""
        return f"http://127.0.0.1:{self.port}/_localstack/info"

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if self._is_over.is_set():
                    return
                self.requests.append(connection.recv(65536))
                try:
                    self._speak(connection)
                except OSError:  # The client has gone.
                    continue

    def close(self) -> None:
        """End it."""
        self._is_over.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()


@contextmanager
def serving(speak: Speak) -> Iterator[Server]:
    """Run a server for a while."""
    server = Server(speak)
    try:
        yield server
    finally:
        server.close()


def says(body: bytes, *, status: str = "200 OK", headers: str = "") -> Speak:
    """Answer with one whole response."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
    return lambda connection: connection.sendall(head + body)


def drips(text: bytes) -> Speak:
    """Answer a byte at a time, each well within any limit, for ever."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(text)
        while True:
            threading.Event().wait(0.02)
            connection.sendall(b"a")

    return speak


def hangs(connection: socket.socket) -> None:
    """Say nothing until the other side goes."""
    connection.recv(1)


def question(machine: Machine, url: str, timeout: timedelta = LONG) -> tuple[object, str]:
    """Ask an instance; give what it said, and the reason why it said nothing."""
    answer, problems = live.ask(machine.environment(), url, timeout=timeout)
    assert problems[0].code == "docker-not-answering"
    assert all((each.code, each.exit_status) == ("not-answering", 1) for each in problems[1:])
    return answer.instance, "".join(each.message for each in problems[1:])


def test_an_answer_is_read(machine: Machine) -> None:
    """A running instance's info becomes a mapping; the question is one plain GET."""
    with serving(says(INFO)) as server:
        assert question(machine, server.url) == (json.loads(INFO), "")
    (request,) = server.requests
    assert request.startswith(b"GET /_localstack/info HTTP/1.1")
    assert not any(word in request.lower() for word in (b"cookie", b"authorization"))


NO_ANSWERS: tuple[tuple[Speak, str], ...] = (
    (hangs, "it took too long"),
    (drips(b"HTTP/1.1 200 OK\r\nX: "), "it took too long"),
    (drips(b"HTTP/1.1 200 OK\r\n\r\n"), "it took too long"),
    (drips(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"), "it took too long"),
    (says(b"x", status="500 Oops"), "status 500"),
    (says(b"{}", status="404 No"), "status 404"),
    (says(b"not json"), "the answer is not JSON"),
    (says(b"\xff\xfe{"), "the answer is not JSON"),
    (says(b"[" * 100_000), "the answer is not JSON"),
    (says(b"[]"), "the answer is no JSON object"),
    (says(b"null"), "the answer is no JSON object"),
    (says(b""), "the answer is not JSON"),
    (says(b" " * (transport.MAX_ANSWER_BYTES + 1)), "larger than"),
    (lambda connection: connection.sendall(b"\0\0garbage\r\n\r\n"), "is not HTTP"),
    (lambda connection: connection.close(), "ends too soon"),
)


def test_what_is_no_answer_is_said(machine: Machine) -> None:
    """Whatever a server does, the question ends in time with a reason, never with a traceback."""
    wrong = []
    for speak, reason in NO_ANSWERS:
        with serving(speak) as server:
            timeout = SHORT if "long" in reason else LONG
            answer, message = question(machine, server.url, timeout)
        if answer or reason not in message:
            wrong.append((reason, answer, message))
    assert wrong == []


def test_time_that_is_up_before_the_connection_counts_too(machine: Machine) -> None:
    """A limit that ends while the connection is made still ends the question."""
    with serving(drips(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        for limit in (timedelta(microseconds=1), timedelta(milliseconds=1)):
            for _ in range(20):
                assert "took too long" in question(machine, server.url, limit)[1]


def test_a_redirect_is_not_followed(machine: Machine) -> None:
    """An instance that sends elsewhere is no answer: nothing but loopback is ever asked."""
    with serving(says(INFO)) as target:
        headers = f"Location: {target.url}\r\n"
        with serving(says(b"", status="302 Found", headers=headers)) as server:
            assert "status 302" in question(machine, server.url)[1]
        assert target.requests == []


def test_nothing_listening_is_said(machine: Machine) -> None:
    """A closed port is refused at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "nothing listens there" in question(machine, f"http://127.0.0.1:{port}/")[1]


def test_only_loopback_is_asked(machine: Machine) -> None:
    """An address elsewhere, or any name, is refused before a socket is made."""
    for host in ("192.0.2.1", "example.invalid", "[2001:db8::1]", ""):
        with pytest.raises(ValueError, match=r"loopback|address"):
            live.ask(machine.environment(), f"http://{host}/")


def test_proxies_of_the_environment_are_passed_by(machine: Machine) -> None:
    """A question to this machine goes to this machine, whatever proxy is set."""
    with serving(says(b"{}")) as proxy, serving(says(INFO)) as server:
        address = f"http://127.0.0.1:{proxy.port}"
        names = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OUTBOUND_HTTP_PROXY")
        done = machine.run(
            "preview",
            "localstack",
            "--live",
            "--json",
            variables={
                **dict.fromkeys(names, address),
                "GATEWAY_LISTEN": f"127.0.0.1:{server.port}",
                "PATH": str(machine.bin),
            },
        )
    assert done.status == 0
    assert [request["part"] for request in done.data["requests"]] == ["cli", "container"]
    assert (len(server.requests), proxy.requests) == (1, [])


DOCKER = {"ID": "D:1", "OSType": "linux", "OperatingSystem": "Debian"}


@posix
def test_docker_is_asked_as_the_client_does(machine: Machine) -> None:
    """`docker info` as JSON; its stdin is closed, so that it cannot eat the user's."""
    note = machine.folder / "asked"
    machine.install_program(
        "docker", f"#!/bin/sh\ncat\necho \"$@\" > {note}\ncat <<'X'\n{json.dumps(DOCKER)}\nX\n"
    )
    machine.variables["PATH"] = f"{machine.bin}:{os.defpath}"
    assert live.docker_info(machine.environment()) == DOCKER
    assert note.read_text() == "info --format {{json .}}\n"


@posix
def test_docker_cmd_names_another_program(machine: Machine) -> None:
    """DOCKER_CMD is the client's own variable for podman and the like, with words."""
    machine.install_program("podman", f"#!/bin/sh\n[ $1 = --x ] && echo '{json.dumps(DOCKER)}'\n")
    machine.variables["DOCKER_CMD"] = "podman --x"
    assert live.docker_info(machine.environment())["ID"] == "D:1"


@posix
def test_a_docker_that_does_not_run_is_said(machine: Machine) -> None:
    """A failing program and anything but a JSON object mean that there is no daemon."""
    machine.variables["PATH"] = f"{machine.bin}:{os.defpath}"
    for script in (
        "exit 1",
        "echo '[]'",
        "echo nonsense",
        "printf '\\377'",
        "printf '%0100000d' 0 | tr 0 '['",
        'echo \'{"ID": "x"}\'; exit 1',
    ):
        machine.install_program("docker", f"#!/bin/sh\n{script}\n")
        with pytest.raises(live.DockerNotAnsweringError, match="does not run"):
            live.docker_info(machine.environment())


@posix
def test_no_docker_and_a_file_that_is_none(machine: Machine) -> None:
    """Without a program there is nothing to ask; a file that cannot be run is none."""
    with pytest.raises(live.DockerNotAnsweringError, match="not on PATH"):
        live.docker_info(machine.environment())
    machine.install_program("docker", "#!/nowhere/at/all\n")
    with pytest.raises(live.DockerNotAnsweringError, match="does not run"):
        live.docker_info(machine.environment())


@posix
def test_a_hanging_docker_is_left(machine: Machine) -> None:
    """A daemon that does not answer costs the limit and no more; preview still answers."""
    machine.install_program("docker", "#!/bin/sh\nexec sleep 60\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = machine.run(
        "preview", "localstack", "--live", "--json", variables={"EDGE_PORT": str(port)}
    )
    assert done.status == 0
    assert "took too long. (docker-not-answering)" in done.data["notices"][0]
    assert "(not-answering)" in done.data["notices"][1]
    assert [request["part"] for request in done.data["requests"]] == ["cli"]


def test_a_docker_elsewhere_is_not_asked(machine: Machine) -> None:
    """Nothing leaves the machine: a Docker that is not on it is left alone."""
    asked = machine.folder / "asked"
    machine.install_program("docker", f"#!/bin/sh\n: > {asked}\necho '{{}}'\n")
    meta = machine.home / ".docker/contexts/meta" / hashlib.sha256(b"far").hexdigest()
    meta.mkdir(parents=True)
    (machine.home / ".docker/config.json").write_text(json.dumps({"currentContext": "far"}))
    elsewhere = "tcp://203.0.113.5:2375"
    cases: tuple[tuple[dict[str, str], str | None], ...] = (
        ({"DOCKER_HOST": elsewhere}, None),
        ({"DOCKER_CONTEXT": "far"}, elsewhere),
        ({}, "ssh://me@203.0.113.5"),
        ({}, None),
    )
    for variables, context in cases:
        machine.variables = variables
        endpoints = {"Endpoints": {"docker": {"Host": context}}} if context else {}
        (meta / "meta.json").write_text(json.dumps(endpoints))
        with pytest.raises(live.DockerNotAnsweringError):
            live.docker_info(machine.environment())
        assert not asked.exists(), variables
    machine.variables = {"DOCKER_HOST": "unix:///x"}
    assert live.docker_info(machine.environment()) == {}
    assert asked.exists()


def test_what_is_on_this_machine() -> None:
    """A local socket and a loopback port are here; everything else is elsewhere."""
    here = (
        *("unix:///var/run/docker.sock", "npipe:////./pipe/docker_engine"),
        *("tcp://127.0.0.1:2375", "tcp://localhost:2375", "tcp://[::1]:2375"),
    )
    far = ("tcp://127.evil.example:2375", "tcp://10.0.0.5:2375", "ssh://me@far", "tcp://[bad", "")
    assert [address for address in here if not live.is_on_this_machine(address)] == []
    assert [address for address in far if live.is_on_this_machine(address)] == []
