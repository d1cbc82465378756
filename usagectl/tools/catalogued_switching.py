"""Switching of a tool of the catalogue: which of its files get which key, and how it comes back.

Machine files are not written here, a project's only if that was asked for. A tool that only a
variable reaches has no changes; whoever switches says which variable that is.
"""

from __future__ import annotations

import errno
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import FileUnwritableError, StateError, quote
from usagectl.machine import file_errors, files, owners
from usagectl.tools import editing, file_values, forms, places, undoing
from usagectl.tools.base import Change
from usagectl.tools.catalogued import shown
from usagectl.tools.editing import Syntax
from usagectl.tools.forms import MISSING
from usagectl.tools.undoing import Step, Written

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from usagectl.catalogue.entry import Entry, File, Format, Need, Outcome, Scope, SwitchRule
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Wish

_NEW_PROJECT_MODE = 0o644
"""A project is built by other users and in containers, too."""


class Target(NamedTuple):
    """A switch in a file that usagectl may write, on this machine."""

    rule: SwitchRule
    file: File
    path: Path
    scope: Scope  # Whose it is, here.

    @property
    def key(self) -> tuple[str, ...]:
        """The path to the value, with the section in which it stands."""
        return self.file.path_to(self.rule.key)

    @property
    def syntax(self) -> Syntax:
        """How the file is written."""
        return Syntax(self.file.format, self.file.dialect)

    @property
    def name(self) -> str:
        """What a person knows the switch by."""
        return ".".join(self.rule.key) or self.path.name


class Asked(NamedTuple):
    """What switching is to heed."""

    environment: Environment
    version: str  # The release that is here, or the newest that is known.
    project: bool = False  # Whether a project's file may be written.
    dry_run: bool = False


def switch(entry: Entry, asked: Asked, wish: Wish) -> tuple[Change, ...]:
    """Write a tool's switch into its own file, or take back what was written.

    Raises:
        FolderUnknownError: there is no folder to keep the record in.
        FileUnreadableError: a file may not be read.
        FileCorruptError: a file, or the record, cannot be understood; it is as it was.
        FileUneditableError: a file's form allows no such change; it is as it was.
        FileUnwritableError: nothing was changed in that file.
        LockTimeoutError: another process kept usagectl's state locked.
    """
    own = asked.environment.state_dir
    with nullcontext() if asked.dry_run or own is None else files.lock(own):
        targets = [*_targets(entry, asked)]
        work = _Work(entry, asked.environment, dry_run=asked.dry_run)
        if wish == "off":
            return work.switch_off(targets)
        changes = work.undo()
        return changes if wish == "undo" else work.switch_on(targets, changes)


def writes_project(entry: Entry, environment: Environment, version: str) -> bool:
    """True if a file that `disable --project` may write silences the whole tool here."""
    targets = _targets(entry, Asked(environment, version, project=True))
    whole = (each for each in targets if not each.rule.covers)
    return any(_can_silence(each.rule, each.file.format) for each in whole)


def _targets(entry: Entry, asked: Asked) -> Iterator[Target]:
    """Yield the switches in files that may be written; a project's first where it is wanted."""
    environment, version = asked.environment, asked.version
    wanted: tuple[Scope, ...] = ("project", "user") if asked.project else ("user",)
    for scope in wanted:
        for rule in places.heeded(entry, environment, version):
            if not rule.file or rule.reach != "own":
                continue
            file = entry.file(rule.file)
            path = places.path_of(file, environment, version)
            if path is None or file.format == "code":
                continue
            found = "project" if _is_in_project(file, path, environment) else file.scope
            if found == scope:
                yield Target(rule, places.as_at(file, path), path, scope)


def target_of(
    entry: Entry, rule: SwitchRule, environment: Environment, version: str
) -> Target | None:
    """Return where a switch stands in a file, or would if that were made; None without a place."""
    file = entry.file(rule.file)
    about = file, environment, version
    path = places.path_of(*about) or places.path_to_make(*about)
    return Target(rule, places.as_at(file, path), path, file.scope) if path else None


def with_value(target: Target, data: bytes | None, value: object) -> bytes:
    """Return what a file holds with a value for its switch, and with what the switch needs.

    Raises:
        FileCorruptError: the file cannot be understood.
        FileUneditableError: its form allows no such change.
    """
    _, data = _meet_needs(target, data)
    return _put(target, data, target.key, value)[1]


def _is_in_project(file: File, path: Path, environment: Environment) -> bool:
    """True for a user's file that lies in the working folder, as in a container it may."""
    relative = (each.path for each in file.places if not each.path.startswith("/"))
    return any(environment.cwd / each == path for each in relative)


def _can_silence(rule: SwitchRule, form: Format) -> bool:
    """True if a switch that is written says off; a marker that has to be gone is left."""
    written = rule.write if form in editing.TYPED else editing.as_text(rule.write)
    value = "" if form == "marker" else written
    return rule.write is not None and forms.outcome(rule, value) == "off"


