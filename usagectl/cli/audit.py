"""`usagectl audit`: events of a file or of the spool held against the notice."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import contextmanager, nullcontext
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from usagectl.audit import RULES, Auditor, Context, sarif, select
from usagectl.audit import baseline as baselines
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._options import DryRun, parse_states
from usagectl.cli._progress import meter_of
from usagectl.errors import FileUnreadableError, NoEventsError, UsagectlError, UsageError, count_of
from usagectl.machine.environment import with_account_home
from usagectl.notice import declared
from usagectl.showing import as_data
from usagectl.tools import instrumented

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from usagectl.audit import AuditResult, Finding
    from usagectl.audit.baseline import Ignore
    from usagectl.cli._render import Page
    from usagectl.machine.environment import Environment

app = new_app()
apps = {"audit": app}

_SHOWN = 50
_BARS = 8
_STYLES = {"error": "red", "warning": "yellow", "note": ""}

File = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE",
        help="A capture, an exported file or events; - is stdin. Without it: the spool.",
    ),
]
SpoolStates = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="Of the spool: waiting, sent or rejected; can be repeated. All without it.",
    ),
]
RuleNames = Annotated[
    list[str] | None,
    typer.Option("--rule", metavar="RULE", help="Only this rule, by ID or name; can be repeated."),
]
Ignores = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="RULE[=EVENT.FIELD]:REASON",
        help="Do not count this; the field as the table or JSON names it. Can be repeated.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Do not count what stands in this file, so that only what is new fails.",
    ),
]
WriteBaseline = Annotated[
    bool, typer.Option("--write-baseline", help="Write the findings of now to --baseline.")
]
FailOn = Annotated[
    Literal["error", "warning", "never"],
    typer.Option(
        "--fail-on", metavar="[error|warning|never]", help="Exit with 1 from this level on."
    ),
]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Accept a FILE without any event; else exit with 1.")
]
Form = Annotated[
    Literal["table", "json", "sarif"],
    typer.Option("--format", metavar="[table|json|sarif]", help="How the answer is written."),
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show examples whole instead of masked.")]
ListRules = Annotated[
    bool, typer.Option("--list-rules", help="List the rules and what they mean; audit nothing.")
]


class FindingsError(UsagectlError):
    """Events depart from the notice as badly as --fail-on names, or worse."""

    code = "findings"
    exit_status = 1

    def __init__(self, count: int, *, fail_on: str) -> None:
        verb = "is" if count == 1 else "are"
        worse = "of level error" if fail_on == "error" else "of level warning or worse"
        super().__init__(
            f"{count_of(count, 'finding')} {verb} {worse}.", hint="usagectl audit --list-rules"
        )


class LinesUnreadError(UsagectlError):
    """Part of what was to be audited could not be read, so nothing is proven of it."""

    code = "lines-unread"
    exit_status = 1

    def __init__(self, count: int, *, first: int, source: str) -> None:
        verb = "holds" if count == 1 else "hold"
        where = f"; the first is line {first}" if first else ""
        near = f"sed -n {first}p {quote(source)} | head -c 300" if first and source else ""
        super().__init__(
            f"{count_of(count, 'line')} {verb} no event and could not be audited{where}.",
            hint=near or "usagectl audit --fail-on never",
        )


class _NothingHeldError(NoEventsError):
    """A file holds nothing at all: it can be read, and what was expected of it is not there."""

    exit_status = 1


class Audited(NamedTuple):
    """What is shown of an audit.

    Attributes:
        source: the file as it was typed, `-`, or empty for the spool.
        fail_on: from which level on it fails.
        allow_empty: whether a file without any event is accepted.
        written: how many findings went into a baseline, None when none was written.
        dry_run: whether the baseline would only have been written.
    """

    result: AuditResult
    source: str
    fail_on: str
    allow_empty: bool = False
    written: int | None = None
    dry_run: bool = False

    @property
    def source_name(self) -> str:
        """The source as JSON names it."""
        return self.source or "spool"

    @property
    def counting(self) -> list[Finding]:
        """The findings that are not suppressed."""
        return self.result.counting

    @property
    def totals(self) -> dict[str, int]:
        """The number of findings of each level that count, and of those that are suppressed."""
        return self.result.totals

    @property
    def unread(self) -> LinesUnreadError:
        """The error that says which lines were not audited."""
        source = "" if self.source == "-" else self.source
        return LinesUnreadError(
            self.result.bad_lines, first=self.result.first_bad_line, source=source
        )

    @property
    def is_vacuous(self) -> bool:
        """True if a file held no event, so that the audit proves nothing."""
        is_empty = not (self.result.events or self.result.other_requests)
        return is_empty and not self.allow_empty and bool(self.source)

    @property
    def failures(self) -> list[UsagectlError]:
        """What fails: findings that are bad enough, and what nothing can be said of."""
        if self.written is not None or self.fail_on == "never":
            return []
        if self.is_vacuous:
            return [_no_events(self)]
        bad = ("error",) if self.fail_on == "error" else ("error", "warning")
        count = sum(finding.level in bad for finding in self.counting)
        found: list[UsagectlError] = []
        if count:
            found.append(FindingsError(count, fail_on=self.fail_on))
        return [*found, self.unread] if self.result.bad_lines else found


@app.command(cls=AnsweringCommand)
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
    allow_empty: AllowEmpty = False,
    form: Form = "table",
    reveal: Reveal = False,
    list_rules: ListRules = False,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Compare events with the notice: what is undocumented, and what gives secrets away.

    Looked for are events and fields that the notice does not name, wrong types, IDs
    that tie events together, values of settings, and secrets: tokens, paths, names,
    addresses, also those of this machine. No value is shown whole without --reveal.
    Without FILE the spool is audited. Exits 1 when a finding is as bad as --fail-on,
    and when a FILE holds no event: an audit of nothing proves nothing.
    """
    invocation: Invocation = ctx.obj
    environment = invocation.environment
    ctx.with_resource(declared(instrumented.declarations(environment)))
    if invocation.as_json and form == "sarif":
        raise UsageError("--json and --format sarif exclude each other.")
    invocation.as_json |= form == "json"
    if list_rules:
        return _output.Answer(lambda: {"rules": as_data(RULES)}, _show_rules)
    ignores, known = _read_suppressions(environment, ignore, baseline, writes=write_baseline)
    result = _audit(environment, file, state, rule, reveal=reveal)
    result = _suppress(result, ignores, known)
    audited = Audited(result, file or "", fail_on, allow_empty, dry_run=dry_run)
    _check_lines(audited, is_forgiving=write_baseline or fail_on == "never")
    if baseline is not None and write_baseline:
        path = environment.cwd / baseline
        written = baselines.write_baseline(path, result.findings, is_dry_run=dry_run)
        audited = audited._replace(written=written)
    is_sarif = form == "sarif"
    return _output.Answer(
        lambda: as_data(audited),
        lambda: _print_sarif(audited, environment.cwd) if is_sarif else _show(audited),
        audited.failures,
    )


