"""`usagectl report`: dated evidence of what the tools here send, to be filed and checked."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path  # noqa: TC003  (Typer reads the annotations)
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._expectations import failures
from usagectl.cli._options import DryRun, Tools  # noqa: TC001  (Typer reads the annotations)
from usagectl.endpoint import is_loopback, origin_of
from usagectl.errors import (
    FileExistsAlreadyError,
    FileUnwritableError,
    InvalidValueError,
    UsagectlError,
    UsageError,
    count_of,
    quote,
)
from usagectl.machine import files
from usagectl.sensitive import mask_url_credentials
from usagectl.showing import printable_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment
    from usagectl.report.document import Document
    from usagectl.report.signing import Signature
    from usagectl.report.sums import Checked

app = new_app()
apps = {"report": app}

_PAGES = (".html", ".htm")
_STATES = {"match": "matches", "changed": "CHANGED", "gone": "is gone"}
_SIGNATURES = {
    "trusted": "good, by {signer}",
    "unknown-signer": "fits the report; who made it is not known: {signer}",
    "bad": "BAD: it is not of this report",
    "none": "none",
}

Expect = Annotated[
    Literal["off", "local"] | None,
    typer.Option(
        metavar="[off|local]",
        help="Exit with 1 unless every tool here is off; with `local`, unless nothing is sent.",
    ),
]


class ReportMismatchError(UsagectlError):
    """A report, an input of it or its signature is not what it was."""

    code = "report-mismatch"
    exit_status = 1

    def __init__(self, file: Path, *, wrong: Sequence[str], hint: str) -> None:
        super().__init__(f"{file} does not stand: {'; '.join(wrong)}.", hint=hint)


@app.command(cls=AnsweringCommand)
def report(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    names: Tools = None,
    *,
    outputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the report to this file, a page (.html) or data (.json); can be repeated.",
        ),
    ] = None,
    captures: Annotated[
        list[Path] | None,
        typer.Option(
            "--capture",
            metavar="FILE",
            help="A file of usagectl capture -o, for the report or --verify; can be repeated.",
        ),
    ] = None,
    expect: Expect = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write JUnit XML, a test case a tool; it needs --expect."
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the report as Markdown, for a CI summary.")
    ] = False,
    sign: Annotated[
        Path | None,
        typer.Option(
            metavar="KEY",
            help="Sign the .json with this SSH key: ssh-keygen writes FILE.sig beside it.",
        ),
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(
            metavar="REPORT",
            help="Check a report in JSON: its sums, its inputs, its signature. Exit with 1 if "
            "one does not match.",
        ),
    ] = None,
    signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers",
            metavar="FILE",
            help="With --verify: who may have signed, in the form of ssh-keygen.",
        ),
    ] = None,
    otlp: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Also send each tool's verdict there, as an OpenTelemetry log record: its name, "
            "version, verdict and the kind of switch; no value and no path.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Write what the tools here send, and how that is known, for people who must sign off.

    A report has the date, the versions, each tool found with its verdict and the switch that
    decided, what captures of commands showed and could not see, their audit, and what no
    opt-out covers. The page is one file that asks nobody for anything. The name of this
    machine, its users, its homes and its IDs are left out. No tool is run for it.

    Each capture is named with its SHA-256, and the data with its own, so that --verify tells
    later whether anything was changed.

    To file it:  usagectl report -o report.html -o report.json --capture out.jsonl --sign KEY
    """
    invocation: Invocation = ctx.obj
    cwd = invocation.environment.cwd
    given = [cwd / each for each in captures or ()]
    if verify is not None:
        if outputs or expect or junit or markdown or sign or names or otlp:
            hint = f"usagectl report --verify {quote(str(verify))}"
            raise UsageError("--verify checks a report and makes none: it goes alone.", hint=hint)
        return _verified(invocation, cwd / verify, given, signers and cwd / signers)
    planned = [cwd / _named(each) for each in outputs or ()]
    _check(invocation, planned, junit=junit, expect=expect, sign=sign, signers=signers)
    if markdown and invocation.as_json:
        raise UsageError("--json and --markdown exclude each other.")

    written = [*planned, *([cwd / junit] if junit else []), *(_signatures(planned) if sign else [])]
    _require_free(written, invocation, force=force)

    from usagectl.report import document
    from usagectl.status import collect

    found = collect(invocation.environment, names or ())
    data = document.build(
        invocation.environment, names or (), files=given, expect=expect, found=found
    )
    errors = failures(found, expect, names or ())
    texts = _texts(data, errors, planned, junit and cwd / junit, invocation.environment, sign)
    if otlp is not None:
        _send(invocation, found.consents, otlp, dry_run=dry_run)
    for file, text in () if dry_run else texts.items():
        files.replace_bytes(file, text)
    if not sign and not dry_run:
        _tell_of_old_signatures(planned)

    def show() -> None:
        if markdown:
            from usagectl.report import markdown as page

            typer.echo(page.write(data), nl=False)
        else:
            _show(data, list(texts), dry_run=dry_run)

    planned_only = {"files": [str(each) for each in texts], "dry_run": True}
    return _output.Answer(lambda: planned_only if dry_run else data, show, errors)