class _Work:
    """Edits of one tool's files: read, changed and recorded; or only planned."""

    def __init__(self, entry: Entry, environment: Environment, *, dry_run: bool) -> None:
        self.entry = entry
        self.environment = environment
        self.dry_run = dry_run
        self._planned: dict[Path, bytes | None] = {}

    def switch_off(self, targets: Sequence[Target]) -> tuple[Change, ...]:
        """Write the first switch that silences the whole tool, or those that do so together."""
        able = [each for each in targets if self._can_be_written(each)]
        whole = self._best([each for each in able if not each.rule.covers])
        return tuple(map(self._switch_off, whole or _together(able, self.entry.parts)))

    def _best(self, whole: Sequence[Target]) -> Sequence[Target]:
        """Pick the switch that says off already, unless one before it beats it; else the first."""
        for each in whole:
            said = self._said(each)
            if said == "off":
                return [each]
            if said != "ignored" and self.entry.combine == "first":
                break
        return whole[:1]

    def _switch_off(self, target: Target) -> Change:
        before = self._read(target.path)
        steps, after = self._steps(target, before)
        if not steps and before == after:
            return self._change(target, _value_of(target, before), changed=False)
        self._record(target, before, after or b"", steps)
        return self._change(target, target.rule.write, changed=True)

    def switch_on(
        self, targets: Sequence[Target], undone: tuple[Change, ...]
    ) -> tuple[Change, ...]:
        """Make every file that still says off say on, whoever made it say so."""
        changes = (*undone, *filter(None, map(self._switch_on, targets)))
        if changes or not targets:
            return changes
        target = targets[0]
        value = _value_of(target, self._read(target.path))
        return (self._change(target, value, changed=False),)

    def undo(self) -> tuple[Change, ...]:
        """Take back what disable wrote, file by file; what cannot be stays recorded."""
        changes: list[Change] = []
        kept: list[Written] = []
        failure: StateError | None = None
        written = undoing.load(self.environment, self.entry.name)
        for each in written:
            try:
                changes += self._undo(each)
            except StateError as error:
                kept.append(each)
                failure = failure or error
        if written and not self.dry_run:
            undoing.save(self.environment, self.entry.name, kept)
        if failure:
            raise failure
        return tuple(changes)

    def _can_be_written(self, target: Target) -> bool:
        """True if a switch silences the tool, and what it needs is there or can be written."""
        if not _can_silence(target.rule, target.file.format):
            return False
        data = self._read(target.path)
        if target.file.format == "xml" and data is None:
            return False  # It is a whole configuration: the tool makes it, where it wants it.
        missing = _unmet(target, data) if target.rule.needs else []
        return all(need.write is not None for need in missing)

    def _steps(self, target: Target, before: bytes | None) -> tuple[list[Step], bytes | None]:
        """Plan what has to be written: what the switch needs, then the switch."""
        steps, data = _meet_needs(target, before)
        if forms.outcome(target.rule, _value_of(target, data)) != "off":
            step, data = _put(target, data, target.key, target.rule.write)
            steps.append(step)
        return steps, data

    def _record(
        self, target: Target, before: bytes | None, after: bytes, steps: Sequence[Step]
    ) -> None:
        """Keep what will be written, then write it: a crash between the two costs nothing."""
        is_new = before is None
        folders = tuple(reversed(files.missing_folders(target.path))) if is_new else ()
        digest = undoing.digest_of(after)
        new = Written(target.path, target.syntax, digest, is_new, folders, tuple(steps))
        kept = undoing.load(self.environment, self.entry.name)
        old = next((each for each in kept if each.path == target.path), None)
        if old and before is not None and old.digest == undoing.digest_of(before):
            new = old._replace(digest=digest, steps=(*old.steps, *steps))
        others = [each for each in kept if each.path != target.path]
        mode = _NEW_PROJECT_MODE if target.scope == "project" else 0o600
        if self.dry_run:
            self._planned[target.path] = after
            return
        _refuse_read_only(target.path)
        undoing.save(self.environment, self.entry.name, [*others, new])
        try:
            files.replace_bytes(target.path, after, new_mode=mode)
        except FileUnwritableError:
            undoing.save(self.environment, self.entry.name, kept)
            undoing.remove_folders(new._replace(folders=folders))
            raise

    def _undo(self, written: Written) -> Iterator[Change]:
        undoing.refuse_foreign(self.environment, self.entry.name, written.path)
        before = self._read(written.path)
        if before is None:
            if not self.dry_run:
                undoing.remove_folders(written)
            return
        after = undoing.undo(written, before)
        self._write(written.path, before, after)
        if after is None and not self.dry_run:
            undoing.remove_folders(written)
        last = written.steps[-1] if written.steps else None
        key = last.key if last else ()
        value: object = MISSING
        if after is not None and written.syntax.form != "marker":
            value = editing.value_of(written.path, written.syntax, after, key)
        name = ".".join(key) or written.path.name
        text = shown(self.entry, key, name, value)
        yield Change(self.entry.name, written.path, name, text, changed=after != before)

    def _switch_on(self, target: Target) -> Change | None:
        before, rule = self._read(target.path), target.rule
        value, said = _value_of(target, before), self._said(target)
        is_quiet = self.entry.default in ("off", "asks") and said != "on"
        if said != "off" and not (is_quiet and rule.write_on is not None):
            return None
        if rule.write_on is not None:
            _, after = _put(target, before, target.key, rule.write_on)
            self._write(target.path, before, after)
            return self._change(target, rule.write_on, changed=True)
        if before is None or value is MISSING:
            return None
        gone = None if target.file.format in ("marker", "text") else _take_out(target, before)
        self._write(target.path, before, gone)
        return self._change(target, MISSING, changed=True)

    def _said(self, target: Target) -> Outcome:
        """Return what the tool makes of a switch as it stands."""
        data = self._read(target.path)
        ignored = _unmet(target, data)
        return "ignored" if ignored else forms.outcome(target.rule, _value_of(target, data))

    def _read(self, path: Path) -> bytes | None:
        if path in self._planned:
            return self._planned[path]
        return files.read_bytes(path, limit=file_values.MAX_BYTES)

    def _write(self, path: Path, before: bytes | None, after: bytes | None) -> None:
        self._planned[path] = after
        if self.dry_run or after == before:
            return
        _refuse_read_only(path)
        if after is None:
            files.remove(path.resolve())  # A link that led nowhere stays; its new target goes.
        else:
            files.replace_bytes(path, after)

    def _change(self, target: Target, value: object, *, changed: bool) -> Change:
        text = shown(self.entry, target.rule.key, target.name, value)
        if target.file.format == "marker" and text is not None:
            text = "present"
        return Change(self.entry.name, target.path, target.name, text, changed=changed)


