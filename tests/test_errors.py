"""Tests of the errors: stable codes, statuses of the design, whole sentences, no traceback."""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import usagectl
from usagectl import errors
from usagectl.audit.rules import UnknownRuleError
from usagectl.botocore import NotAttachableError
from usagectl.capture.namespace import SealBrokenError, SealUnavailableError
from usagectl.capture.refusals import Refusal
from usagectl.capture.server import AddressUnavailableError
from usagectl.catalogue.authored import VerifyFileError
from usagectl.cli._capture_expectations import (
    NoticeNotKeptError,
    ProxyPassedByError,
    SilenceUnprovenError,
    UnexpectedEventsError,
)
from usagectl.cli._output import OutputUnwritableError
from usagectl.cli.audit import FindingsError, LinesUnreadError
from usagectl.cli.preview import NothingToPrintError
from usagectl.cli.report import ReportMismatchError
from usagectl.cli.spool import UnknownUidError
from usagectl.cli.verify import NotProvedError, WordBrokenError
from usagectl.delivery import attempts, replay
from usagectl.delivery.otlp_options import OtlpUnavailableError
from usagectl.emitting.tracker import TrackerClosedError
from usagectl.errors import UsagectlError
from usagectl.events.kinds import InvalidKindError, UndeclaredKindError
from usagectl.events.schemas import EventShapeError
from usagectl.live import DockerNotAnsweringError, NotAnsweringError
from usagectl.machine.processes import CommandNotExecutableError, CommandNotFoundError
from usagectl.report.posture import VerdictsRefusedError
from usagectl.report.signing import SignerMissingError, SigningFailedError
from usagectl.spool.database import SpoolSetAsideError
from usagectl.system_files import RootNeededError, SystemUnsupportedError
from usagectl.verify import Result, Row
from usagectl.verify.homes import OutsideError
from usagectl.verify.subject import CommandNotHereError, NothingToRunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.support.machine import Machine

