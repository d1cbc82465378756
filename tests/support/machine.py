"""A machine in a folder: home, root, PATH, clock and entropy of a test's choosing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import forking
from tests.support.forking import Ended
from usagectl.machine.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from usagectl.consent import Consent
    from usagectl.preview import Preview

NOW = datetime(2026, 11, 23, 6, 30, 0, 123456, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parents[2]

DEAD_PROXY = "http://127.0.0.1:9"
"""Nothing listens there: whatever would reach another host is refused on this one."""

_TELLING_PREFIXES = ("AWS_", "LOCALSTACK_", "LSTK_", "USAGECTL_", "XDG_", "CONFIG_")
_TELLING = (
    "DISABLE_EVENTS",
    "DO_NOT_TRACK",
    "ANALYTICS_API",
    "CI",
    "NO_COLOR",
    "FORCE_COLOR",
    "OVERRIDE_IN_DOCKER",
    "CACHE_DIR",
    "FILESYSTEM_ROOT",
    "DOCKER_HOST",
    "GITHUB_ACTIONS",
)


_LIBRARIES = "httpx, platformdirs, rich.live, rich.table, sqlite3, tomlkit, typer, uvicorn"


def run_usagectl(
    *arguments: str, variables: Mapping[str, str], cwd: Path, stdin: bytes = b""
) -> Ended:
    """Run the command line in a process of its own, to its end."""
    if forking.suits(variables):
        host = forking.host_of(sys.executable, _LIBRARIES)
        code = "from usagectl.__main__ import main; main()"
        return host.run(code, *arguments, variables=variables, cwd=cwd, stdin=stdin)
    done = subprocess.run(
        [sys.executable, "-m", "usagectl", *arguments],
        env=dict(variables),
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def cleared_variables() -> tuple[str, ...]:
    """List the variables of this process that would change an answer."""
    return tuple(
        name for name in os.environ if name in _TELLING or name.startswith(_TELLING_PREFIXES)
    )


@dataclass(frozen=True)
class Outcome:
    """What a run of the command line gave: exit status, stdout, stderr."""

    status: int
    stdout: str
    stderr: str

    @property
    def envelope(self) -> dict[str, Any]:
        """Parse the JSON envelope."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document

    @property
    def data(self) -> dict[str, Any]:
        """Return the envelope's data."""
        data = self.envelope["data"]
        assert isinstance(data, dict)
        return data


@dataclass
class Machine:
    """A machine below one folder."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    system: str = "Linux"

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.root = self.folder / "root"  # Stands for `/` where marker files are looked for.
        self.bin = self.folder / "bin"  # The only folder on PATH.
        self.cwd = self.folder / "work"
        self.config_dir = self.folder / "config"
        self.state_dir = self.folder / "state"
        # LocalStack's default profile, and the identity file of its command line.
        self.default_profile = self.home / ".localstack" / "default.env"
        self.machine_json = self.home / ".cache" / "localstack-cli" / "machine.json"
        for path in (self.home, self.root, self.bin, self.cwd, self.folder / "tmp"):
            path.mkdir(parents=True, exist_ok=True)

    def environment(self, **overrides: Any) -> Environment:  # noqa: ANN401
        """Return this machine as the value that the library takes; members can be replaced."""
        members: dict[str, Any] = {
            "variables": {
                "HOME": str(self.home),
                "PATH": str(self.bin),
                "HTTP_PROXY": DEAD_PROXY,
                "HTTPS_PROXY": DEAD_PROXY,
                **self.variables,
            },
            "cwd": self.cwd,
            "account_home": self.home,
            "config_dir": self.config_dir,
            "state_dir": self.state_dir,
            "system": self.system,
            "release": "6.1.0-test",
            "machine": "x86_64",
            "host_name": "testhost",
            "root": self.root,
            "now": lambda: NOW,
            "entropy": os.urandom,
            "uid": os.geteuid(),
        }
        return Environment(**{**members, **overrides})

    def process_variables(self) -> dict[str, str]:
        """Return the variables for a real process on this machine.

        OVERRIDE_IN_DOCKER=0, since the process sees the real root, which may be a container's.
        """
        return {
            "HOME": str(self.home),
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "USAGECTL_CONFIG_DIR": str(self.config_dir),
            "USAGECTL_STATE_DIR": str(self.state_dir),
            "OVERRIDE_IN_DOCKER": "0",
            "TMPDIR": str(self.folder / "tmp"),
            "HTTP_PROXY": DEAD_PROXY,
            "HTTPS_PROXY": DEAD_PROXY,
            # LocalStack 1.x kept its file below the real /tmp: a developer may have one.
            "CACHE_DIR": str(self.folder / "old-cache"),
            # As root dlt has its files below the real /var.
            "DLT_DATA_DIR": str(self.home / ".dlt"),
            "PYTHONPATH": str(REPOSITORY),
            **self.variables,
        }

    def run(
        self,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Outcome:
        """Run the command line in a process of its own."""
        given = {**self.process_variables(), **(variables or {})}
        status, stdout, stderr = run_usagectl(
            *arguments, variables=given, cwd=self.cwd, stdin=stdin
        )
        return Outcome(status, stdout.decode(), stderr.decode())

    def install_program(self, name: str, text: str = "#!/bin/sh\nexit 0\n") -> Path:
        """Put a program on PATH."""
        file = self.bin / name
        file.write_text(text)
        file.chmod(0o755)
        return file

    def install_localstack(self, version: str = "4.12.0") -> None:
        """Lay out a virtual environment with LocalStack's metadata, and its command on PATH."""
        venv = self.folder / "venv"
        info = (
            venv / "lib" / "python3.11" / "site-packages" / f"localstack_core-{version}.dist-info"
        )
        info.mkdir(parents=True)
        (venv / "bin").mkdir()
        program = venv / "bin" / "localstack"
        program.write_text(f"#!{venv}/bin/python\n")
        program.chmod(0o755)
        (self.bin / "localstack").symlink_to(program)


Machines = Callable[[], Machine]
"""Makes a machine for each row of a test's data."""


def codes(found: Consent | Preview) -> list[str]:
    """List the codes of the warnings on a verdict or a preview."""
    return [caution.code for caution in found.cautions]
