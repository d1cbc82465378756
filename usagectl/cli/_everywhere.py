"""The options `--shell` and `--system` of `disable` and `enable`: carried out, and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from usagectl import shell_files, system_files
from usagectl.cli import _output
from usagectl.consent import describe, evaluate
from usagectl.errors import SwitchIneffectiveError
from usagectl.showing import printable_line
from usagectl.switching import SwitchResult
from usagectl.tools.base import Change
from usagectl.tools.opt_outs import opt_out_variables
from usagectl.tools.registry import select
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from usagectl.consent import Consent
    from usagectl.errors import UsagectlError
    from usagectl.machine.environment import Environment
    from usagectl.machine.marked_files import FileChange
    from usagectl.shell_files import Contrary

Shell = Annotated[
    bool,
    typer.Option("--shell", help="Also the start-up files of your shells: every known opt-out."),
]
System = Annotated[
    bool,
    typer.Option("--system", help="Every user of this machine, its services, its policy; as root."),
]
Where = Literal["shell", "system"]
_MODULES = {"shell": shell_files, "system": system_files}


class Everywhere(Value):
    """What was written for shells and for the whole machine, or would be."""

    files: tuple[tuple[Where, FileChange], ...] = ()
    problems: tuple[UsagectlError, ...] = ()

    def contraries(self) -> list[Contrary]:
        """List what start-up files set otherwise below the line that sets every opt-out."""
        return [
            each
            for where, module in _MODULES.items()
            for each in shell_files.contraries(
                (change for place, change in self.files if place == where), author=module.AUTHOR
            )
        ]

    def changes(self, *, is_off: bool) -> list[Change]:
        """Return the files in the form of any other switch."""
        value = "every one" if is_off else None
        return [
            Change(where, each.file, "opt-outs", value, not each.is_same)
            for where, each in self.files
            if is_off or not each.is_same
        ]


def switch(
    environment: Environment,
    wish: Literal["off", "undo"],
    places: Sequence[Where],
    *,
    names: Sequence[str],
    dry_run: bool,
) -> Everywhere:
    """Write the files of the places that were asked for.

    Raises:
        UnknownToolError: no tool goes by one of the names; nothing was written.
        StateError: nothing can be written there by this user.
    """
    if names:
        select(environment, names)
    found: list[tuple[Where, FileChange]] = []
    problems: list[UsagectlError] = []
    for place in places:
        module = _MODULES[place]
        result = (module.disable if wish == "off" else module.enable)(environment, dry_run=dry_run)
        found += [(place, each) for each in result.changes]
        problems += result.problems
    return Everywhere(tuple(found), tuple(problems))


def chosen(*, shell: bool, system: bool) -> list[Where]:
    """Return the places that were asked for; what only root may write comes first."""
    asked: dict[Where, bool] = {"system": system, "shell": shell}
    return [place for place, is_wanted in asked.items() if is_wanted]


def in_new_shells(environment: Environment, done: Everywhere) -> Environment:
    """Return the environment as a shell has it that was started after `disable --shell`."""
    contrary = {each.name: each.value for each in done.contraries()}
    variables = {**environment.variables, **opt_out_variables(), **contrary}
    return environment._replace(variables=variables)


def look(environment: Environment, *, wants_off: bool) -> SwitchResult:
    """Return the verdicts as they are, where no tool's own file is to be written."""
    consents = evaluate(environment)
    loud = [each for each in consents if each.counts and each.telemetry in ("on", "unknown")]
    problems = tuple(_stays(each) for each in loud) if wants_off else ()
    return SwitchResult((), consents, 0, problems)


def _stays(found: Consent) -> SwitchIneffectiveError:
    is_default = found.decided_by.source == "default"
    because = "it heeds no variable" if is_default else f"{describe(found.decided_by)} decides"
    way = "status" if found.is_out_of_reach else "disable"
    hint = f"usagectl {way} {found.tool}"
    return SwitchIneffectiveError(found.name, state=found.telemetry, because=because, hint=hint)


def show(done: Everywhere, *, is_off: bool, dry_run: bool) -> None:
    """Print what became of each file; as a dry run, the difference."""
    changed = [(where, each) for where, each in done.files if not each.is_same]
    for where, each in changed:
        if dry_run:
            for line in each.diff().splitlines():
                typer.echo("\t".join(map(printable_line, line.split("\t"))))
        else:
            _output.print_line(f"{where}: {each.file} {_what(each, is_off=is_off)}")
    for line in _remarks(done, changed, is_off=is_off, dry_run=dry_run):
        _output.print_line(line)


def _what(change: FileChange, *, is_off: bool) -> str:
    if change.after is None:
        return "is removed now"
    if change.before is None:
        return "is new"
    return "has the opt-outs now" if is_off else "is as it was before"


def _remarks(
    done: Everywhere,
    changed: Sequence[tuple[Where, FileChange]],
    *,
    is_off: bool,
    dry_run: bool,
) -> Iterator[str]:
    for where in dict.fromkeys(where for where, _ in done.files):
        if all(each != where for each, _ in changed):
            yield f"{where}: nothing had to be {'added' if is_off else 'taken out'}."
    for each in done.contraries() if is_off else ():
        yield f"{each.file}:{each.number} sets {each.name}={each.value} after that: there it wins."
    if dry_run or not changed or done.problems:  # What is wrong is said as an error.
        return
    count = len(opt_out_variables())
    if not is_off:
        yield "New shells have the opt-outs no longer; this one keeps them until it ends."
    else:
        yield f'New shells have all {count} opt-outs. For this one: eval "$(usagectl env)"'
    if any("systemd" in each.file.parts for _, each in changed):
        yield "Services that are started after `systemctl daemon-reexec` follow as well."
