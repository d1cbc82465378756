"""Tests of the questions of `preview --live`: to Docker, and to a running instance."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import endpoint as loopback
from tests.support.endpoint import Endpoint, always
from usagectl import live
from usagectl.delivery.requests import TOO_LATE
from usagectl.delivery.transport import MAX_BODY_BYTES
from usagectl.live import NotAnsweringError, get_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.endpoint import Behaviour
    from tests.support.machine import Machine

LONG = 10.0
SHORT = 0.3
INFO = b'{"version": "4.14.0", "session_id": "s", "machine_id": "gen_1", "edition": "pro"}'
posix = pytest.mark.skipif(sys.platform == "win32", reason="the fake program is a shell script")


def test_a_live_question_is_one_plain_get(machine: Machine) -> None:
    """A running instance's info becomes a mapping; no credential or cookie goes along."""
    with Endpoint(always(200, INFO)) as there:
        assert get_json(f"{there.base}/info", timedelta(seconds=LONG)) == json.loads(INFO)
        url = f"http://127.0.0.1:{there.port}/_localstack/info"
        answer, problems = live.ask(machine.environment(), url)
    assert answer.instance == json.loads(INFO)
    assert [problem.code for problem in problems] == ["docker-not-answering"]
    assert [(each.method, each.path) for each in there.received] == [
        ("GET", "/v1/info"),
        ("GET", "/_localstack/info"),
    ]
    names = {name.lower() for each in there.received for name in each.headers}
    assert not names & {"cookie", "authorization"}


def test_a_live_question_always_ends_with_a_reason() -> None:
    """Whatever a server does, the question ends in time, never with a traceback."""
    table: list[tuple[Behaviour, str]] = [
        (loopback.drips(b"HTTP/1.1 200 OK\r\n\r\n"), TOO_LATE),
        (always(500), "status 500"),
        (always(404, b"{}"), "status 404"),
        (always(302, location="http://127.0.0.1:9/"), "status 302"),
        (always(200, b"not json"), "the answer is not JSON"),
        (always(200, b"\xff\xfe{"), "the answer is not JSON"),
        (always(200, b"[" * 100_000), "the answer is not JSON"),
        (always(200, b"[]"), "the answer is no JSON object"),
        (always(200, b"null"), "the answer is no JSON object"),
        (always(200, b""), "the answer is not JSON"),
        (always(200, b" " * (MAX_BODY_BYTES + 1)), f"it is larger than {MAX_BODY_BYTES} bytes"),
        (lambda connection, _: connection.socket.shutdown(2), "what it answers is not HTTP, or"),
    ]
    wrong = []
    for number, (behave, reason) in enumerate(table):
        with Endpoint(behave) as there:
            seconds = SHORT if reason == TOO_LATE else LONG
            with pytest.raises(NotAnsweringError) as raised:
                get_json(f"{there.base}/info", timedelta(seconds=seconds))
        told = f"{there.base}/info gave no answer: {reason}"
        if not raised.value.message.startswith(told) or raised.value.code != "not-answering":
            wrong.append((number, raised.value.message))
    assert wrong == []


def test_only_loopback_is_asked_a_live_question() -> None:
    """An address elsewhere, or any name, is refused before a socket is made."""
    for url in (
        "http://192.0.2.1/",
        "http://example.invalid/",
        "http://[2001:db8::1]/",
        "http:///",
    ):
        with pytest.raises(ValueError, match=r"loopback|address"):
            get_json(url, timedelta(seconds=LONG))
    with Endpoint() as there:
        pass
    with pytest.raises(NotAnsweringError, match="nothing listens there"):
        get_json(there.base, timedelta(seconds=LONG))


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
    """No program, one that fails, and anything but a JSON object: there is no daemon."""
    with pytest.raises(live.DockerNotAnsweringError, match="not on PATH"):
        live.docker_info(machine.environment())
    machine.variables["PATH"] = f"{machine.bin}:{os.defpath}"
    for script in (
        "#!/nowhere/at/all",
        "#!/bin/sh\nexit 1",
        "#!/bin/sh\necho '[]'",
        "#!/bin/sh\necho nonsense",
        "#!/bin/sh\nprintf '\\377'",
        "#!/bin/sh\nprintf '%0100000d' 0 | tr 0 '['",
        '#!/bin/sh\necho \'{"ID": "x"}\'; exit 1',
    ):
        machine.install_program("docker", f"{script}\n")
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


