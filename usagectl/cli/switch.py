"""`usagectl disable` and `usagectl enable`: write the tools' own switches, and read them back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import shell_files
from usagectl.cli import _everywhere, _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._everywhere import Shell, System  # noqa: TC001  (Typer reads them)
from usagectl.cli._options import DryRun, Tools  # noqa: TC001  (Typer reads them)
from usagectl.consent import describe
from usagectl.errors import count_of
from usagectl.machine import owners
from usagectl.sensitive import mask_url_credentials
from usagectl.showing import switch_data, told_change
from usagectl.switching import disable as switch_off
from usagectl.switching import enable as switch_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.cli._everywhere import Everywhere
    from usagectl.machine.environment import Environment
    from usagectl.switching import SwitchResult

Project = Annotated[
    bool,
    typer.Option("--project", help="Write files of this folder's project too, before your own."),
]

_NEXT = (
    "{} of them take a variable alone: usagectl disable --shell sets all for new shells, "
    'eval "$(usagectl env)" for this one.'
)

disable_app = new_app()
enable_app = new_app()
apps = {"disable": disable_app, "enable": enable_app}


@disable_app.command(cls=AnsweringCommand)
def disable(
    ctx: typer.Context,
    names: Tools = None,
    *,
    keep_spool: Annotated[
        bool, typer.Option("--keep-spool", help="Keep the events that wait in the spool.")
    ] = False,
    project: Project = False,
    shell: Shell = False,
    system: System = False,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Switch telemetry off, in the tools' own files, and check that it is off.

    Without a TOOL every one that is found here. One key of a file changes, every
    other byte of it stays; where a tool reads no file, what to export is said.
    For usagectl, and for what records through it, recording stops and waiting
    events are removed.

    With --shell every known opt-out also goes into files of usagectl's own, which bash,
    zsh, fish, PowerShell and desktop sessions of yours read, for tools installed later too.
    With --system they go where the shells and services of all users read them, and
    the policy wants each tool off; no file of a user is written unless a TOOL is
    named or --shell is given.

    Exits with 1 when a part stays on, and says what to do. Sends nothing.
    """
    invocation: Invocation = ctx.obj
    environment = invocation.environment
    places = _everywhere.chosen(shell=shell, system=system)
    chosen = names or ()
    files = _everywhere.switch(environment, "off", places, names=chosen, dry_run=dry_run)
    later = _everywhere.in_new_shells(environment, files) if places else environment
    if system and not shell and not chosen:
        result = _everywhere.look(later, wants_off=True)
    else:
        result = switch_off(later, chosen, keep_spool=keep_spool, project=project, dry_run=dry_run)
    return _answer(invocation, result, chosen, dry_run=dry_run, files=files)


@enable_app.command(cls=AnsweringCommand)
def enable(
    ctx: typer.Context,
    names: Tools = None,
    *,
    project: Project = False,
    shell: Shell = False,
    system: System = False,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Undo what `usagectl disable` did, and no more.

    With a TOOL, its file is made to say on, whoever made it say off; a variable or
    a policy that says off still wins. Sending usagectl's own events is switched
    on only by name: usagectl enable usagectl. What --shell or --system wrote is
    taken out again by the same option.
    """
    invocation: Invocation = ctx.obj
    environment = invocation.environment
    places = _everywhere.chosen(shell=shell, system=system)
    chosen = names or ()
    files = _everywhere.switch(environment, "undo", places, names=chosen, dry_run=dry_run)
    if system and not shell and not chosen:
        result = _everywhere.look(environment, wants_off=False)
    else:
        result = switch_on(environment, chosen, project=project, dry_run=dry_run)
    if not shell and shell_files.is_on(environment) and not invocation.as_json:
        hint = "usagectl enable --shell"
        _output.print_remark("Your shells get every opt-out as before.", hint=hint)
    return _answer(invocation, result, chosen, dry_run=dry_run, files=files, is_off=False)


def _answer(
    invocation: Invocation,
    result: SwitchResult,
    names: Sequence[str],
    *,
    dry_run: bool,
    files: Everywhere,
    is_off: bool = True,
) -> _output.Answer:
    def show() -> None:
        _everywhere.show(files, is_off=is_off, dry_run=dry_run)
        _show(result, names, dry_run=dry_run, is_later=is_off and bool(files.files))
        if result.changes:
            _remark_on_sudo(invocation.environment, verb="disable" if is_off else "enable")
        needing = [each for each in result.problems if each.hint.startswith("export ")]
        if is_off and len(needing) > 1:
            _output.new_page().next_step(_NEXT.format(len(needing)))

    def data() -> dict[str, object]:
        changes = files.changes(is_off=is_off)
        return switch_data(invocation.environment, result, dry_run=dry_run, changes=changes)

    return _output.Answer(data, show, (*files.problems, *result.problems))


def _remark_on_sudo(environment: Environment, *, verb: str) -> None:
    """Say whose files these are where a user became root and has a home elsewhere."""
    user, home = environment.variables.get("SUDO_USER", ""), environment.home
    if environment.uid == owners.ROOT and user not in ("", "root") and home is not None:
        with suppress(OSError, ValueError):
            if home.stat().st_uid == owners.ROOT:
                text = f"These are root's files, in {home}: those of {user} are as they were."
                _output.print_remark(text, hint=f"usagectl {verb}")


def _show(
    result: SwitchResult, names: Sequence[str], *, dry_run: bool, is_later: bool = False
) -> None:
    page = _output.new_page()
    for change in result.changes:
        page.line(told_change(change, dry_run=dry_run))
        if change.set_aside:
            page.indented(f"What could not be understood is now {change.set_aside}.")
    if result.purged:
        verb = "would be removed" if dry_run else "removed"
        events = count_of(result.purged, "waiting event")
        # Only tools of ours keep events here.
        recording = dict.fromkeys(part.tool for part in result.consents if part.is_ours)
        page.line(f"{', '.join(recording)}: {events} {verb}, unsent.")
    shown = [part for part in result.consents if part.counts]
    named = set(names) - {change.tool for change in result.changes}
    absent = [part.tool for part in result.consents if not part.counts and part.tool in named]
    if absent:
        missing = ", ".join(dict.fromkeys(absent))
        page.line(f"{missing}: not found on this machine, so there is nothing to switch.")
    if not shown:
        return
    if is_later:
        heading = f"As new shells {'would have' if dry_run else 'have'} it"
    else:
        heading = "As it stands now (nothing was changed)" if dry_run else "Read back"
    page.heading(heading)
    rows = [(part.name, part.state, describe(part.decided_by)) for part in shown]
    page.rows(rows, styles=[_output.STYLES[part.state] for part in shown])
    for part in shown:
        if part.is_ours and part.telemetry == "on" and part.endpoint:
            page.line(f"{part.name} sends to {mask_url_credentials(part.endpoint)}.")
    # What is not here yet is not judged, but what will defeat its file is said.
    written = {change.tool for change in result.changes}
    concerned = [part for part in result.consents if part.counts or part.tool in written]
    page.cautions([(part.name, caution) for part in concerned for caution in part.cautions])
