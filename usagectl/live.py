"""Answers of running programs for `preview --live`: Docker, and the tool's own instance.

Both are on this machine. Nothing else in usagectl asks a running program.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from usagectl.delivery.requests import NoAnswerError, Post
from usagectl.delivery.transport import Transport
from usagectl.endpoint import is_loopback, port_of
from usagectl.errors import FileUnreadableError, UsagectlError
from usagectl.machine import files, listeners
from usagectl.tools.base import find_executable
from usagectl.tools.previews import Live

if TYPE_CHECKING:
    from pathlib import Path

    from usagectl.machine.environment import Environment

INSTANCE_TIMEOUT = timedelta(seconds=1)
DOCKER_TIMEOUT = timedelta(seconds=3)
_NO_DAEMON = "its daemon does not run"


class NotAnsweringError(UsagectlError):
    """A program of this machine that gave no useful answer."""

    code = "not-answering"
    exit_status = 1
    hint_of = "localstack start -d"

    def __init__(self, who: str, *, reason: str) -> None:
        super().__init__(f"{who} gave no answer: {reason}.", hint=self.hint_of)


class DockerNotAnsweringError(NotAnsweringError):
    """Docker is not here, or its daemon gave no answer."""

    code = "docker-not-answering"
    hint_of = "docker info"


def ask(environment: Environment, *urls: str) -> tuple[Live, list[UsagectlError]]:
    """Ask Docker for its `info`, and an instance for the JSON at the first URL that answers.

    A program that does not answer leaves an empty mapping and a problem.
    """
    found = Live()
    problems: list[UsagectlError] = []
    try:
        found = found._replace(docker=docker_info(environment))
    except NotAnsweringError as error:
        problems.append(error)
    silent: list[UsagectlError] = []
    for url in urls:
        try:
            found = found._replace(instance=get_json(url, INSTANCE_TIMEOUT))
        except NotAnsweringError as error:
            silent.append(error)
            continue
        return _with_variables(environment, found, port_of(url)), problems
    return found, [*problems, *silent[:1]]


def _with_variables(environment: Environment, found: Live, port: int) -> Live:
    """Add what the instance behind a port was started with, as Docker or the system tells it."""
    if found.docker and (given := _container_variables(environment, port)) is not None:
        return found._replace(started_with=given, told_by="docker inspect", is_container=True)
    if listener := listeners.find(environment, port):
        told_by = f"/proc/{listener.process_id}/environ"
        found = found._replace(started_with=listener.variables, told_by=told_by)
        return found._replace(started_at=listener.started_at)
    return found


def _container_variables(environment: Environment, port: int) -> dict[str, str] | None:
    """Return the variables of the one container that publishes a port; None without one."""
    try:
        ids = _run_docker(environment, "ps", "--filter", f"publish={port}", "--format", "{{.ID}}")
        (container,) = ids.decode().split()
        text = _run_docker(environment, "inspect", "--format", "{{json .Config.Env}}", container)
        given = json.loads(text)
    except (NotAnsweringError, ValueError, RecursionError):
        return None
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        return None
    return {name: value for name, equals, value in (e.partition("=") for e in given) if equals}


def get_json(url: str, timeout: timedelta) -> dict[str, object]:
    """Ask a loopback address for a JSON object; the time limit is for the whole answer.

    Raises:
        NotAnsweringError: nothing listens, it took too long, or the answer is
            not an object, or larger than a mebibyte.
    """
    if not is_loopback(url):
        message = "the URL does not name a loopback address"
        raise ValueError(message)
    try:
        with closing(Transport(url)) as transport:
            question = Post(url, {"Accept": "application/json", "Accept-Encoding": "identity"}, b"")
            deadline = time.monotonic() + timeout.total_seconds()
            answer = transport.send(question, deadline, method="GET")
    except NoAnswerError as error:
        raise NotAnsweringError(url, reason=error.reason) from error
    if not answer.is_success:
        raise NotAnsweringError(url, reason=f"status {answer.status}")
    if answer.problem:
        raise NotAnsweringError(url, reason=answer.problem)
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise NotAnsweringError(url, reason="the answer is not JSON") from error
    if not isinstance(document, dict):
        raise NotAnsweringError(url, reason="the answer is no JSON object")
    return document


def docker_info(environment: Environment) -> dict[str, object]:
    """Ask Docker as LocalStack's client does: `docker info` as JSON.

    Raises:
        DockerNotAnsweringError: no Docker, no daemon, or no answer in time.
    """
    try:
        document = json.loads(_run_docker(environment, "info", "--format", "{{json .}}"))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise DockerNotAnsweringError("Docker", reason=_NO_DAEMON)
    return document


def _run_docker(environment: Environment, *arguments: str) -> bytes:
    """Run Docker's client, if its daemon is on this machine, and return what it prints.

    Raises:
        DockerNotAnsweringError: no Docker, no daemon, or no answer in time.
    """
    import subprocess

    words = (environment.variables.get("DOCKER_CMD", "").strip() or "docker").split()
    if not is_on_this_machine(docker_host(environment)):
        reason = "DOCKER_HOST or its context names another machine, so it was not asked"
    elif find_executable(words[0], environment) is None:
        reason = "it is not on PATH"
    else:
        reason = _NO_DAEMON
        try:
            done = subprocess.run(  # noqa: S603  (the program is the user's own DOCKER_CMD)
                [*words, *arguments],
                env=dict(environment.variables),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=DOCKER_TIMEOUT.total_seconds(),
                check=True,
            )
        except subprocess.TimeoutExpired:
            reason = "it took too long"
        except (OSError, subprocess.CalledProcessError):
            pass
        else:
            return done.stdout
    raise DockerNotAnsweringError("Docker", reason=reason)


def docker_host(environment: Environment) -> str:
    """Return the address that Docker's client would talk to, read from its own files.

    Returns:
        A URL; empty when a context is chosen that cannot be read.
    """
    variables = environment.variables
    if variables.get("DOCKER_HOST"):
        return variables["DOCKER_HOST"]
    home = environment.home or environment.cwd
    folder = environment.cwd / (variables.get("DOCKER_CONFIG") or home / ".docker")
    chosen = variables.get("DOCKER_CONTEXT") or _member(folder / "config.json", "currentContext")
    if chosen in (None, "", "default"):
        return "unix:///var/run/docker.sock"
    name = hashlib.sha256(str(chosen).encode()).hexdigest()
    host = _member(folder / "contexts" / "meta" / name / "meta.json", "Endpoints", "docker", "Host")
    return host if isinstance(host, str) else ""


def is_on_this_machine(address: str) -> bool:
    """True if an address of Docker's is a local socket or a loopback port."""
    if address.startswith(("unix://", "npipe://")):
        return True
    return is_loopback(address)


def _member(file: Path, *keys: str) -> object:
    """Read one member of a JSON file; None if it is missing."""
    try:
        found: object = json.loads(files.read_bytes(file) or b"{}")
    except (FileUnreadableError, ValueError, RecursionError):
        return None
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found
