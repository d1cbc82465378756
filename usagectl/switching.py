"""Own how telemetry is switched: which file of which tool gets which bytes.

A plan is made from what the files say now; carrying it out replaces whole
files, and the verdict is then read anew. Nothing here opens a socket, runs a
program or makes a machine ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from usagectl import _files, consent, paths, settings, spool, tools
from usagectl.errors import (
    FileCorruptError,
    FolderUnknownError,
    StateError,
    SwitchIneffectiveError,
    UsagectlError,
)
from usagectl.tools import profiles
from usagectl.tools.base import is_dir
from usagectl.tools.localstack_client import PLAIN, PREFIXED, LocalStackClient
from usagectl.tools.localstack_rules import is_true
from usagectl.tools.lstk import SWITCH as LSTK_SWITCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from usagectl.consent import Consent
    from usagectl.environment import Environment
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
        purged: waiting events of usagectl that were removed.
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
    wishes: dict[str, Wish] = {tool.name: "off" for tool in tools.select(names)}
    changes, problems = _carry_out(environment, wishes, dry_run=dry_run)
    purged = 0
    if "usagectl" in wishes and not keep_spool:
        try:
            purged = spool.purge(environment, dry_run=dry_run)
        except UsagectlError as error:
            problems.append(error)
    consents = consent.evaluate(environment, list(wishes))
    if not dry_run:
        loud = (found for found in consents if found.counts and found.telemetry != "off")
        problems += [_stays_on(found) for found in loud]
    return SwitchResult(tuple(changes), consents, purged, tuple(problems))


def enable(
    environment: Environment, names: Sequence[str] = (), *, dry_run: bool = False
) -> SwitchResult:
    """Undo what disable did; a tool that is named is switched on whatever switched it off.

    Sending usagectl's own events is switched on only by that name.

    Raises:
        UnknownToolError: a name is none of a tool.
    """
    chosen = tools.select(names)
    wishes: dict[str, Wish] = {tool.name: "on" if tool.name in names else "undo" for tool in chosen}
    changes, problems = _carry_out(environment, wishes, dry_run=dry_run)
    consents = consent.evaluate(environment, list(wishes))
    if not dry_run:
        named = (found for found in consents if wishes[found.tool] == "on" and found.counts)
        problems += [_stays_off(found) for found in named if found.telemetry != "on"]
    return SwitchResult(tuple(changes), consents, 0, tuple(problems))


def _carry_out(
    environment: Environment, wishes: Mapping[str, Wish], *, dry_run: bool
) -> tuple[list[Change], list[UsagectlError]]:
    changes: list[Change] = []
    problems: list[UsagectlError] = []
    for name, switch in (("localstack", _switch_localstack), ("usagectl", _switch_own)):
        if name in wishes:
            try:
                changes += switch(environment, wishes[name], dry_run=dry_run)
            except StateError as error:
                problems.append(error)
    return changes, problems


def _switch_localstack(environment: Environment, wish: Wish, *, dry_run: bool) -> list[Change]:
    if environment.home is None and "CONFIG_DIR" not in environment.variables:
        raise FolderUnknownError("LocalStack's profiles", variable="CONFIG_DIR")
    folder = profiles.config_dir(environment)
    if dry_run:
        return _edit_profiles(environment, wish, dry_run=True)
    # The folder may be made on the way: all processes share the nearest one above it.
    is_there = [path for path in folder.parents if is_dir(path)]
    with _files.lock(is_there[0]):
        return _edit_profiles(environment, wish, dry_run=False)


def _edit_profiles(environment: Environment, wish: Wish, *, dry_run: bool) -> list[Change]:
    found = LocalStackClient(environment).profiles
    last = found.active[-1].file  # Its values win over those of the others.
    if wish == "off":
        edits = [] if _is_off(found) else [last]
    else:
        files = dict.fromkeys(profile.file for profile in found.active)
        edits = [file for file in files if _has_block(file)]
        if wish == "on" and last not in edits and _is_partly_off(found):
            edits.append(last)
    changes = [_edit(environment, found, file, wish=wish, dry_run=dry_run) for file in edits]
    return changes or [Change("localstack", last, PLAIN, _current(found), changed=False)]


def _is_off(found: Profiles) -> bool:
    prefixed = found.find(PREFIXED)
    return is_true(_current(found)) and (prefixed is None or is_true(prefixed[0]))


def _is_partly_off(found: Profiles) -> bool:
    prefixed = found.find(PREFIXED)
    return is_true(_current(found)) or (prefixed is not None and is_true(prefixed[0]))


def _current(found: Profiles) -> str | None:
    value = found.find(PLAIN)
    return value[0] if value else None


def _has_block(file: Path) -> bool:
    return profiles.has_block(_files.read_bytes(file) or b"")


def _edit(
    environment: Environment, found: Profiles, file: Path, *, wish: Wish, dry_run: bool
) -> Change:
    before = _files.read_bytes(file)
    after, value = plan_profile(
        file,
        before,
        wish=wish,
        variables=environment.variables,
        inherited=_values_before(environment, found, file, wish=wish),
    )
    if after != before and not dry_run:
        if after is None:
            _files.remove(file.resolve())  # A link that led nowhere stays; its new target goes.
        else:
            _files.replace_bytes(file, after)
    return Change("localstack", file, PLAIN, value, changed=after != before)


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
            bare = profiles.remove_block(_files.read_bytes(profile.file) or b"")
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
) -> tuple[bytes | None, str | None]:
    """Say which bytes a profile should have, and the value of DISABLE_EVENTS it then sets.

    Every byte that usagectl did not write stays. What the files before it in a list set
    (`inherited`) is beaten too.

    Raises:
        FileCorruptError: LocalStack could not read the profile either.
    """
    bare = None if before is None else profiles.remove_block(before)
    try:
        own = profiles.parse(bare or b"", variables)
    except UnicodeDecodeError as error:
        raise FileCorruptError(file, reason="it is not UTF-8") from error
    if wish == "undo":
        return bare, own.get(PLAIN)
    values = {**inherited, **own}
    reasons = (profiles.why_unholdable(name, own[name], variables) for name in own)
    if reason := next((text for text in reasons if text), ""):
        raise FileCorruptError(file, reason=reason)
    text = "1" if wish == "off" else "0"
    assignments = {PLAIN: text} if wish == "off" or is_true(values.get(PLAIN)) else {}
    if values.get(PREFIXED) is not None and is_true(values[PREFIXED]) != (wish == "off"):
        assignments[PREFIXED] = text
    if not assignments:
        return bare, values.get(PLAIN)
    return profiles.add_block(before, assignments), assignments.get(PLAIN, values.get(PLAIN))


def _switch_own(environment: Environment, wish: Wish, *, dry_run: bool) -> list[Change]:
    user = settings.load(environment)
    modes: dict[Wish, settings.Mode | None] = {"off": "off", "on": "on", "undo": None}
    wanted = modes[wish]
    is_done = user.mode_set_by != "disable" if wish == "undo" else user.mode == wanted
    if user.problem and user.file and wish == "undo":
        reason = "so what disable wrote there cannot be taken out"
        raise FileCorruptError(user.file, reason=reason)
    if is_done and not user.problem:
        file = paths.require_settings_file(environment)
        return [Change("usagectl", file, "telemetry.mode", user.mode, changed=False)]
    values: dict[settings.Name, object] = {
        "mode": wanted,
        "mode_since": environment.now().replace(microsecond=0) if wanted else None,
        "mode_set_by": "disable" if wish == "off" else None,
    }
    saved = settings.save(environment, values, dry_run=dry_run)
    return [
        Change("usagectl", saved.file, "telemetry.mode", wanted, saved.changed, saved.set_aside)
    ]


def _stays_on(found: Consent) -> SwitchIneffectiveError:
    decider = found.decided_by
    if found.tool == "lstk":
        because = "lstk reads no file, only the environment"
        return SwitchIneffectiveError(
            found.name, state="on", because=because, hint=f"export {LSTK_SWITCH}=1"
        )
    if decider.source == "environment":
        because = f"{decider.name}={decider.value!r} in the environment beats every file"
        hint = f"export {decider.name}=1"
    else:
        where = f"{decider.name} in {decider.origin} decides"
        because = where if decider.origin else "nothing switches it off"
        hint = "usagectl status"
    return SwitchIneffectiveError(found.name, state=found.telemetry, because=because, hint=hint)


def _stays_off(found: Consent) -> SwitchIneffectiveError:
    decider = found.decided_by
    if decider.source == "environment":
        because = f"{decider.name}={decider.value!r} in the environment decides"
        hint = f"unset {decider.name}"
    elif decider.origin:
        because = f"{decider.name} in {decider.origin} decides"
        hint = f"cat {decider.origin}"
    else:
        because = "this account has no home to keep a setting in"
        hint = "usagectl status"
    return SwitchIneffectiveError(found.name, state=found.telemetry, because=because, hint=hint)
