"""Switching telemetry off and on: each tool writes its own switch, the verdict is read back.

Nothing here opens a socket, runs a program or makes a machine ID.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from usagectl import catalogue
from usagectl.consent import describe, evaluate_tool, way_off_of
from usagectl.errors import (
    FolderUnknownError,
    StateError,
    SwitchIneffectiveError,
    UsagectlError,
    quote,
)
from usagectl.spool import ALL, UNSENT, Selection, open_spool, purge
from usagectl.tools import undoing
from usagectl.tools.registry import emitters, select

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


class _Asked(NamedTuple):
    """What switching was asked for: the names, and how."""

    names: Sequence[str]
    project: bool
    dry_run: bool


class _Switched(NamedTuple):
    """One tool after its switch was written: the changes, or what went wrong; the verdicts."""

    tool: Tool
    wish: Wish
    is_project: bool  # Whether files of the project could be written.
    changes: tuple[Change, ...] = ()
    failure: UsagectlError | None = None
    consents: tuple[Consent, ...] = ()


def disable(
    environment: Environment,
    names: Sequence[str] = (),
    *,
    keep_spool: bool = False,
    project: bool = False,
    dry_run: bool = False,
) -> SwitchResult:
    """Switch telemetry of the named tools off, or of all, and read back whether it is.

    A file of the working folder's project is written only where `project` is true.

    Raises:
        InvalidValueError: the names are one text.
        UnknownToolError: no tool goes by one of the names.
    """
    chosen = [each for each in select(environment, names) if names or _is_wanted(environment, each)]
    asked = _Asked(names, project, dry_run)
    done = _carry_out(environment, dict.fromkeys(chosen, "off"), asked)
    problems: list[UsagectlError] = []
    purged = 0
    if not keep_spool:
        try:
            purged = _purge(environment, chosen, dry_run=dry_run)
        except UsagectlError as error:
            problems.append(error)
    problems += [
        _stays(environment, each, found)
        for each in done
        for found in _concerned(each)
        if not _is_quiet(found) and (not dry_run or _is_out_of_reach(each, found))
    ]
    return _result(done, purged, problems)


def enable(
    environment: Environment,
    names: Sequence[str] = (),
    *,
    project: bool = False,
    dry_run: bool = False,
) -> SwitchResult:
    """Undo what disable did; a tool that is named is switched on whatever switched it off.

    Sending usagectl's own events is switched on only by that name.

    Raises:
        InvalidValueError: the names are one text.
        UnknownToolError: no tool goes by one of the names.
    """
    chosen = select(environment, names) if names else _all_written(environment)
    wishes: dict[Tool, Wish] = {
        tool: "on" if tool.name in names else "undo" for tool in _last_first(environment, chosen)
    }
    done = _carry_out(environment, wishes, _Asked(names, project, dry_run))
    done.sort(key=lambda each: chosen.index(each.tool))
    problems = [
        _stays(environment, each, found)
        for each in done
        if each.wish == "on" and not dry_run
        for found in _concerned(each)
        if found.telemetry != "on" and not _is_as_shipped(each.tool, found)
    ]
    return _result(done, 0, problems)


def _result(
    done: Iterable[_Switched], purged: int, problems: Sequence[UsagectlError]
) -> SwitchResult:
    changes = tuple(change for each in done for change in each.changes)
    consents = tuple(found for each in done for found in each.consents)
    failures = (each.failure for each in done if each.failure)
    return SwitchResult(changes, consents, purged, (*failures, *problems))


def _all_written(environment: Environment) -> tuple[Tool, ...]:
    """List the tools that are here, and those whose files disable wrote before they went."""
    here = tuple(each for each in select(environment) if _is_wanted(environment, each))
    gone = set(undoing.recorded(environment)) & set(catalogue.names())
    gone -= {tool.name for tool in here}
    return (*here, *(select(environment, sorted(gone)) if gone else ()))


def _last_first(environment: Environment, chosen: Sequence[Tool]) -> list[Tool]:
    """Order tools as they are undone: where two wrote to one file, the second goes first."""
    written = undoing.recorded(environment)
    rank = {name: number for number, name in enumerate(written)}
    return sorted(chosen, key=lambda tool: rank.get(tool.name, len(rank)))


def _carry_out(
    environment: Environment, wishes: Mapping[Tool, Wish], asked: _Asked
) -> list[_Switched]:
    """Have each tool write its switch, then read all verdicts anew."""
    done = []
    for tool, wish in wishes.items():
        try:
            found = tool.switch(environment, wish, dry_run=asked.dry_run, project=asked.project)
            done.append(_Switched(tool, wish, asked.project, found))
        except StateError as error:
            done.append(_Switched(tool, wish, asked.project, failure=error))
    names = asked.names
    return [each._replace(consents=_read_back(environment, each.tool, names)) for each in done]


def _is_wanted(environment: Environment, tool: Tool) -> bool:
    """True if a tool is switched without its name: it is here, or records through us."""
    if tool.is_ours or tool.find(environment).is_found:
        return True
    return _has_folder(environment, tool)


def _has_folder(environment: Environment, tool: Tool) -> bool:
    """True if the folder of a tool's own file is there: it may be in an environment not active."""
    try:
        planned = tool.switch(environment, "off", dry_run=True)
    except FolderUnknownError:
        return False
    except StateError:  # What is wrong with its file is said by switching.
        return True
    return any(change.file.parent.is_dir() for change in planned)