def _send(invocation: Invocation, verdicts: Sequence[Consent], url: str, *, dry_run: bool) -> None:
    """Send the verdicts to the collector that was named, once a person has agreed."""
    from usagectl.cli._progress import meter_of_replay
    from usagectl.report import posture

    base = posture.address_of(url)
    named, shown = origin_of(base), [each for each in verdicts if each.counts]
    planned = posture.plan(invocation.environment, shown, base)
    told = count_of(len(planned.batch.records), "verdict")
    if dry_run:
        text = printable_line(planned.body.decode())
        _output.print_remark(f"{told} would be sent to {mask_url_credentials(base)}: {text}")
        return
    if not is_loopback(base) and not invocation.as_json:
        _output.confirm(f"Send {told} to {named}?", otherwise="Nothing was sent or written.")
    try:
        with meter_of_replay(named) as meter:
            posture.send(planned, on_wait=meter.delay)
    except UsagectlError as error:
        if "replay" in error.hint:  # That would send events.
            error.hint = f"usagectl report --otlp {quote(mask_url_credentials(url))} --dry-run"
        raise
    _output.print_remark(f"{told} sent to {named}.")


def _named(file: Path) -> Path:
    """Return the name of an output: its end says which form is wanted."""
    if file.suffix.lower() not in (*_PAGES, ".json"):
        wanted = "use a name that ends in .html or .json"
        hint = "usagectl report -o report.html -o report.json"
        raise InvalidValueError("file for --output", str(file), wanted=wanted, hint=hint)
    return file


def _check(
    invocation: Invocation,
    planned: Sequence[Path],
    *,
    junit: Path | None,
    expect: str | None,
    sign: Path | None,
    signers: Path | None,
) -> None:
    """Refuse options that mean nothing together, with a line that does."""
    typed = shlex.join(("usagectl", *invocation.arguments))
    if junit is not None and expect is None:
        raise UsageError("--junit needs --expect off or local.", hint=f"{typed} --expect local")
    if sign is not None and not any(each.suffix.lower() == ".json" for each in planned):
        raise UsageError("--sign signs the .json: name one.", hint=f"{typed} -o report.json")
    if signers is not None:
        hint = f"usagectl report --verify report.json --allowed-signers {quote(str(signers))}"
        raise UsageError("--allowed-signers goes with --verify.", hint=hint)


def _texts(
    data: Document,
    errors: Sequence[UsagectlError],
    planned: Iterable[Path],
    junit: Path | None,
    environment: Environment,
    key: Path | None,
) -> dict[Path, bytes]:
    """Make the bytes of every file before one is written: a signature may fail."""
    texts: dict[Path, bytes] = {}
    for file in planned:
        if file.suffix.lower() in _PAGES:
            from usagectl.report import page

            texts[file] = page.write(data).encode()
            continue
        envelope = _output.envelope_of("report", data, errors)
        texts[file] = json.dumps(envelope, indent=2).encode() + b"\n"
        if key is not None:
            from usagectl.report import signing

            signed = signing.sign(environment, environment.cwd / key, texts[file])
            texts[signing.signature_of(file)] = signed
    if junit is not None:
        from usagectl.report import junit as xml

        texts[junit] = xml.write(data)
    return texts