def _together(targets: Sequence[Target], parts: Collection[str]) -> list[Target]:
    """Pick switches that silence every part between them; none where some part would go on."""
    chosen: list[Target] = []
    covered: set[str] = set()
    for target in targets:
        if set(target.rule.covers) - covered:
            chosen.append(target)
            covered.update(target.rule.covers)
    return chosen if covered >= set(parts) else []


def _unmet(target: Target, data: bytes | None) -> list[Need]:
    """List what a switch needs in its file and does not find there."""
    return [
        need
        for need in target.rule.needs
        if not forms.matches(need.match, _value_at(target, data, target.file.path_to(need.key)))
    ]


def _meet_needs(target: Target, data: bytes | None) -> tuple[list[Step], bytes | None]:
    """Plan what a switch needs beside it, as far as that can be written."""
    steps = []
    for need in _unmet(target, data):
        if need.write is not None:
            step, data = _put(target, data, target.file.path_to(need.key), need.write)
            steps.append(step)
    return steps, data


def _put(
    target: Target, data: bytes | None, key: tuple[str, ...], value: object
) -> tuple[Step, bytes]:
    if target.file.format == "marker":
        after = b""
        return Step(key, MISSING, value, 0, editing.splice_of(data or b"", after)), after
    after = editing.edit(target.path, target.syntax, data, key, value)
    made = sum(_value_at(target, data, key[:depth]) is MISSING for depth in range(1, len(key)))
    splice = editing.splice_of(data or b"", after)
    return Step(key, _value_at(target, data, key), value, made, splice), after


def _take_out(target: Target, data: bytes) -> bytes:
    return editing.edit(target.path, target.syntax, data, target.key, MISSING)


def _value_of(target: Target, data: bytes | None) -> object:
    return _value_at(target, data, target.key)


def _value_at(target: Target, data: bytes | None, key: tuple[str, ...]) -> object:
    return editing.value_of(target.path, target.syntax, data, key)


def _refuse_read_only(path: Path) -> None:
    """Refuse to write a file that says that it is not to be written, or that is somebody else's.

    A new file would take its place otherwise, and would be this user's. Where its folder
    may not be written either, whoever writes there learns why.
    """
    is_closed = os.path.exists(path) and not os.access(path, os.W_OK)  # noqa: PTH110  (never raises)
    if is_closed and os.access(path.resolve().parent, os.W_OK):
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        reason, hint = file_errors.explain(path, denied)
        uid = owners.effective_uid()
        is_foreign = uid is not None and path.stat().st_uid != uid  # A link may lead anywhere.
        hint = hint or f"{'ls -lL' if is_foreign else 'chmod u+w'} {quote(str(path))}"
        raise FileUnwritableError(path, reason=reason, hint=hint)
