"""Own `usagectl audit`."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from usagectl.cli import _output
from usagectl.cli._commands import RecordedCommand, new_app
from usagectl.cli._options import DryRun, Json  # noqa: TC001  (Typer reads the annotations)
from usagectl.errors import (
    FileUnreadableError,
    NoEventsError,
    UsagectlError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from usagectl.audit import AuditResult, Finding
    from usagectl.audit.suppression import Ignore
    from usagectl.cli._commands import Invocation
    from usagectl.machine.environment import Environment
    from usagectl.spool import State

app = new_app()
apps = {"audit": app}

File = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]",
        help="A capture, an exported file or events; - is stdin. Without it: the spool.",
        show_default=False,
    ),
]
SpoolStates = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="Of the spool: waiting, sent or rejected; can be repeated. All without it.",
        show_default=False,
    ),
]
RuleNames = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        metavar="RULE",
        help="Only this rule, by ID or name; can be repeated.",
        show_default=False,
    ),
]
Ignores = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="RULE[=EVENT.FIELD]:REASON",
        help="Do not count this; the reason stays in the output. Can be repeated.",
        show_default=False,
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="Do not count what stands in this file, so that only what is new fails.",
        show_default=False,
    ),
]
WriteBaseline = Annotated[
    bool, typer.Option("--write-baseline", help="Write the findings of now to --baseline.")
]
FailOn = Annotated[
    Literal["error", "warning", "never"],
    typer.Option("--fail-on", help="Exit with 1 from this level on."),
]
Form = Annotated[
    Literal["table", "json", "sarif"], typer.Option("--format", help="How the answer is written.")
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show examples whole instead of masked.")]
ListRules = Annotated[
    bool, typer.Option("--list-rules", help="List the rules and what they mean; audit nothing.")
]


class FindingsError(UsagectlError):
    """Tell that events depart from the notice as badly as --fail-on names, or worse."""

    code = "findings"
    exit_status = 1

    def __init__(self, count: int, *, fail_on: str) -> None:
        what = "1 finding is" if count == 1 else f"{count} findings are"
        worse = "of level error" if fail_on == "error" else "of level warning or worse"
        super().__init__(f"{what} {worse}.", hint="usagectl audit --list-rules")


class LinesUnreadError(UsagectlError):
    """Tell that part of what was to be audited could not be read, so nothing is proven of it."""

    code = "lines-unread"
    exit_status = 1

    def __init__(self, count: int, *, first: int, source: str) -> None:
        what = "1 line holds" if count == 1 else f"{count} lines hold"
        where = f"; the first is line {first}" if first else ""
        near = f"sed -n {first}p {quote(source)} | head -c 300" if first and source else ""
        super().__init__(
            f"{what} no event and could not be audited{where}.",
            hint=near or "usagectl audit --fail-on never",
        )


@app.command(cls=RecordedCommand)
def audit(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    file: File = None,
    *,
    state: SpoolStates = None,
    rule: RuleNames = None,
    ignore: Ignores = None,
    baseline: Baseline = None,
    write_baseline: WriteBaseline = False,
    fail_on: FailOn = "error",
    form: Form = "table",
    reveal: Reveal = False,
    list_rules: ListRules = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Compare events with the notice: what is undocumented, and what gives secrets away.

    Looked for are events and fields that the notice does not name, wrong types, IDs
    that tie events together, values of settings, and secrets: tokens, paths, names,
    addresses, also those of this machine. No value is shown whole without --reveal.
    Without FILE the spool is audited. Exits 1 when a finding is as bad as --fail-on.
    """
    from usagectl import notice
    from usagectl.cli import _audit_page as page
    from usagectl.tools import registry

    invocation: Invocation = ctx.obj
    ctx.with_resource(notice.declared(registry.declarations(invocation.environment)))
    chosen = "json" if json and form == "table" else form
    if json and form == "sarif":
        raise UsageError("--json and --format sarif cannot be had at once.")
    if list_rules:
        answer = _output.Answer(page.rules_data(), page.show_rules)
        _output.emit(answer, invocation, as_json=chosen == "json")
        return
    try:
        ignores, known = _read_suppressions(
            invocation.environment, ignore, baseline, write_baseline
        )
        result = _audit(invocation.environment, file, state, rule, reveal=reveal)
        result = _suppress(result, ignores, known)
        _check_lines(result, file)
        if result.bad_lines and (write_baseline or fail_on == "never"):
            _output.print_notice(_unread(result, file).message)
        written = None
        if baseline is not None and write_baseline:
            written = _write_baseline(invocation.environment, baseline, result, dry_run=dry_run)
    except UsagectlError as error:
        if chosen != "json" or json:
            raise
        _output.emit(_output.Answer({}, lambda: None, [error]), invocation, as_json=True)
        return
    errors = [] if write_baseline else _failures(result, fail_on, file)
    if chosen == "sarif":
        page.print_sarif(result, source=file or "")
        for failure in errors:
            _output.print_error(failure, command=invocation.command)
        if errors:
            raise typer.Exit(errors[0].exit_status)
        return
    view = page.View(result, file or "", fail_on, written, dry_run)
    answer = _output.Answer(page.data(view), lambda: page.show(view), errors)
    _output.emit(answer, invocation, as_json=chosen == "json")


