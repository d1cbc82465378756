"""Tests of what usagectl records of itself: names of typed parameters, or nothing at all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import (
    EXAMPLES,
    example,
    first_line,
    furnish,
    run_inside,
    start,
    tree,
)
from tests.support.counting import events
from tests.support.endpoint import Endpoint
from tests.support.machine import Machine
from tests.support.spooling import entries, read
from usagectl import spool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def recorded(machine: Machine) -> list[dict[str, Any]]:
    """Return the payloads of all events that wait in the spool."""
    return [event["payload"] for event in events(machine)]


def find_bytes(folder: Path, wanted: Iterable[str]) -> list[str]:
    """Name each text that stands in a file's bytes or name below a folder, in any case."""
    haystack = b"\n".join(
        str(path.relative_to(folder)).encode()
        + b"\n"
        + (path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    ).lower()
    return [text for text in wanted if text.lower().encode() in haystack]


TYPED = [
    ("status", "status", []),
    ("status --json", "status", ["json"]),
    ("status --json --reveal --expect local", "status", ["expect", "reveal", "json"]),
    ("preview --raw usagectl --if-enabled", "preview", ["tool", "if_enabled", "raw"]),
    ("reset-machine-id -y", "reset-machine-id", ["yes"]),
    ("cache-dir", "cache-dir", []),
    ("cache-dir set x --dry-run", "cache-dir set", ["path", "dry_run"]),
    ("machine-id --json", "machine-id", ["json"]),
    ("machine-id set --json abc", "machine-id set", ["id", "json"]),
    ("settings unset telemetry.mode", "settings unset", ["name"]),
    ("settings set localstack.cache_dir v", "settings set", ["name", "value"]),
    ("run -- no-such-program --json -y", "run", ["cmd"]),
    ("env fish", "env", ["format"]),
]


def test_typed_parameters_are_named_in_declaration_order(machine: Machine) -> None:
    """An event has the whole command path and the names that were typed, in declared order."""
    for words, _, _ in TYPED:
        run_inside(machine.environment(), *words.split())
    found = [(each["cmd"], each["params"]) for each in recorded(machine)]
    assert found == [(f"usagectl {cmd}", params) for _, cmd, params in TYPED]


def test_events_hold_the_notice_s_members_alone(machine: Machine) -> None:
    """No session, no machine, no token: the metadata of a command is its time and nothing else."""
    run_inside(machine.environment(), "status")
    (entry,) = entries(machine)
    event = json.loads(entry.body)
    assert list(event) == ["name", "metadata", "payload"]
    assert event["name"] == "cli_cmd"
    assert event["metadata"] == {"client_time": "2026-11-23 06:30:00.123456"}
    assert list(event["payload"]) == ["cmd", "params"]
    assert json.dumps(event, separators=(",", ":")).encode() == entry.body


DRIVER = textwrap.dedent(
    """
    import sys
    from contextlib import nullcontext
    from types import SimpleNamespace
    import typer
    from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
    from usagectl.emitting.instrumentation import watch
    app = new_app()
    @app.command(cls=AnsweringCommand)
    def command(typed: str = typer.Option("", envvar="SET_OUTSIDE"), other: str = "x") -> None:
        assert typed == "value", typed
    invocation = Invocation(sys.argv[1:])
    command = typer.main.get_command(app)
    watch(command, lambda: nullcontext(invocation.recording))
    command.main(sys.argv[1:], obj=invocation, standalone_mode=False)
    print(invocation.recording.event.decode())
    """
)


def test_an_option_from_the_environment_was_not_typed(machine: Machine) -> None:
    """A value that came from a variable or a default is not named; one typed as its default is."""
    found = []
    for words in ([], ["--typed", "value", "--other", "x"]):
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, *words],
            env={**machine.process_variables(), "SET_OUTSIDE": "value"},
            capture_output=True,
            check=True,
        )
        found.append(json.loads(done.stdout)["payload"]["params"])
    assert found == [[], ["typed", "other"]]