def _require_free(files_: Iterable[Path], invocation: Invocation, *, force: bool) -> None:
    """Refuse a file that is there or cannot be, before anybody is asked for a passphrase."""
    for file in files_:
        if os.path.lexists(file) and not force:
            name, *typed = invocation.arguments
            hint = shlex.join(("usagectl", name, "--force", *typed))
            raise FileExistsAlreadyError(file, hint=hint)
        if not file.parent.is_dir():
            raise FileUnwritableError(file, reason=f"there is no folder {file.parent}")
        files.write_lines(file, [], replaces=True, dry_run=True)  # No device, no pipe.


def _signatures(planned: Iterable[Path]) -> list[Path]:
    """Name the signatures of the outputs: the data alone is signed."""
    from usagectl.report.signing import signature_of  # few sign

    return [signature_of(each) for each in planned if each.suffix.lower() == ".json"]


def _tell_of_old_signatures(planned: Iterable[Path]) -> None:
    """Name what was made of a report that is replaced: it would look like a forgery."""
    for each in filter(os.path.lexists, _signatures(planned)):
        told = f"{each} is of the report that was there before; --sign KEY makes a new one."
        _output.print_remark(told, hint=f"rm {quote(str(each))}")


def _show(data: Document, written: Sequence[Path], *, dry_run: bool) -> None:
    from usagectl.report import words

    page = _output.new_page()
    page.line(words.headline(data), style="bold")
    for told in (words.captures_line(data), words.expectation(data)):
        if told:
            page.line(told)
    for file in written:
        page.line(f"{file} {'would be written' if dry_run else 'written'}.")
    page.next_step(_next_step(written))


def _next_step(written: Sequence[Path]) -> str:
    reports = [each for each in written if each.suffix.lower() == ".json"]
    if reports:
        return f"usagectl report --verify {quote(reports[0].name)} checks it later."
    return "usagectl report -o report.html -o report.json writes it for filing."


def _verified(
    invocation: Invocation, file: Path, captures: Sequence[Path], signers: Path | None
) -> _output.Answer:
    """Answer whether a report still stands."""
    from usagectl.report import signing, sums

    environment = invocation.environment
    data = sums.read(file)
    found = sums.check(file, data, captures, environment.cwd)
    signature = signing.check(environment, file, signers=signers)
    wrong = [f"{each.file} {_STATES[each.state]}" for each in found if each.state != "match"]
    if signature.state == "bad" or (signers is not None and signature.state != "trusted"):
        wrong.append(f"signature: {_told(signature)}")

    def show() -> None:
        page = _output.new_page()
        page.line(_verdict(file, data, wrong), style="bold red" if wrong else "bold green")
        page.rows([(_STATES[each.state], each.file, each.sha256) for each in found])
        page.line(f"Signature: {_told(signature)}.")
        if signature.state == "unknown-signer" and signers is None:
            again = f"usagectl report --verify {quote(file.name)} --allowed-signers FILE"
            page.next_step(f"{again} says whose it is.")

    answer = {"file": file.name, "sums": _sums_data(found), "signature": signature._asdict()}
    again = [*invocation.arguments, *(() if invocation.as_json else ("--json",))]
    hint = shlex.join(("usagectl", *again))
    errors = [ReportMismatchError(file, wrong=wrong, hint=hint)] if wrong else []
    return _output.Answer(lambda: answer, show, errors)


def _verdict(file: Path, data: Mapping[str, Any], wrong: Sequence[str]) -> str:
    made = f"of {data.get('time')}, by usagectl {data.get('usagectl')}"
    return f"{file.name} {made}: {'it does not stand' if wrong else 'every sum matches'}."


def _told(signature: Signature) -> str:
    return _SIGNATURES[signature.state].format(signer=signature.signer)


def _sums_data(found: Sequence[Checked]) -> list[dict[str, str]]:
    return [each._asdict() for each in found]