@posix
def test_a_docker_elsewhere_is_not_asked(machine: Machine) -> None:
    """Nothing leaves the machine: a Docker that is not on it is left alone."""
    machine.install_program("docker", f"#!/bin/sh\n: > {machine.folder}/asked\necho '{{}}'\n")
    meta = machine.home / ".docker/contexts/meta" / hashlib.sha256(b"far").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    (machine.home / ".docker/config.json").write_text('{"currentContext": "far"}')
    for variables, host in (
        ({"DOCKER_HOST": "tcp://203.0.113.5:2375"}, None),
        ({"DOCKER_CONTEXT": "far"}, "tcp://203.0.113.5:2375"),
        ({}, "ssh://me@203.0.113.5"),
    ):
        machine.variables = variables
        meta.unlink(missing_ok=True)
        if host:
            meta.write_text(json.dumps({"Endpoints": {"docker": {"Host": host}}}))
        with pytest.raises(live.DockerNotAnsweringError):
            live.docker_info(machine.environment())
        assert not (machine.folder / "asked").exists()
    machine.variables = {"DOCKER_HOST": "unix:///x"}
    assert live.docker_info(machine.environment()) == {}
    assert (machine.folder / "asked").exists()


INSTANCE = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def started(words: list[str], variables: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Run a program that prints its port, and end it whatever happens; give its ID and port."""
    with subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")
def test_what_an_instance_was_started_with_is_read_in_proc(machine: Machine) -> None:
    """The variables of the process that listens count, in `preview` too, and not the shell's."""
    variables = {"CI": "1", "LOCALSTACK_AUTH_TOKEN": "ls-x", "ANALYTICS_API": "http://127.0.0.1:9"}
    words = [sys.executable, "-c", INSTANCE, INFO.decode()]
    with started(words, variables) as (process, port):
        url = f"http://127.0.0.1:{port}/_localstack/info"
        real = machine.environment(root=Path("/"))
        found, _ = live.ask(real, "http://127.0.0.1:1/", url)
        assert (found.started_with, found.told_by) == (variables, f"/proc/{process}/environ")
        assert time.time() - 60 < found.started_at <= time.time()
        hidden, _ = live.ask(machine.environment(), url)
        done = machine.run(
            *("preview", "localstack", "--live", "--json", "--reveal"),
            variables={"GATEWAY_LISTEN": f":{port}", "DISABLE_EVENTS": "1"},
        )
    assert (hidden.started_with, hidden.instance) == (None, json.loads(INFO))
    (request,) = done.data["requests"]
    payload = json.loads(request["body"])["payload"]
    assert (payload["api_key"], payload["is_ci"], request["part"]) == ("ls-x", True, "container")
    assert done.data["would_send"] is True


@posix
def test_what_a_container_was_started_with_is_asked_of_docker(machine: Machine) -> None:
    """The one container that publishes the port; several, or none, tell nothing."""
    machine.variables["PATH"] = f"{machine.bin}:{os.defpath}"
    script = """#!/bin/sh
    case "$1" in
    info) echo '{"ID": "D:1"}' ;;
    ps) [ "$3" = publish=%d ] && echo %s ;;
    inspect) [ "$4" = abc ] && echo '["CI=", "A=b=c", "odd"]' ;;
    esac
    """
    told = []
    with Endpoint(always(200, INFO)) as there:
        for ids in ("abc", "'abc def'", "", "other"):
            machine.install_program("docker", script % (there.port, ids))
            found, _ = live.ask(machine.environment(), f"{there.base}/info")
            told.append((found.started_with, found.is_container))
    assert told == [({"CI": "", "A": "b=c"}, True), *[(None, False)] * 3]


def test_what_is_on_this_machine() -> None:
    """A local socket and a loopback port are here; everything else is elsewhere."""
    table = {
        "unix:///var/run/docker.sock": True,
        "npipe:////./pipe/docker_engine": True,
        "tcp://127.0.0.1:2375": True,
        "tcp://localhost:2375": True,
        "tcp://[::1]:2375": True,
        "tcp://127.evil.example:2375": False,
        "tcp://10.0.0.5:2375": False,
        "ssh://me@far": False,
        "tcp://[bad": False,
        "": False,
    }
    assert {address: live.is_on_this_machine(address) for address in table} == table