def test_help_and_version_leave_no_trace(machine: Machine) -> None:
    """What did not run is not recorded; `test_cli_contract` holds it of bad usage."""
    for words in (
        *("", "--help", "-h", "--version", "status --help", "cache-dir set -h", "--nope"),
        *("cache-dir set", "cache-dir --json set x", "settings set telemetry.mode nope"),
    ):
        run_inside(machine.environment(), *words.split())
        assert not machine.state_dir.exists(), words


def test_failing_commands_are_recorded(machine: Machine) -> None:
    """A command that ran and failed is an invocation like any other, whatever its status."""
    machine.install_program("two", "#!/bin/sh\nexit 2\n")
    machine.config_dir.mkdir()
    (machine.cwd / "settings").mkdir()
    for words, status in (
        ("status localstack --expect off", 1),
        ("run -- no-such-program", 127),
        ("run -- two", 2),
    ):
        assert run_inside(machine.environment(), *words.split()).status == status
    (machine.config_dir / "settings.toml").mkdir()
    broken = machine.environment(config_dir=machine.folder / "elsewhere")
    (machine.folder / "elsewhere" / "settings.toml").mkdir(parents=True)
    assert run_inside(broken, "cache-dir", "set", "x").status == 3
    commands = [payload["cmd"] for payload in recorded(machine)]
    assert commands == ["usagectl status", "usagectl run", "usagectl run"]


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_an_interrupted_command_is_recorded(machine: Machine) -> None:
    """Ctrl-C on a running child ends with 130, and the invocation is kept."""
    machine.install_program("wait", "#!/bin/sh\necho ready\nexec sleep 60\n")
    process = start(machine, "run", "--", "wait", start_new_session=True)
    assert first_line(process) == "ready\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert recorded(machine) == [{"cmd": "usagectl run", "params": ["cmd"]}]


OFF: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "DO_NOT_TRACK": ({"DO_NOT_TRACK": "1"}, {}),
    "DISABLE_EVENTS": ({"DISABLE_EVENTS": "1"}, {}),
    "odd DISABLE_EVENTS": ({"DISABLE_EVENTS": "yes"}, {}),
    "LOCALSTACK_DISABLE_EVENTS": ({"LOCALSTACK_DISABLE_EVENTS": "true"}, {}),
    "mode": ({"USAGECTL_TELEMETRY": "off"}, {}),
    "odd mode": ({"USAGECTL_TELEMETRY": "perhaps"}, {}),
    "policy": ({}, {"root/etc/usagectl/policy.toml": '[telemetry]\nmode = "off"\n'}),
    "corrupt policy": ({}, {"root/etc/usagectl/policy.toml": "["}),
    "project": ({}, {"work/.usagectl.toml": '[telemetry]\nmode = "off"\n'}),
    "project above": ({}, {".usagectl.toml": '[telemetry]\nmode = "off"\n'}),
    "setting": ({}, {"config/settings.toml": '[telemetry]\nmode = "off"\n'}),
    "corrupt setting": ({}, {"config/settings.toml": "["}),
}


def test_off_records_nothing(tmp_path: Path) -> None:
    """Each single No keeps every command from leaving a trace, beside a setting of on too."""
    traces = []
    for name, (variables, files) in OFF.items():
        machine = Machine(tmp_path / name.replace(" ", "-"), variables)
        for path, text in {"config/settings.toml": '[telemetry]\nmode = "on"\n', **files}.items():
            file = machine.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for path in ("status", "preview", "explain", "env", "machine-id", "settings", "cache-dir"):
            run_inside(machine.environment(), path)
        traces += [name] if machine.state_dir.exists() else []
    assert traces == []


def test_disable_leaves_an_empty_spool(machine: Machine) -> None:
    """Switching off removes what waits, for good, and is not recorded; --keep-spool keeps it."""
    run_inside(machine.environment(), "status")
    run_inside(machine.environment(), "explain")
    kept = run_inside(machine.environment(), "disable", "usagectl", "--keep-spool", "--json")
    assert (kept.data["purged"], len(recorded(machine))) == (0, 2)
    assert run_inside(machine.environment(), "disable", "--json").data["purged"] == 2
    assert entries(machine, *spool.STATES) == []
    assert find_bytes(machine.state_dir, ["usagectl status", "usagectl explain"]) == []