DESIGNED = {1, 2, 3, 4, 5, 126, 127, 130}
FILE = Path("/a/file")
SAMPLES: list[UsagectlError] = [
    NothingToPrintError(["localstack cli: off; nothing would be sent."], hint="x"),
    errors.ExpectationFailedError("off", offending=["localstack cli is on"], hint="x"),
    errors.SwitchIneffectiveError("lstk cli", state="on", because="it reads no file", hint="x"),
    errors.UsageError("This does not fit.", hint="x"),
    errors.UnknownToolError("x", known=["localstack", "lstk"]),
    errors.UnknownToolError("nexd", known=["next", *map(str, range(90))]),
    errors.UnknownEventError("x", known=["session"]),
    errors.InvalidValueError("mode", "x", wanted="use on, off"),
    errors.LibraryMissingError("uvicorn"),
    errors.StateError("This cannot be read.", hint="x"),
    ReportMismatchError(FILE, wrong=["out.jsonl CHANGED"], hint="x"),
    VerdictsRefusedError("https://x", 400, "no logs"),
    SigningFailedError(FILE, reason="no such identity"),
    SignerMissingError(),
    RootNeededError("disable"),
    SystemUnsupportedError(),
    errors.FolderUnknownError("the spool", variable="USAGECTL_STATE_DIR"),
    errors.FileUnreadableError(FILE, reason="permission denied"),
    errors.FileUnwritableError(FILE, reason="permission denied"),
    errors.FileCorruptError(FILE, reason="it is not TOML"),
    errors.FileUneditableError(FILE, name="telemetry.enabled"),
    errors.FileExistsAlreadyError(FILE),
    errors.LinkOutsideError(FILE, target=Path("/b")),
    errors.LockTimeoutError(FILE, seconds=10),
    errors.SpoolUnwritableError(FILE, reason="permission denied"),
    SpoolSetAsideError(FILE, reason="another program wrote it", aside=FILE),
    OutputUnwritableError(reason="no space left on device"),
    CommandNotFoundError("x"),
    CommandNotExecutableError("x", reason="permission denied"),
    NotAnsweringError("http://127.0.0.1:1/x", reason="it took too long"),
    DockerNotAnsweringError("Docker", reason="it is not on PATH"),
    attempts.EndpointUnreachableError("https://x", "nothing listens there", tries=2),
    attempts.EndpointBusyError("https://x", 503, 9),
    attempts.EndpointRedirectsError("https://x", 302, target="https://y"),
    attempts.TrackingRefusedError("https://x"),
    replay.TelemetryOffError("DISABLE_EVENTS=1 (environment)"),
    replay.EndpointNotSecureError("http://x"),
    replay.EndpointInvalidError(origin="--to"),
    replay.EndpointMissingError("mytool", "events"),
    replay.EndpointMissingError("mytool", "otlp"),
    replay.EndpointsDifferError(("mytool", "other")),
    replay.EventsRejectedError("https://x", count=2, status=400, has_stopped=True),
    replay.EventsRefusedError("https://x", count=2, message="too old."),
    replay.ReplayInterruptedError(),
    OtlpUnavailableError("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    OtlpUnavailableError("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    errors.NoEventsError("a.jsonl", bad_lines=2),
    UnknownRuleError("no-rule"),
    FindingsError(2, fail_on="error"),
    LinesUnreadError(2, first=7, source="a.jsonl"),
    UnexpectedEventsError(2, first=["POST /v1/events (cli_cmd)"]),
    UnexpectedEventsError(9, first=["t.example (1 look-up)"], of_hosts=True),
    ProxyPassedByError("next", ignores=True),
    NoticeNotKeptError(2),
    SilenceUnprovenError({Refusal("tls", "h.example"): 2}),
    AddressUnavailableError("127.0.0.1", 80, reason="permission denied"),
    UnknownUidError("abcd"),
    errors.ConfirmationNeededError("remove it", hint="x"),
    NotAttachableError("int"),
    EventShapeError("aws_request", "service", reason="is missing"),
    InvalidKindError("mytool_built", reason="its description is empty"),
    UndeclaredKindError("mytool_built", is_other=True),
    TrackerClosedError("mytool"),
    SealUnavailableError("a user namespace", reason="it ended at once", hint="uname -r"),
    SealBrokenError(),
    VerifyFileError(FILE, "verify.seconds", found="0", wanted="number"),
    CommandNotHereError("Next.js", hint="npm install next"),
    NothingToRunError("go"),
    OutsideError(FILE),
    WordBrokenError(
        "Next.js",
        [Result(Row("on"), "on", "x", "breaks")] * 7,
        hint="usagectl verify mytool --switch X --evidence",
    ),
    NotProvedError("Next.js", [Result(Row("on"), "on", "x", "not-proved", "y")] * 2, hint="x"),
]
"""One of every class; the base alone is never raised."""


def import_everything() -> None:
    """Import every module, so that every class is known."""
    for module in pkgutil.walk_packages(usagectl.__path__, "usagectl."):
        name = module.name.rpartition(".")[2]
        if (
            name.isidentifier() and name != "__main__"
        ):  # A hook of PyInstaller's has no name of Python.
            import_module(module.name)


def subclasses(parent: type[UsagectlError]) -> Iterator[type[UsagectlError]]:
    """List every public error class below one, at any depth."""
    for child in parent.__subclasses__():
        if not child.__name__.startswith("_"):
            yield child
        yield from subclasses(child)


def test_classes_follow_the_design() -> None:
    """Each has a sample here, a code of its own in kebab case, and a status of the design.

    Scripts rely on a code. 126 and 127 are the statuses of a command that does not start. Names
    end in Error, and each docstring is a sentence about the failure.
    """
    import_everything()
    classes = set(subclasses(UsagectlError))
    assert {type(sample) for sample in SAMPLES} == classes
    codes = [vars(each)["code"] for each in (UsagectlError, *classes)]
    assert len(set(codes)) == len(codes)
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(-[a-z]+)*", code)] == []
    for each in classes:
        assert each.exit_status in DESIGNED
        assert (each.exit_status in (126, 127)) == each.__name__.startswith("CommandNot")
        assert each.__name__.endswith("Error")
        assert (each.__doc__ or "").partition("\n")[0].endswith((".", ":"))


def test_messages_are_sentences(subtests: pytest.Subtests) -> None:
    """A message is one sentence with a full stop, and the text of the exception."""
    for sample in SAMPLES:
        with subtests.test(type(sample).__name__):
            assert re.fullmatch(r"[^\n]*[^.\n]\.", sample.message)
            assert str(sample) == sample.message
            assert not sample.hint.endswith(".")


def test_the_drawn_tree_is_the_real_one() -> None:
    """The docstring draws every public class of the module below its parent, with its status."""
    drawn: dict[str, tuple[str, int]] = {}
    path: list[str] = ["UsagectlError"]
    status = {0: 0}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r" {4}([│ ]*[├└]── )(\w+)(?: +exit status (\d+))?", line)
        if match:
            depth = len(match[1]) // 4
            status[depth] = int(match[3]) if match[3] else status[depth - 1]
            del path[depth:]
            drawn[match[2]] = (path[-1], status[depth])
            path.append(match[2])
    real = {
        name: (_public_parent(each).__name__, each.exit_status)
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, UsagectlError)
        and not name.startswith("_")
        and each is not UsagectlError
    }
    assert drawn == real


