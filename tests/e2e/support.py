"""Run the real client and usagectl side by side, in a folder and an environment of their own."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from tests.support.endpoint import Endpoint, Received
from tests.support.forking import RUN_FILE, Ended, host_of
from tests.support.machine import REPOSITORY, run_usagectl

CLIENT_VERSION: Final = "4.12.0"
DEAD_ENDPOINT: Final = "http://127.0.0.1:1"  # a port only root could listen on, and nobody does
IS_WHOLE: Final = os.environ.get("USAGECTL_E2E_ALL") == "1"  # each client a process of its own
LIBRARIES: Final = (
    "cachetools, click, cryptography.x509, dns.resolver, dnslib, dotenv, jwt, multiprocessing, "
    "plux, requests, rich.console, rich.table, yaml"
)
ROOT_MARK: Final = "{root}"  # stands for the sandbox's folder in values, paths and contents
RUN_LIMIT_SECONDS: Final = 120.0  # far beyond any run; only a program that hangs meets it


@contextmanager
def listening() -> Iterator[Endpoint]:
    """Listen on loopback; at the end all that reached the machine has been read."""
    with Endpoint() as endpoint:
        yield endpoint
        endpoint.settle()


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link; the target may hold `{root}`."""

    target: str


@dataclass(frozen=True, slots=True)
class Folder:
    """An empty folder where a file is expected."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file without any permission."""

    content: bytes


@dataclass(frozen=True, slots=True)
class LockedFolder:
    """A folder without any permission, with files in it."""

    files: Mapping[str, bytes]