def _read_back(environment: Environment, tool: Tool, names: Sequence[str]) -> tuple[Consent, ...]:
    """Read the verdicts anew; a named tool counts, here or not, if its file was written."""
    is_named = tool.can_be_written and tool.name in names
    return evaluate_tool(environment, tool, is_named=is_named)


def _concerned(done: _Switched) -> Iterable[Consent]:
    """Yield the parts that have to follow: what can be run here, and what records through us."""
    return (found for found in done.consents if found.counts or found.is_ours)


def _is_quiet(found: Consent) -> bool:
    """True if a part is off; another's that keeps its events here sends nothing either."""
    return found.telemetry == "off" or (found.telemetry == "local" and not found.is_ours)


def _is_out_of_reach(done: _Switched, found: Consent) -> bool:
    """True if what is planned for a tool would not switch it off."""
    is_beaten = found.decided_by.source in ("environment", "flags")
    return found.is_out_of_reach and (is_beaten or not done.changes)


def _is_as_shipped(tool: Tool, found: Consent) -> bool:
    """True if no switch holds a tool back that asks first, keeps events here, or is not known."""
    default = tool.entry.default if tool.entry and not tool.entry.module else "on"
    is_undecided = found.decided_by.source == "default" or found.telemetry == default
    return default in ("asks", "local", "unknown") and is_undecided


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


def _stays(environment: Environment, done: _Switched, found: Consent) -> SwitchIneffectiveError:
    because, hint = _why(environment, done, found.decided_by)
    if found.decided_by.source == "flags":
        because = f"{describe(found.decided_by)} beats every variable and file"
        hint = (done.wish == "off" and way_off_of(found)) or "usagectl status"
    return SwitchIneffectiveError(found.name, state=found.telemetry, because=because, hint=hint)


def _why(environment: Environment, done: _Switched, decider: Switch) -> tuple[str, str]:
    """Say why a part did not follow, and what helps."""
    is_off, tool = done.wish == "off", done.tool
    if decider.source == "environment" and not done.failure:
        because = f"{decider.name}={decider.value!r} in the environment"
        if not is_off:
            return f"{because} decides", f"unset {decider.name}"
        way = _way_on_or_off(environment, done, decider) or f"export {decider.name}=1"
        return f"{because} beats every file", way
    if is_off and not done.changes and not done.failure and decider.source != "project":
        return _without_file(tool, tool.way_off(environment))
    if done.failure:
        hint = 'eval "$(usagectl env)"' if is_off else "usagectl status"
        return "its file could not be written", hint
    if decider.origin:
        has_file = decider.source != "process" and not is_off
        shown = f"cat {quote(decider.origin)}" if has_file else "usagectl status"
        way = _way_on_or_off(environment, done, decider)
        return f"{decider.name} in {decider.origin} decides", way or shown
    return f"nothing switches it {done.wish}", "usagectl status"


def _way_on_or_off(environment: Environment, done: _Switched, decider: Switch) -> str:
    """Return what beats a switch that says otherwise, of a tool of the catalogue; else nothing."""
    tool, is_off = done.tool, done.wish == "off"
    if tool.entry is None or tool.entry.module:
        return ""
    if decider.source == "project" and _is_written(environment, done, decider):
        return f"usagectl {'disable' if is_off else 'enable'} --project {tool.name}"
    return tool.way_off(environment) if is_off else ""


def _is_written(environment: Environment, done: _Switched, decider: Switch) -> bool:
    """True if the switch in a project's file is one that would be written, if asked for."""
    planned: tuple[Change, ...] = ()
    if not done.is_project:
        with suppress(StateError):
            planned = done.tool.switch(environment, done.wish, dry_run=True, project=True)
    return (decider.origin, decider.name) in [(str(each.file), each.name) for each in planned]


def _without_file(tool: Tool, way: str) -> tuple[str, str]:
    """Say why no file was written for a tool that sends, and what helps instead."""
    if way.startswith("export "):
        because = "no file of yours switches it off, a variable does"
        return f"{because}; usagectl disable --shell sets it in every new shell", way
    if way.startswith("usagectl disable "):
        return f"{tool.name} reads it from a file of the project, written only if asked for", way
    if way and not way.startswith("usagectl explain "):
        return f"usagectl writes no file of {tool.name}, its own command does", way
    return "usagectl sets none of its switches here", f"usagectl explain {tool.name}"