def _read_suppressions(
    environment: Environment, ignore: Sequence[str] | None, baseline: str | None, *, writes: bool
) -> tuple[list[Ignore], dict[str, str]]:
    """Read what does not count: the places to ignore, and the baseline unless it is written."""
    ignores = [baselines.parse_ignore(text) for text in ignore or ()]
    if writes and baseline is None:
        raise UsageError(
            "--write-baseline needs --baseline FILE.",
            hint="usagectl audit --baseline audit.json --write-baseline",
        )
    if baseline is None or writes:
        return ignores, {}
    return ignores, baselines.read_baseline(environment.cwd / baseline)


def _audit(
    environment: Environment,
    file: str | None,
    state: list[str] | None,
    rule: list[str] | None,
    *,
    reveal: bool,
) -> AuditResult:
    only = select(rule) if rule else None
    context = Context.from_environment(with_account_home(environment))
    if file is None:
        states = parse_states(state, default=("pending", "sent", "rejected"))
        with _meter(None) as meter:
            auditor = Auditor(context, shows_values=reveal, only=only, on_progress=meter)
            return auditor.add_spool(environment, states)
    if state:
        raise UsageError("--state goes with the spool, not with a FILE.", hint="usagectl audit")
    path = environment.cwd / file
    is_file = file != "-"
    try:
        with (
            path.open("rb") if is_file else nullcontext(sys.stdin.buffer) as stream,
            _meter(path.stat().st_size if is_file else None) as meter,
        ):
            auditor = Auditor(context, shows_values=reveal, only=only, on_progress=meter)
            return auditor.add_stream(stream)
    except OSError as error:
        reason = (error.strerror or "it broke off").lower()
        raise FileUnreadableError(path, reason=reason) from error


def _suppress(result: AuditResult, ignores: Sequence[Ignore], known: dict[str, str]) -> AuditResult:
    baselines.check_places(ignores, [*result.by_name, *(each.event for each in result.findings)])
    for each in baselines.unmatched(ignores, result.findings):
        place = f"{each.rule}={each.place}" if each.place else each.rule
        _output.print_remark(f"--ignore {place} matches no finding.")
    return result._replace(findings=baselines.suppress(result.findings, ignores, known))


def _check_lines(audited: Audited, *, is_forgiving: bool) -> None:
    """Refuse a source of lines without any event; print a remark where that is forgiven."""
    result = audited.result
    if result.bad_lines and not (result.events or result.other_requests):
        raise _no_events(audited)
    if result.bad_lines and is_forgiving:
        _output.print_remark(audited.unread.message)
    elif is_forgiving and audited.is_vacuous:
        _output.print_remark(_no_events(audited).message)


def _no_events(audited: Audited) -> NoEventsError:
    """Build the error: what holds no event, and how to look at it or accept it."""
    source, bad_lines = audited.source, audited.result.bad_lines
    error = NoEventsError if bad_lines else _NothingHeldError
    name = {"": "The spool", "-": "Standard input"}.get(source, source)
    hint = "" if bad_lines else f"usagectl audit {quote(source)} --allow-empty"
    return error(name, bad_lines=bad_lines, is_file=source not in ("", "-"), hint=hint)


