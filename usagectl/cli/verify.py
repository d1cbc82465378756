"""`usagectl verify`: which of a tool's switches keep their word on this machine."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003  (Typer reads the annotation)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._progress import meter_of
from usagectl.errors import FileExistsAlreadyError, UsagectlError, count_of, quote
from usagectl.machine.file_errors import unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from usagectl.verify import Report, Result, Row, Trials

app = new_app()
apps = {"verify": app}

_MOST_LINES = 5
_VERSION = re.compile(r"(?<![\d.])\d+(?:\.\d+)+(?:[-+.]?[a-z0-9]+)*")


class WordBrokenError(UsagectlError):
    """A tool sends although a switch says off, or gives something away, or costs time."""

    code = "word-broken"
    exit_status = 1

    def __init__(
        self, title: str, broken: Sequence[Result], *, hint: str, own_file: str = ""
    ) -> None:
        rows = "; ".join(each.row.name for each in broken[:_MOST_LINES])
        more = f" and {len(broken) - _MOST_LINES} more" if len(broken) > _MOST_LINES else ""
        step = "Tell its author, with the evidence."
        if own_file:  # Whoever has a file of the tool is its author.
            step = f"Mend the tool, or what {own_file} says of that."
        super().__init__(f"{title} does not keep its word: {rows}{more}. {step}", hint=hint)


class NotProvedError(UsagectlError):
    """Something of a verification could not be proved."""

    code = "not-proved"
    exit_status = 1

    def __init__(self, title: str, rows: Sequence[Result], *, hint: str) -> None:
        first = rows[0]
        more = f"; and {count_of(len(rows) - 1, 'more row')}" if len(rows) > 1 else ""
        why = first.why.rstrip(".")
        super().__init__(f"Not proved of {title}: {first.row.name}: {why}{more}.", hint=hint)


@app.command(cls=AnsweringCommand)
def verify(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="TOOL|FILE",
            help="A tool of the catalogue, such as next, or a TOML file in the catalogue's form.",
        ),
    ],
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Try each switch's own value for off alone.")
    ] = False,
    switches: Annotated[
        list[str] | None,
        typer.Option(
            "--switch", metavar="NAME", help="Try this variable, key or command; can be repeated."
        ),
    ] = None,
    evidence: Annotated[
        bool,
        typer.Option("--evidence", help="Print an [[evidence]] block for the catalogue instead."),
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="FILE", help="Keep every captured request in this new file, unmasked."
        ),
    ] = None,
) -> _output.Answer:
    """Run a tool with each of its switches, and say which keep their word.

    The tool's smallest commands that send are run sealed (Linux): nothing leaves this
    machine. They run with telemetry on, then with each switch, its documented values and
    the odd ones that people type, each in a fresh home; then help and version, and with an
    endpoint that is dead. What is expected is what `usagectl status` would say there.

    Exits with 1 when a switch does not keep its word, when nothing is sent with telemetry
    on, when a typed value leaves, when a dead endpoint costs time, and when something
    could not be proved; with 127 when the tool is not here. It installs nothing.

    For a tool of your own:  usagectl verify ./mytool.toml
    """
    from usagectl.verify import Trials, find, plan
    from usagectl.verify import evidence as evidences

    invocation: Invocation = ctx.obj
    environment = invocation.environment
    subject = find(name, environment)
    rows = plan(subject, environment, quick=quick, switches=switches or ())
    if not invocation.as_json and sys.stderr.isatty():
        told = (
            f"Running {subject.entry.title} {len(rows)} times or so; nothing leaves this machine."
        )
        _output.print_remark(told)
    for need in () if invocation.as_json else subject.entry.verify.needs:
        _output.print_remark(f"{subject.entry.title} needs {need} for all that it sends.")
    with _keeping(keep) as kept:
        trials = Trials(subject, environment, keep=kept)
        report = _run(trials, rows)
    version = version_of(report)
    block = evidences.block_of(report, environment.now(), version=version or "unknown")

    def show() -> None:
        if evidence:
            text = evidences.to_toml(block)
            if not version:
                _output.print_remark("Its version is not known: add it to the block.")
                text = text.replace('version = "unknown"\n', "", 1)
            _output.print_raw([text.encode()])
        else:
            draw(report, summary(report))

    return _output.Answer(lambda: data_of(report, block), show, failures_of(report, name))


def _run(trials: Trials, rows: Sequence[Row]) -> Report:
    """Run rows, and show how many are done: a tool takes seconds for each."""
    with meter_of("Verifying", "rows") as show:
        done = 0

        def count(_result: Result) -> None:
            nonlocal done
            done += 1
            show(done, len(rows))

        show(0, len(rows))
        return trials.run(rows, on_result=count)


@contextmanager
def _keeping(file: Path | None) -> Iterator[Callable[[bytes], None]]:
    """Open the file that keeps every captured line, if one is wanted.

    Raises:
        FileExistsAlreadyError: there is such a file.
        FileUnwritableError: it cannot be made.
    """
    if file is None:
        yield lambda _lines: None
        return
    import os

    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    except FileExistsError as error:
        raise FileExistsAlreadyError(file, hint=f"rm {quote(str(file))}") from error
    except OSError as error:
        raise unwritable(file, error) from error
    with os.fdopen(descriptor, "ab") as stream:
        yield lambda lines: (stream.write(lines), None)[1]


def failures_of(report: Report, name: str) -> list[UsagectlError]:
    """Return the errors that a report comes to: the exit status is that of the first.

    `name` is the tool or file as it was typed.
    """
    from usagectl.verify.subject import filled

    subject, title = report.subject, report.subject.entry.title
    command = filled(subject.entry.verify.commands[0], subject.folder, "value")
    shown = f"usagectl capture --sealed -- {command}"
    every = report.results
    broken = [each for each in every if each.verdict == "breaks"]
    unproved = [each for each in every if each.verdict == "not-proved"]
    found: list[UsagectlError] = []
    if broken:
        bad = next((each.row.switch for each in broken if each.row.kind == "switch"), "")
        proof = f"usagectl verify {quote(name)} --switch {quote(bad)}"
        own_file = name if name.endswith(".toml") or "/" in name else ""
        proof += "" if own_file else " --evidence"
        found.append(
            WordBrokenError(title, broken, hint=proof if bad else shown, own_file=own_file)
        )
    if unproved:
        found.append(NotProvedError(title, unproved, hint=shown))
    return found


def version_of(report: Report) -> str:
    """Return the tool's release: as its package says, else as its `--version` said in its run.

    Empty where neither is known.
    """
    known = report.subject.version
    if known != "unknown":
        return known
    asked = (each.ran.ended for each in report.results if each.row.words.endswith(" --version"))
    texts = [each.stdout.decode("utf-8", "replace") for each in asked]
    found = _VERSION.search(" ".join(texts))
    return found[0] if found else ""


def data_of(report: Report, block: dict[str, Any]) -> dict[str, object]:
    """Return the public JSON of a report."""
    subject = report.subject
    return {
        "tool": subject.entry.name,
        "version": version_of(report) or "unknown",
        "rows": [_row_data(each) for each in report.results],
        "other_hosts": list(report.others),
        "needs": list(subject.entry.verify.needs),
        "evidence": block,
    }


def _row_data(each: Result) -> dict[str, object]:
    return {
        "kind": each.row.kind,
        "switch": each.row.switch,
        "value": each.row.value,
        "expected": each.expected,
        "came": each.came,
        "requests": each.requests,
        "verdict": each.verdict,
        "why": each.why,
        "evidence": list(each.evidence),
    }


def summary(report: Report) -> str:
    """Say in one sentence whether the tool's switches keep their word."""
    name = f"{report.subject.entry.title} {version_of(report)}".rstrip()
    on = report.results[0]
    if on.verdict != "keeps":
        return f"{name} sent nothing with telemetry on, so nothing is proved."
    sent = f"{name} sends {on.came} with telemetry on"
    every = len(report.results)
    verdicts = [each.verdict for each in report.results]
    for verdict, told in (("breaks", "broke the word"), ("not-proved", "could not be proved")):
        if count := sum(each == verdict for each in verdicts):
            return f"{sent}; {count_of(count, 'row')} of {every} {told}."
    return f"{sent}, and every switch that was tried keeps its word."