def _read_suppressions(
    environment: Environment,
    ignore: Sequence[str] | None,
    baseline: str | None,
    writes: bool,  # noqa: FBT001
) -> tuple[list[Ignore], dict[str, str]]:
    from usagectl.audit import suppression

    ignores = [suppression.parse_ignore(text) for text in ignore or ()]
    if writes and baseline is None:
        raise UsageError(
            "--write-baseline needs --baseline FILE.",
            hint="usagectl audit --baseline audit.json --write-baseline",
        )
    known: dict[str, str] = {}
    if baseline is not None and not writes:
        known = suppression.read_baseline(environment.cwd / baseline)
    return ignores, known


def _audit(
    environment: Environment,
    file: str | None,
    state: list[str] | None,
    rule: list[str] | None,
    *,
    reveal: bool,
) -> AuditResult:
    from usagectl import audit as auditing
    from usagectl.cli import _audit_page as page
    from usagectl.cli._filters import parse_states
    from usagectl.machine.environment import with_account_home

    only = auditing.select(rule or ())
    context = auditing.Context.from_environment(with_account_home(environment))
    if file is None:
        states: tuple[State, ...] = parse_states(state, default=("pending", "sent", "rejected"))
        with page.meter(None) as meter:
            return auditing.audit_spool(
                environment,
                context=context,
                states=states,
                shows_values=reveal,
                only=only,
                on_progress=meter,
            )
    if state:
        raise UsageError("--state goes with the spool, not with a FILE.", hint="usagectl audit")
    path = environment.cwd / file
    try:
        with page.opened(file, path) as (stream, size), page.meter(size) as meter:
            return auditing.audit_stream(
                stream, context=context, shows_values=reveal, only=only, on_progress=meter
            )
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> FileUnreadableError:
    return FileUnreadableError(path, reason=(error.strerror or "it broke off").lower())


def _suppress(result: AuditResult, ignores: Sequence[Ignore], known: dict[str, str]) -> AuditResult:
    from usagectl.audit import suppression

    suppression.check_places(ignores, result.by_name)
    return result._replace(findings=suppression.suppress(result.findings, ignores, known))


def _check_lines(result: AuditResult, file: str | None) -> None:
    if result.bad_lines and not result.events:
        source = "The spool" if file is None else "Standard input" if file == "-" else file
        raise NoEventsError(
            source, bad_lines=result.bad_lines, is_file=file is not None and file != "-"
        )


def _unread(result: AuditResult, file: str | None) -> LinesUnreadError:
    source = "" if file in (None, "-") else str(file)
    return LinesUnreadError(result.bad_lines, first=result.first_bad_line, source=source)


def _write_baseline(
    environment: Environment, file: str, result: AuditResult, *, dry_run: bool
) -> int:
    from usagectl.audit import suppression

    if dry_run:
        return len(result.findings)
    return suppression.write_baseline(environment.cwd / file, result.findings)


def _failures(result: AuditResult, fail_on: str, file: str | None) -> list[UsagectlError]:
    """Say what fails: findings that are bad enough, and lines of which nothing can be said."""
    if fail_on == "never":
        return []
    bad = ("error",) if fail_on == "error" else ("error", "warning")
    count = sum(_counts(finding) and finding.level in bad for finding in result.findings)
    found: list[UsagectlError] = [FindingsError(count, fail_on=fail_on)] if count else []
    return [*found, _unread(result, file)] if result.bad_lines else found


def _counts(finding: Finding) -> bool:
    return finding.suppressed is None
