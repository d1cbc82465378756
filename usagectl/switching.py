"""Own how telemetry is switched: which file of which tool gets which bytes.

A plan is made from what the files say now; carrying it out replaces whole
files, and the verdict is then read anew. Nothing here opens a socket, runs a
program or makes a machine ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from shlex import quote
from typing import TYPE_CHECKING, Literal

from usagectl import consent, settings, settings_writer, spool, tools
from usagectl.errors import (
    FileCorruptError,
    FolderUnknownError,
    StateError,
    SwitchIneffectiveError,
    UsagectlError,
)
from usagectl.machine import files, paths
from usagectl.tools import profiles
from usagectl.tools.base import is_dir, is_file
from usagectl.tools.localstack_client import PLAIN, PREFIXED, LocalStackClient
from usagectl.tools.localstack_rules import is_true
from usagectl.tools.lstk import SWITCH as LSTK_SWITCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment
    from usagectl.tools.profiles import Profiles

Wish = Literal["off", "undo", "on"]
"""What is asked for: off, back to what was before disable, or on whatever was before."""


@dataclass(frozen=True, slots=True)
class Change:
    """Hold what was written (or would be) in one file.

    Attributes:
        tool: whose switch.
        file: the file.
        name: the variable or key.
        value: what it is set to; None when the line was taken out.
        changed: whether the file is other than before.
        set_aside: where a file that could not be understood went.
    """

    tool: str
    file: Path
    name: str
    value: str | None
    changed: bool
    set_aside: Path | None = None


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """Hold the outcome of switching.

    Attributes:
        changes: what was written.
        consents: the verdict on every part afterwards, read anew.
        purged: waiting events that were removed, of the tools that were switched off.
        problems: parts that did not follow, and files that could not be written.
    """

    changes: tuple[Change, ...]
    consents: tuple[Consent, ...]
    purged: int
    problems: tuple[UsagectlError, ...]


def disable(
    environment: Environment,
    names: Sequence[str] = (),
    *,
    keep_spool: bool = False,
    dry_run: bool = False,
) -> SwitchResult:
    """Switch telemetry of the named tools off, or of all, and read back whether it is.

    Raises:
        UnknownToolError: a name is none of a tool.
    """
    wishes: dict[str, Wish] = {tool.name: "off" for tool in tools.select(environment, names)}
    changes, failed = _carry_out(environment, wishes, dry_run=dry_run)
    problems = list(failed.values())
    purged = 0
    if not keep_spool:
        try:
            purged = _purge(environment, wishes, dry_run=dry_run)
        except UsagectlError as error:
            problems.append(error)
    consents = consent.evaluate(environment, list(wishes))
    loud = (found for found in consents if _is_concerned(found) and found.telemetry != "off")
    problems += [_stays_on(found, failed) for found in loud if not dry_run or found.is_out_of_reach]
    return SwitchResult(tuple(changes), consents, purged, tuple(problems))


def enable(
    environment: Environment, names: Sequence[str] = (), *, dry_run: bool = False
) -> SwitchResult:
    """Undo what disable did; a tool that is named is switched on whatever switched it off.

    Sending usagectl's own events is switched on only by that name.

    Raises:
        UnknownToolError: a name is none of a tool.
    """
    chosen = tools.select(environment, names)
    wishes: dict[str, Wish] = {tool.name: "on" if tool.name in names else "undo" for tool in chosen}
    changes, failed = _carry_out(environment, wishes, dry_run=dry_run)
    problems = list(failed.values())
    consents = consent.evaluate(environment, list(wishes))
    if not dry_run:
        named = (found for found in consents if wishes[found.tool] == "on" and _is_concerned(found))
        problems += [_stays_off(found, failed) for found in named if found.telemetry != "on"]
    return SwitchResult(tuple(changes), consents, 0, tuple(problems))


def _is_concerned(found: Consent) -> bool:
    """Tell whether a part has to follow: what can be run here, and what records through us."""
    return found.counts or found.tool not in ("localstack", "lstk")


def _carry_out(
    environment: Environment, wishes: Mapping[str, Wish], *, dry_run: bool
) -> tuple[list[Change], dict[str, UsagectlError]]:
    """Switch each tool that has a file; return the changes and, by tool, what went wrong."""
    changes: list[Change] = []
    failed: dict[str, UsagectlError] = {}
    for name, wish in wishes.items():
        if name == "lstk":  # It takes only the environment's word.
            continue
        try:
            if name == "localstack":
                changes += _switch_localstack(environment, wish, dry_run=dry_run)
            else:
                changes += _switch_emitting(environment, name, wish, dry_run=dry_run)
        except StateError as error:
            failed[name] = error
    return changes, failed


def _purge(environment: Environment, wishes: Mapping[str, Wish], *, dry_run: bool) -> int:
    """Remove what waits of the tools that are switched off; of all of them, whatever waits."""
    names = [tool.name for tool in tools.emitters(environment)]
    chosen = tuple(name for name in names if name in wishes)
    if not chosen:
        return 0
    everything = len(chosen) == len(names)
    selection = spool.ALL if everything else spool.Selection(tools=chosen)
    if not dry_run:
        return spool.purge(environment, selection=selection)
    with spool.open_spool(environment, read_only=True) as store:
        return store.count(spool.UNSENT, selection)


def _switch_localstack(environment: Environment, wish: Wish, *, dry_run: bool) -> list[Change]:
    if environment.home is None and "CONFIG_DIR" not in environment.variables:
        raise FolderUnknownError("LocalStack's profiles", variable="CONFIG_DIR")
    folder = profiles.config_dir(environment)
    if dry_run:
        return _edit_profiles(environment, wish, dry_run=True)
    # The folder may be made on the way: all processes share the nearest one above it.
    above = next((path for path in folder.parents if is_dir(path)), folder)
    with files.lock(above):
        return _edit_profiles(environment, wish, dry_run=False)


def _edit_profiles(environment: Environment, wish: Wish, *, dry_run: bool) -> list[Change]:
    found = LocalStackClient(environment).profiles
    last = found.active[-1].file  # Its values win over those of the others.
    edits = _files_to_edit(found, wish)
    changes = [
        change
        for file in edits
        for change in _edit(environment, found, file, wish=wish, dry_run=dry_run)
    ]
    return changes or [Change("localstack", last, PLAIN, _current(found), changed=False)]


def _files_to_edit(found: Profiles, wish: Wish) -> list[Path]:
    last = found.active[-1].file
    if wish == "off":
        return [] if _is_off(found) else [last]
    active = list(dict.fromkeys(profile.file for profile in found.active))
    if wish == "on":
        edits = [file for file in active if _has_block(file)]
        return edits if last in edits or not _is_partly_off(found) else [*edits, last]
    # Disable may have run while another profile was active: its block is found there too.
    others = [found.folder / f"{name}.env" for name in profiles.other_names(found)]
    return [file for file in (*active, *others) if _has_block(file, opts_out_only=True)]


def _is_off(found: Profiles) -> bool:
    prefixed = found.find(PREFIXED)
    return is_true(_current(found)) and (prefixed is None or is_true(prefixed[0]))


def _is_partly_off(found: Profiles) -> bool:
    prefixed = found.find(PREFIXED)
    return is_true(_current(found)) or (prefixed is not None and is_true(prefixed[0]))


def _current(found: Profiles) -> str | None:
    value = found.find(PLAIN)
    return value[0] if value else None


def _has_block(file: Path, *, opts_out_only: bool = False) -> bool:
    if not is_file(file):
        return False
    data = files.read_bytes(file, limit=profiles.MAX_BYTES) or b""
    return profiles.has_block(data, opts_out_only=opts_out_only)


def _edit(
    environment: Environment, found: Profiles, file: Path, *, wish: Wish, dry_run: bool
) -> list[Change]:
    before = files.read_bytes(file, limit=profiles.MAX_BYTES)
    after, assignments = plan_profile(
        file,
        before,
        wish=wish,
        variables=environment.variables,
        inherited=_values_before(environment, found, file, wish=wish),
    )
    changed = after != before
    if changed and not dry_run:
        if after is None:
            files.remove(file.resolve())  # A link that led nowhere stays; its new target goes.
        else:
            files.replace_bytes(file, after)
    return [
        Change("localstack", file, name, value, changed=changed)
        for name, value in assignments.items()
    ]


def _values_before(
    environment: Environment, found: Profiles, file: Path, *, wish: Wish
) -> dict[str, str | None]:
    """Merge what the active profiles before a file set.

    For on, usagectl's own blocks do not count: they are edited in the same run.
    """
    merged: dict[str, str | None] = {}
    for profile in takewhile(lambda profile: profile.file != file, found.active):
        merged |= profile.values
        if wish == "on" and _has_block(profile.file):
            bare = profiles.remove_block(
                files.read_bytes(profile.file, limit=profiles.MAX_BYTES) or b""
            )
            merged |= {PLAIN: None, PREFIXED: None}
            merged |= profiles.parse(bare or b"", environment.variables)
    return merged


def plan_profile(
    file: Path,
    before: bytes | None,
    *,
    wish: Wish,
    variables: Mapping[str, str],
    inherited: Mapping[str, str | None],
) -> tuple[bytes | None, dict[str, str | None]]:
    """Say which bytes a profile should have, and what it then sets of the switches.

    Every byte that usagectl did not write stays. What the files before it in a list set
    (`inherited`) is beaten too.

    Raises:
        FileCorruptError: LocalStack could not read the profile either.
    """
    bare = None
    if before is not None:
        bare = profiles.remove_block(before, opts_out_only=wish != "on")
    try:
        own = profiles.parse(bare or b"", variables)
    except UnicodeDecodeError as error:
        raise FileCorruptError(file, reason="it is not UTF-8") from error
    if wish == "undo":
        return bare, {PLAIN: own.get(PLAIN)}
    values = {**inherited, **own}
    reasons = (profiles.why_unholdable(name, own[name], variables) for name in own)
    if reason := next((text for text in reasons if text), ""):
        raise FileCorruptError(file, reason=reason)
    assignments = _assignments(values, wish)
    if not assignments:
        return bare, {PLAIN: values.get(PLAIN)}
    return profiles.add_block(before, assignments), {**assignments}


def _assignments(values: Mapping[str, str | None], wish: Wish) -> dict[str, str]:
    """Say what a block must set: the prefixed name only where it says otherwise."""
    text = "1" if wish == "off" else "0"
    assignments = {PLAIN: text} if wish == "off" or is_true(values.get(PLAIN)) else {}
    if values.get(PREFIXED) is not None and is_true(values[PREFIXED]) != (wish == "off"):
        assignments[PREFIXED] = text
    return assignments


def _switch_emitting(
    environment: Environment, tool: str, wish: Wish, *, dry_run: bool
) -> list[Change]:
    user = settings.load(environment)
    before = user.of_tool(tool)
    key = ".".join(settings_writer.place_of("mode", tool))
    modes: dict[Wish, settings.Mode | None] = {"off": "off", "on": "on", "undo": None}
    wanted = modes[wish]
    is_done = before.mode_set_by != "disable" if wish == "undo" else before.mode == wanted
    if user.problem and user.file and wish == "undo":
        reason = "so what disable wrote there cannot be taken out"
        raise FileCorruptError(user.file, reason=reason)
    if is_done and not user.problem:
        file = paths.require_settings_file(environment)
        return [Change(tool, file, key, before.mode, changed=False)]
    values: dict[settings.Name, object] = {
        "mode": wanted,
        "mode_since": environment.now().replace(microsecond=0) if wanted else None,
        "mode_set_by": "disable" if wish == "off" else None,
    }
    saved = settings_writer.save(environment, values, tool=tool, dry_run=dry_run)
    return [Change(tool, saved.file, key, wanted, saved.changed, saved.set_aside)]


def _stays_on(found: Consent, failed: Mapping[str, UsagectlError]) -> SwitchIneffectiveError:
    decider = found.decided_by
    hint = "usagectl status"
    if found.tool == "lstk":
        because = "usagectl writes no file of lstk, which takes only the environment's word"
        hint = f"export {LSTK_SWITCH}=1"
    elif found.tool in failed:
        because = "its file could not be written"
        hint = 'eval "$(usagectl env)"'
    elif decider.source == "environment":
        because = f"{decider.name}={decider.value!r} in the environment beats every file"
        hint = f"export {decider.name}=1"
    elif decider.origin:
        because = f"{decider.name} in {decider.origin} decides"
    else:
        because = "nothing switches it off"
    return SwitchIneffectiveError(found.name, state=found.telemetry, because=because, hint=hint)


def _stays_off(found: Consent, failed: Mapping[str, UsagectlError]) -> SwitchIneffectiveError:
    decider = found.decided_by
    hint = "usagectl status"
    if found.tool in failed:
        because = "its file could not be written"
    elif decider.source == "environment":
        because = f"{decider.name}={decider.value!r} in the environment decides"
        hint = f"unset {decider.name}"
    elif decider.origin:
        because = f"{decider.name} in {decider.origin} decides"
        hint = f"cat {quote(decider.origin)}"
    else:
        because = f"usagectl writes no file of {found.tool}"
    return SwitchIneffectiveError(found.name, state=found.telemetry, because=because, hint=hint)