# Variables to set, and with None to leave out; values may hold `{root}`.
Changes: TypeAlias = Mapping[str, str | None]
Entry: TypeAlias = bytes | Symlink | Folder | Unreadable | LockedFolder


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A folder tree that stands for a person's machine: home, work, cache, tmp."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("home", "work", "cache", "tmp", "config", "state", "data"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @property
    def work_dir(self) -> Path:
        """Where commands are run."""
        return self.root / "work"

    @property
    def machine_file(self) -> Path:
        """Where the client on a host keeps its machine ID."""
        return self.root / "cache" / "localstack-cli" / "machine.json"

    def fill(self, text: str) -> str:
        """Put the sandbox's folder in the place of `{root}`."""
        return text.replace(ROOT_MARK, str(self.root))

    def write(self, path: str, entry: Entry) -> Path:
        """Create one file, link or folder, with the folders above it; answer its path."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        match entry:
            case bytes():
                target.write_bytes(entry.replace(ROOT_MARK.encode(), os.fsencode(self.root)))
            case Symlink():
                target.symlink_to(self.fill(entry.target))
            case Folder():
                target.mkdir()
            case Unreadable():
                target.write_bytes(entry.content)
                target.chmod(0)
            case LockedFolder():
                target.mkdir()
                for name, content in entry.files.items():
                    (target / name).write_bytes(content)
                target.chmod(0)
        return target

    def environment(
        self, client: "Client", *, endpoint: str = DEAD_ENDPOINT, changes: Changes
    ) -> dict[str, str]:
        """Build the whole environment of a process: nothing of this process is inherited.

        `PATH` holds the client's own venv and so no Docker. Whatever would talk to
        another host is turned to `endpoint` or to a loopback port where nobody listens.
        """
        base = {
            "PATH": str(client.bin_dir),
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            **{
                f"XDG_{kind.upper()}_HOME": str(self.root / kind)
                for kind in ("cache", "config", "state", "data")
            },
            "OVERRIDE_IN_DOCKER": "0",
            "DOCKER_BRIDGE_IP": "127.0.0.1",  # unset, a client in a container pings for it
            "DOCKER_HOST": DEAD_ENDPOINT.replace("http", "tcp"),
            "ANALYTICS_API": endpoint,
            "API_ENDPOINT": DEAD_ENDPOINT,
            **dict.fromkeys(
                ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), DEAD_ENDPOINT
            ),
            "NO_PROXY": "127.0.0.1,localhost",
        }
        changed = {**base, **changes}
        return {name: self.fill(value) for name, value in changed.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Run:
    """How one process ended, and what it sent meanwhile."""

    status: int
    stdout: str
    stderr: str
    requests: tuple[Received, ...] = ()
    connections: int = 0

    @classmethod
    def of(cls, ended: Ended) -> Self:
        """Decode what a program wrote; odd bytes are part of the tests and must not stop that."""
        out, err = (each.decode(errors="backslashreplace") for each in ended[1:])
        return cls(ended.status, out, err)

    @property
    def last_line(self) -> str:
        """The last line of stderr: the reason, when a program failed."""
        lines = self.stderr.strip().splitlines()
        return lines[-1] if lines else ""


def run_process(command: list[str], *, env: dict[str, str], cwd: Path) -> Run:
    """Run a program to its end, without a terminal."""
    done = subprocess.run(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=RUN_LIMIT_SECONDS,
        check=False,
    )
    return Run.of(Ended(done.returncode, done.stdout, done.stderr))


@dataclass(frozen=True, slots=True)
class Client:
    """The real LocalStack CLI, in a venv of its own."""

    venv_dir: Path

    @property
    def bin_dir(self) -> Path:
        """The folder of its programs."""
        return self.venv_dir / "bin"

    def config_show(self, sandbox: Sandbox, changes: Changes | None = None) -> Run:
        """Run `localstack config show` against a loopback server; tell what arrived there."""
        words = [str(self.bin_dir / "localstack"), "config", "show", "--format", "plain"]
        with listening() as server:
            env = sandbox.environment(self, endpoint=server.base, changes=changes or {})
            if IS_WHOLE:
                run = run_process(words, env=env, cwd=sandbox.work_dir)
            else:
                host = host_of(str(self.bin_dir / "python"), LIBRARIES)
                run = Run.of(host.run(RUN_FILE, *words, variables=env, cwd=sandbox.work_dir))
        return replace(run, requests=tuple(server.received), connections=server.accepted)

    def evaluate(
        self,
        code: str,
        sandbox: Sandbox,
        changes: Changes,
        *,
        endpoint: str = DEAD_ENDPOINT,
    ) -> Any:  # noqa: ANN401  (JSON)
        """Run Python code in the client's venv, as its CLI would, and answer the JSON it prints."""
        env = sandbox.environment(self, endpoint=endpoint, changes=changes)
        env["LOCALSTACK_CLI"] = "1"  # the client's main() sets it before anything else
        host = host_of(str(self.bin_dir / "python"), LIBRARIES)
        run = Run.of(host.run(code, variables=env, cwd=sandbox.work_dir))
        assert run.status == 0, run.stderr
        return json.loads(run.stdout.splitlines()[-1])


def is_switched_off(run: Run) -> bool | None:
    """Return what the client itself says of `DISABLE_EVENTS`; None when it crashed before."""
    if run.status != 0:
        return None
    values = dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)
    return {"True": True, "False": False}[values["DISABLE_EVENTS"].strip()]


@dataclass(frozen=True, slots=True)
class Usagectl:
    """usagectl's command line, run as a person would, as a process of its own."""

    client: Client

    def run(
        self,
        sandbox: Sandbox,
        *arguments: str,
        changes: Changes | None = None,
        endpoint: str = DEAD_ENDPOINT,
    ) -> Run:
        """Run one command in the client's environment."""
        env = sandbox.environment(self.client, endpoint=endpoint, changes=changes or {})
        env["PYTHONPATH"] = str(REPOSITORY)
        return Run.of(run_usagectl(*arguments, variables=env, cwd=sandbox.work_dir))


def read_data(run: Run) -> dict[str, Any]:
    """Take the `data` object out of a JSON answer."""
    answer = json.loads(run.stdout)
    assert answer["schema"] == 1
    data = answer["data"]
    assert isinstance(data, dict)
    return data