def test_preview_shows_the_very_bytes_of_the_spool(machine: Machine) -> None:
    """What preview shows of the last and the present command is what then lies in the spool."""
    run_inside(machine.environment(), "settings", "--json")
    run_inside(machine.environment(), "status", "--expect", "local")
    shown = run_inside(machine.environment(), "preview", "usagectl", "--json").data["requests"][0]
    found = read(machine)
    assert [json.loads(event)["payload"]["cmd"] for event in found[1:]] == [
        "usagectl status",
        "usagectl preview",
    ]
    assert shown["body"].encode() == b'{"events":[' + b",".join(found[1:]) + b"]}"
    assert shown["headers"]["Content-Length"] == str(len(shown["body"].encode()))
    raw = run_inside(machine.environment(), "preview", "usagectl", "--raw").stdout
    found = read(machine)
    assert raw.encode() == b'{"events":[' + b",".join(found[-2:]) + b"]}"


def test_no_value_reaches_the_state_folder(machine: Machine) -> None:
    """No value of a parameter, variable, path or name stands in any byte that usagectl keeps.

    Every parameter of every command gets a value of its own, once so that the
    command refuses it and, where it can be, once so that it is taken.
    """
    machine.folder /= "canary-home"
    machine.__post_init__()
    furnish(machine)
    names = ("USER", "LOGNAME", "HOSTNAME", "LOCALSTACK_AUTH_TOKEN", "CONFIG_PROFILE", "EDITOR")
    machine.variables |= {name: f"canary-variable-{index}" for index, name in enumerate(names)}
    (machine.cwd / ".canary-file-version").write_text("canary-content")
    runs = 0
    for path, command in tree().items():
        if path.startswith("emit "):
            continue  # What is typed there is the event itself, and closed: see test_emit.
        for index, parameter in enumerate(command.params):
            value = f"canary-{path.replace(' ', '-')}-{index}"
            typed = [parameter.opts[0]] if parameter.opts[0].startswith("-") else []
            if not getattr(parameter, "is_flag", False):
                typed.append(value)
            run_inside(machine.environment(), *example(path, *typed))
            runs += 1
    taken = [
        ("machine-id", "set", "canary-id"),
        ("cache-dir", "set", "./canary-folder"),
        ("settings", "set", "localstack.cache_dir", "canary-cache"),
        ("settings", "set", "telemetry.endpoint", "http://canary.invalid/v1"),
        ("preview", "--localstack-version", "4.12.0+canary"),
        ("run", "--", "quiet", "canary-argument", "--canary-option=canary"),
        ("completion", "--write", "canary-scripts"),
    ]
    for words in taken:
        assert run_inside(machine.environment(), *words).status == 0
    real = machine.run("status", variables={"USER": "canary-user", "LOGNAME": "canary-user"})
    assert real.status == 0
    assert len(recorded(machine)) > len(EXAMPLES)
    assert runs > 2 * len(EXAMPLES)
    host = os.uname().nodename.lower().encode()  # So short a word as `vm` is in any random bytes.
    assert [body for body in read(machine) if host in re.split(rb"[^\w.-]+", body.lower())] == []
    secrets = ["canary", "testhost", "ls-profile-token", str(machine.home)]
    assert find_bytes(machine.state_dir, secrets) == []
    with Endpoint() as endpoint:
        done = run_inside(machine.environment(), "replay", "--to", endpoint.base, "--json").data
    assert done["sent"] == done["planned"] > len(EXAMPLES)
    wire = b"".join(request.body + repr(request.headers).encode() for request in endpoint.received)
    assert [text for text in secrets if text.lower().encode() in wire.lower()] == []
    assert b"usagectl status" in wire
    assert find_bytes(machine.state_dir, secrets) == []
    # The search is able to fail: it finds a value in an event, and a file by its name.
    event = b'{"name":"cli_cmd","metadata":{},"payload":{"cmd":"x","params":["CANARY-1"]}}'
    spool.append(machine.environment(), event, tool="usagectl", kind="event")
    (machine.state_dir / "canary-2").mkdir()
    assert find_bytes(machine.state_dir, ["Canary-1", "canary-2"]) == ["Canary-1", "canary-2"]
