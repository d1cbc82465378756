"""The command tree, an example of every command, and runs inside this process.

A command without an example here fails `test_cli_contract`.
"""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from tests.support.machine import Outcome
from usagectl import cli, spool
from usagectl.cli._commands import CommandGroup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from typer.core import TyperCommand

    from tests.support.machine import Machine
    from usagectl.machine.environment import Environment

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "status": (),
    "disable": ("localstack", "usagectl"),
    "enable": ("usagectl",),
    "preview": (),
    "capture": ("--grace", "0", "--", "quiet"),
    "verify": ("mytool.toml",),
    "init": ("mytool", "--command", "mytool build"),
    "audit": (),
    "report": ("-o", "report.html", "-o", "report.json", "--force"),
    "spool": (),
    "spool list": (),
    "spool show": (),
    "spool stats": (),
    "spool export": ("export.jsonl", "--force"),
    "spool purge": ("--yes",),
    "replay": ("--to", "http://127.0.0.1:9/v1", "--event", "none"),
    "emit": (),
    "emit session": ("--version", "1.2.0", "--tool", "mytool"),
    "emit aws_request": (
        *("--service", "sqs", "--operation", "DeleteQueue", "--status-code", "200"),
    ),
    "emit aws_request_agg": (
        *("--service", "sqs", "--operation", "DeleteQueue", "--status-code", "200"),
    ),
    "emit cli_cmd": ("--cmd", "mytool build", "--param", "output"),
    "emit run_init": ("--stage", "READY", "--scripts", "2", "--duration", "3.5"),
    "explain": (),
    "machine-id": (),
    "machine-id show": ("localstack",),
    "machine-id set": ("custom-1",),
    "reset-machine-id": ("--yes",),
    "cache-dir": (),
    "cache-dir set": ("volume/cache",),
    "cache-dir unset": (),
    "cache-dir clear": ("--yes",),
    "env": ("bash",),
    "run": ("--", "quiet"),
    "settings": (),
    "settings set": ("telemetry.mode", "off"),
    "settings unset": ("telemetry.mode",),
    "completion": ("bash",),
}
"""By command: the arguments of a run that succeeds on a furnished machine."""

WRITING: Mapping[str, tuple[str, ...]] = {
    "disable": (),
    "enable": (),
    "init": (),
    "report": (),
    "machine-id set": (),
    "reset-machine-id": (),
    "cache-dir set": (),
    "cache-dir unset": (),
    "cache-dir clear": (),
    "settings set": (),
    "settings unset": (),
    "completion": ("--write", "scripts"),
    "spool export": (),
    "spool purge": (),
    "replay": (),
    "emit session": (),
    "emit aws_request": (),
    "emit aws_request_agg": (),
    "emit cli_cmd": (),
    "emit run_init": (),
    "audit": ("--baseline", "base.json", "--write-baseline"),
}
"""Commands that write more than their own event, and what makes their example do so."""

ANSWERING = tuple(path for path in EXAMPLES if path not in ("run", "capture", "verify"))
"""Commands that answer by themselves; what these three say depends on another program."""


def tree() -> dict[str, TyperCommand | TyperGroup]:
    """List every command of the program by its path, those with sub-commands too."""
    root = typer.main.get_command(cli.app)
    assert isinstance(root, CommandGroup)
    context = typer.Context(root, info_name="usagectl")
    found: dict[str, TyperCommand | TyperGroup] = {}
    for name in root.list_commands(context):
        found.update(_below(root.get_command(context, name), name))
    return found


def _below(
    command: TyperCommand | TyperGroup, path: str
) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    yield path, command
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from _below(child, f"{path} {name}")  # type: ignore[arg-type]


def example(path: str, *more: str) -> tuple[str, ...]:
    """Return the whole command line of a command's example; options go before a `--`."""
    words = EXAMPLES[path]
    at = words.index("--") if "--" in words else len(words)
    return (*path.split(), *words[:at], *more, *words[at:])


def run_inside(environment: Environment, *arguments: str) -> Outcome:
    """Run a command line in this process, on a machine that is a value."""
    with io.BytesIO() as out, io.BytesIO() as err:
        stdout = io.TextIOWrapper(out, encoding="utf-8", newline="")
        stderr = io.TextIOWrapper(err, encoding="utf-8", newline="")
        with redirect_stdout(stdout), redirect_stderr(stderr):
            status = cli.main(arguments, environment)
        stdout.flush()
        stderr.flush()
        return Outcome(status, out.getvalue().decode(), err.getvalue().decode())


def start(
    machine: Machine,
    *arguments: str,
    **settings: Any,  # noqa: ANN401
) -> subprocess.Popen[bytes]:
    """Start a command line in a process of its own, and leave it running."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "usagectl", *arguments],
        env=machine.process_variables(),
        cwd=machine.cwd,
        **{**streams, **settings},
    )


def first_line(process: subprocess.Popen[bytes]) -> str:
    """Wait for the first line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().decode()


def furnish(machine: Machine) -> None:
    """Put onto a machine all that a command may read: tools, profiles, IDs, settings, an event."""
    machine.install_localstack()
    for name in ("lstk", "quiet"):
        machine.install_program(name)
    files = {
        machine.default_profile: "# mine\nLOCALSTACK_AUTH_TOKEN=ls-profile-token\nDEBUG=1\n",
        machine.default_profile.with_name("loud.env"): "DISABLE_EVENTS=0\n",
        machine.machine_json: '{"machine_id": "dkr_0123456789ab", "other": 1}',
        machine.home / ".config" / "lstk" / "machine_id": "abcdef012345",
        machine.root / "etc" / "machine-id": "0123456789abcdef0123456789abcdef\n",
        machine.config_dir / "settings.toml": '# mine\n[telemetry]\nmode = "local"\n',
    }
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    event = b'{"name":"cli_cmd","metadata":{"client_time":"x"},"payload":{"cmd":"y","params":[]}}'
    spool.append(machine.environment(), event, tool="usagectl", kind="cli_cmd")


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return mode, time and bytes of everything below a folder.

    SQLite's shared memory is left out: readers put their locks there.
    """
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            str(path.readlink()).encode()
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else b"",
        )
        for path in [folder, *folder.rglob("*")]
        if not path.name.endswith("-shm")
    }
