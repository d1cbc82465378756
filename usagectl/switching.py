"""Switching telemetry off and on: each tool writes its own switch, the verdict is read back.

Nothing here opens a socket, runs a program or makes a machine ID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl.consent import describe, evaluate_tool, way_off_of
from usagectl.errors import StateError, SwitchIneffectiveError, UsagectlError, quote
from usagectl.spool import ALL, UNSENT, Selection, open_spool, purge
from usagectl.tools.base import emitters, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Change, Switch, Tool, Wish


class SwitchResult(NamedTuple):
    """The outcome of switching."""

    changes: tuple[Change, ...]  # What was written.
    consents: tuple[Consent, ...]  # The verdict on every part afterwards, read anew.
    purged: int  # Waiting events that were removed, of the tools that were switched off.
    # Parts that did not follow, and files that could not be written.
    problems: tuple[UsagectlError, ...]


class _Switched(NamedTuple):
    """One tool after its switch was written: the changes, or what went wrong; the verdicts."""

    tool: Tool
    wish: Wish
    changes: tuple[Change, ...] = ()
    failure: UsagectlError | None = None
    consents: tuple[Consent, ...] = ()


def disable(
    environment: Environment,
    names: Sequence[str] = (),
    *,
    keep_spool: bool = False,
    dry_run: bool = False,
) -> SwitchResult:
    """Switch telemetry of the named tools off, or of all, and read back whether it is.

    Raises:
        UnknownToolError: no tool goes by one of the names.
    """
    chosen = select(environment, names)
    done = _carry_out(environment, dict.fromkeys(chosen, "off"), names, dry_run=dry_run)
    problems: list[UsagectlError] = []
    purged = 0
    if not keep_spool:
        try:
            purged = _purge(environment, chosen, dry_run=dry_run)
        except UsagectlError as error:
            problems.append(error)
    problems += [
        _stays(each, found)
        for each in done
        for found in _concerned(each)
        if found.telemetry != "off" and (not dry_run or found.is_out_of_reach)
    ]
    return _result(done, purged, problems)


def enable(
    environment: Environment, names: Sequence[str] = (), *, dry_run: bool = False
) -> SwitchResult:
    """Undo what disable did; a tool that is named is switched on whatever switched it off.

    Sending usagectl's own events is switched on only by that name.

    Raises:
        UnknownToolError: no tool goes by one of the names.
    """
    chosen = select(environment, names)
    wishes: dict[Tool, Wish] = {tool: "on" if tool.name in names else "undo" for tool in chosen}
    done = _carry_out(environment, wishes, names, dry_run=dry_run)
    problems = [
        _stays(each, found)
        for each in done
        if each.wish == "on" and not dry_run
        for found in _concerned(each)
        if found.telemetry != "on"
    ]
    return _result(done, 0, problems)


def _result(
    done: Iterable[_Switched], purged: int, problems: Sequence[UsagectlError]
) -> SwitchResult:
    changes = tuple(change for each in done for change in each.changes)
    consents = tuple(found for each in done for found in each.consents)
    failures = (each.failure for each in done if each.failure)
    return SwitchResult(changes, consents, purged, (*failures, *problems))


def _carry_out(
    environment: Environment,
    wishes: Mapping[Tool, Wish],
    names: Sequence[str],
    *,
    dry_run: bool,
) -> list[_Switched]:
    """Have each tool write its switch, then read all verdicts anew."""
    done = []
    for tool, wish in wishes.items():
        try:
            done.append(_Switched(tool, wish, tool.switch(environment, wish, dry_run=dry_run)))
        except StateError as error:
            done.append(_Switched(tool, wish, failure=error))
    return [each._replace(consents=_read_back(environment, each.tool, names)) for each in done]


def _read_back(environment: Environment, tool: Tool, names: Sequence[str]) -> tuple[Consent, ...]:
    """Read the verdicts anew; a named tool counts, here or not, if its file was written."""
    is_named = tool.can_be_written and tool.name in names
    return evaluate_tool(environment, tool, is_named=is_named)


def _concerned(done: _Switched) -> Iterable[Consent]:
    """Yield the parts that have to follow: what can be run here, and what records through us."""
    return (found for found in done.consents if found.counts or found.is_ours)


def _purge(environment: Environment, chosen: Sequence[Tool], *, dry_run: bool) -> int:
    """Remove the waiting events of the tools that are switched off; of all of them, every event."""
    ours = [tool.name for tool in emitters(environment)]
    names = tuple(tool.name for tool in chosen if tool.is_ours)
    if not names:
        return 0
    selection = ALL if len(names) == len(ours) else Selection(tools=names)
    if not dry_run:
        return purge(environment, selection=selection)
    with open_spool(environment, read_only=True) as store:
        return store.count(UNSENT, selection)


def _stays(done: _Switched, found: Consent) -> SwitchIneffectiveError:
    because, hint = _why(done, found.decided_by)
    if found.decided_by.source == "flags":
        because = f"{describe(found.decided_by)} beats every variable and file"
        hint = (done.wish == "off" and way_off_of(found)) or "usagectl status"
    return SwitchIneffectiveError(found.name, state=found.telemetry, because=because, hint=hint)


def _why(done: _Switched, decider: Switch) -> tuple[str, str]:
    """Say why a part did not follow, and what helps."""
    is_off, tool = done.wish == "off", done.tool
    if is_off and not tool.can_be_written:
        because = f"usagectl writes no file of {tool.name}, which takes only the environment's word"
        return because, f"export {next(iter(tool.opt_out))}=1"
    if done.failure:
        hint = 'eval "$(usagectl env)"' if is_off else "usagectl status"
        return "its file could not be written", hint
    if decider.source == "environment":
        because = f"{decider.name}={decider.value!r} in the environment"
        if is_off:
            return f"{because} beats every file", f"export {decider.name}=1"
        return f"{because} decides", f"unset {decider.name}"
    if decider.origin:
        has_file = decider.source != "process"
        hint = f"cat {quote(decider.origin)}" if has_file and not is_off else "usagectl status"
        return f"{decider.name} in {decider.origin} decides", hint
    return f"nothing switches it {done.wish}", "usagectl status"