def draw(report: Report, sentence: str) -> None:
    """Draw the answer in a sentence, the table, and what bad rows rest on."""
    page = _output.new_page()
    page.line(sentence, "bold")
    if variables := report.subject.entry.verify.variables:
        named = ", ".join(f"{name}={quote(value)}" for name, value in variables.items())
        page.line(f"Each time it was run with {named}, as its entry has it.")
    page.line()
    head = ("switch", "value", "expected", "came", "verdict")
    styles = {"breaks": "red", "not-proved": "yellow", "quieter": "yellow"}
    rows = [
        (each.row.switch, _value(each), each.expected, each.came, each.words)
        for each in report.results
    ]
    drawn = [styles.get(each.verdict, "") for each in report.results]
    page.rows([head, *rows], styles=["bold", *drawn])
    for lines, names in _reasons(report).items():
        more = f" and {len(names) - _MOST_LINES} more" if len(names) > _MOST_LINES else ""
        page.heading(f"{', '.join(names[:_MOST_LINES])}{more}")
        page.bullets(lines)
    if report.others:
        page.heading("Also asked for, and not known to take telemetry")
        page.bullets(report.others)


def _reasons(report: Report) -> dict[tuple[str, ...], list[str]]:
    """Group rows by what their verdict rests on: those that are bad, and failures of commands."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in report.results:
        lines = tuple(filter(None, (each.why, *(each.evidence if each.is_bad else ()))))
        if lines:
            found.setdefault(lines, []).append(each.row.name)
    return found


def _value(result: Result) -> str:
    """Show a variable's value so that an empty one and blanks are seen."""
    return repr(result.row.value) if result.row.variables else result.row.value