def _public_parent(each: type[UsagectlError]) -> type[UsagectlError]:
    parents = (parent for parent in each.__mro__[1:] if not parent.__name__.startswith("_"))
    return next(parent for parent in parents if issubclass(parent, UsagectlError))


# A command that raises the sample of a number stands in the table of commands.
DRIVER = textwrap.dedent(
    """
    import sys, types
    import typer
    from tests.test_errors import SAMPLES
    from usagectl import cli
    from usagectl.cli import _commands
    app = _commands.new_app()
    @app.command(cls=_commands.AnsweringCommand)
    def boom(number: int) -> None:
        raise SAMPLES[number]
    module = types.ModuleType("usagectl.cli.boom")
    module.apps = {"boom": app}
    sys.modules["usagectl.cli.boom"] = module
    _commands.MODULES["boom"] = "boom"
    for number in range(len(SAMPLES)):
        for more in ([], ["--json"]):
            status = cli.main(["boom", str(number), *more])
            print(status)
    """
)


def drive(machine: Machine, driver: str) -> subprocess.CompletedProcess[str]:
    """Run the driver on a machine."""
    command = [sys.executable, "-c", driver]
    return subprocess.run(
        command, env=machine.process_variables(), capture_output=True, text=True, check=False
    )


def test_no_error_of_ours_shows_a_traceback(machine: Machine) -> None:
    """Whatever error ends a command, a person sees a sentence and a script an envelope."""
    done = drive(machine, DRIVER)
    assert "Traceback" not in done.stderr
    complaints = re.findall(r"error: (.+) \[(.+)\]\n  try: .+\n", done.stderr)
    assert complaints == [(sample.message, sample.code) for sample in SAMPLES]
    lines = done.stdout.splitlines()
    assert lines[0::3] == lines[2::3] == [str(sample.exit_status) for sample in SAMPLES]
    envelopes = [json.loads(line)["errors"][0] for line in lines[1::3]]
    assert [each["code"] for each in envelopes] == [sample.code for sample in SAMPLES]
    assert all(each["hint"] for each in envelopes)


def test_a_bug_keeps_its_traceback(machine: Machine) -> None:
    """What is no error of ours is a bug: it is not dressed up as a user's mistake."""
    done = drive(machine, DRIVER.replace("raise SAMPLES[number]", "raise ZeroDivisionError"))
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