@contextmanager
def _meter(size: int | None) -> Iterator[Callable[[int, int], None]]:
    """Show progress, with the number of events that the bytes read let expect."""
    with meter_of("Auditing", "events") as show:

        def show_progress(events: int, read: int) -> None:
            show(events, max(events, events * size // read) if size and read else None)

        yield show_progress


def _show(audited: Audited) -> None:
    page, counting = _output.new_page(), audited.counting
    page.line(_headline(audited), style="bold")
    if page.is_watched:
        _show_bars(page, counting)
    _show_table(page, counting)
    _show_details(page, counting[:_SHOWN])
    _show_suppressed(page, [each for each in audited.result.findings if each.suppressed])
    page.next_step(_next_step(audited))


def _headline(audited: Audited) -> str:
    totals = audited.totals
    suppressed = totals.pop("suppressed")
    verb = "does" if suppressed == 1 else "do"
    more = f" {suppressed} more {verb} not count." if suppressed else ""
    events, amount = _audited(audited.result), sum(totals.values())
    if not amount:
        found = audited.result.events or audited.result.other_requests or more
        if audited.result.other_requests and not more:
            more = " These were searched for secrets, names and paths of this machine."
        return f"No findings in {events}.{more}" if found else "There is no event to audit."
    parts = ", ".join(count_of(count, level) for level, count in totals.items() if count)
    return f"{count_of(amount, 'finding')} in {events}: {parts}.{more}"


def _audited(result: AuditResult) -> str:
    """Say how much was audited; of what went to other hosts, how many requests."""
    events = count_of(result.events, "event")
    others = f"{count_of(result.other_requests, 'request')} to hosts that the notice is not about"
    if not result.other_requests:
        return events
    return f"{events} and {others}" if result.events else others


def _show_bars(page: Page, findings: Sequence[Finding]) -> None:
    """Draw how often each rule was broken, for whoever looks; the table has the same numbers."""
    rules: dict[str, Counter[str]] = {}
    for each in findings:
        rules.setdefault(f"{each.rule} {each.name}", Counter())[each.level] += each.count
    if len(rules) > 1:
        page.line()
        ordered = sorted(rules.items(), key=lambda rule: -rule[1].total())
        page.bars(dict(ordered[:_BARS]), styles={**_STYLES, "note": "cyan"})
        page.more(len(ordered) - _BARS, " below")


def _show_table(page: Page, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    page.heading("Findings")
    shown = findings[:_SHOWN]
    rows = [("level", "rule", "count", "where", "example")]
    rows += [(*_cells(each), each.example) for each in shown]
    page.rows(rows, styles=["bold", *(_STYLES[each.level] for each in shown)])
    page.more(len(findings) - _SHOWN, "; --json lists all.")


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    rule = f"{finding.rule} {finding.name}"
    return finding.level, rule, str(finding.count), finding.place


def _show_details(page: Page, findings: Sequence[Finding]) -> None:
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        groups.setdefault((each.rule, each.message, each.sentence), []).append(each)
    for (rule, message, sentence), members in groups.items():
        first = members[0]
        page.heading(f"{rule} {first.name}")
        page.indented(message)
        rows = [("where", ", ".join(dict.fromkeys(each.place for each in members)))]
        if sentence:
            rows.append(("notice", f'"{sentence}"'))
        if first.known is not None:
            rows.append(("since", first.since or "all versions read"))
        rows.append(("do", first.advice))
        page.rows(rows)


def _show_suppressed(page: Page, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    page.heading("These do not count")
    shown = [(each, each.suppressed) for each in findings[:_SHOWN]]
    page.rows([(*_cells(each), by.reason if by else "") for each, by in shown])
    page.more(len(findings) - _SHOWN, "; --json lists all.")


def _next_step(audited: Audited) -> str:
    if audited.written is not None:
        verb = "would be written" if audited.dry_run else "written"
        what = count_of(audited.written, "finding")
        return f"{what} {verb}; usagectl audit --baseline FILE fails on what is new."
    if audited.counting:
        rules = "usagectl audit --list-rules says what each rule means"
        return f"{rules}; usagectl disable stops events."
    if audited.result.other_requests and audited.source != "-":
        return f"usagectl report --capture {quote(audited.source)} says which hosts these are."
    if not audited.result.events:
        if audited.source:
            return "usagectl capture --output FILE -- CMD records what a command sends."
        return "usagectl spool says what was recorded and sent so far."
    return "usagectl explain says what the notice allows."


def _show_rules() -> None:
    page = _output.new_page()
    page.line(f"{len(RULES)} rules. A finding that a known departure explains is a warning.")
    page.line()
    page.rows(
        [(rule.id, rule.name, rule.level, f"{rule.title} {rule.explanation}") for rule in RULES]
    )
    page.next_step("usagectl audit FILE --rule RULE looks for one of them alone.")


def _print_sarif(audited: Audited, cwd: Path) -> None:
    from usagectl._version import __version__

    artifact = sarif.find_artifact(audited.source, cwd=cwd)
    log = sarif.build(audited.result, artifact=artifact, version=__version__)
    typer.echo(json.dumps(log, indent=2 if sys.stdout.isatty() else None))
