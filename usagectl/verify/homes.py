"""The home and project of one run, made anew: its files, its variables, its switch, its verdict."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from usagectl import consent
from usagectl.errors import StateError
from usagectl.tools import catalogued_switching as switching
from usagectl.tools import places
from usagectl.tools.catalogued import Catalogued
from usagectl.tools.registry import select
from usagectl.verify import canaries
from usagectl.verify.subject import filled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from usagectl.catalogue.entry import SwitchRule
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Tool
    from usagectl.tools.catalogued_switching import Target
    from usagectl.verify.rows import Edit, Row
    from usagectl.verify.subject import Subject

_HANDED_ON = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "JAVA_HOME")
"""Variables that programs need to start; a run gets no other of this person's."""


class OutsideError(StateError):
    """A file of the tool lies outside of the folders of a run, or nowhere."""

    code = "outside"

    def __init__(self, file: object) -> None:
        super().__init__(f"{file} is no file of a fresh home, so it is not written.")


class Home:
    """Fresh folders of one run, made below `root`, and the machine that its commands see."""

    def __init__(
        self,
        root: Path,
        subject: Subject,
        planted: Mapping[str, str],
        given: Environment,
        row: Row,
    ) -> None:
        self.home = root / "home" / planted["home"]
        self.work = root / "work" / planted["work"]
        self.folders = {"home": str(self.home), "work": str(self.work)}  # By their canaries.
        self._root = root
        self._subject = subject
        self._entry = subject.entry
        self._planted = planted
        self.environment = given._replace(
            variables={**self._variables(given.variables), **row.variables},
            cwd=self.work,
            account_home=self.home,
            config_dir=self.home / ".config/usagectl",
            state_dir=self.home / ".local/state/usagectl",
            test_runner="",
        )
        about = subject.entry.files, self.environment, subject.version
        self.environment, self.replaced = places.moved(*about, below=root / "outside")

    def _variables(self, known: Mapping[str, str]) -> dict[str, str]:
        switches = {name for rule in self._entry.switches for name in rule.variables}
        secret = canaries.filled(canaries.VARIABLES, self._planted)
        folders = [*map(str, self._subject.installation.programs), known.get("PATH", os.defpath)]
        return {
            **{name: known[name] for name in _HANDED_ON if name in known},
            **{name: text for name, text in secret.items() if name not in switches},
            **dict.fromkeys(("HOME", "USERPROFILE"), str(self.home)),
            **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(self._root / "tmp")),
            "PATH": os.pathsep.join(folders),
            "PWD": str(self.work),
            **{name: self.fill(value) for name, value in self._entry.verify.variables.items()},
        }

    def make(self) -> None:
        """Make the folders, with the files that the tool needs and those that hold canaries.

        Raises:
            OutsideError: a file would lie elsewhere.
        """
        for folder in (self.home, self.work, self._root / "tmp"):
            folder.mkdir(parents=True, mode=0o700)
        secret = canaries.filled(canaries.FILES, self._planted)
        for name, text in {**secret, **self._entry.consent, **self._entry.verify.files}.items():
            self._write(places.expand(name, self.environment), self.fill(text).encode())
        modules = self._subject.installation.node_modules
        if modules and not (self.work / modules.name).exists():
            (self.work / modules.name).symlink_to(modules)

    def fill(self, text: str) -> str:
        """Put the folder of the file and the typed value in their places."""
        return filled(text, self._subject.folder, self._planted["value"])

    def awaits_file(self, wanted: Edit) -> bool:
        """True if the tool has to run first, since its file holds what it alone can write.

        Raises:
            StateError: the file cannot be read, or lies elsewhere.
        """
        if wanted.rule is None:
            return not self._tool().switch(self.environment, "off", dry_run=True, project=True)
        is_there = self._target(wanted.rule).path.exists()
        return not is_there and any(need.write is None for need in wanted.rule.needs)

    def apply(self, wanted: Edit) -> None:
        """Write to the tool's own file.

        Raises:
            StateError: the file cannot hold that, or lies elsewhere.
        """
        if wanted.rule is None:
            tool = self._tool()
            for change in tool.switch(self.environment, "off", dry_run=True, project=True):
                self._refuse_outside(change.file)
            tool.switch(self.environment, "off", dry_run=False, project=True)
        else:
            target = self._target(wanted.rule)
            data = target.path.read_bytes() if target.path.is_file() else None
            text = wanted.broken.encode() or switching.with_value(target, data, wanted.value)
            self._write(target.path, text)

    def _target(self, rule: SwitchRule) -> Target:
        """Return where a switch stands, or would stand, in a file of this home."""
        target = switching.target_of(self._entry, rule, self.environment, self._subject.version)
        if target is None:
            raise OutsideError(rule.file)
        return target

    def texts(self) -> dict[str, str]:
        """Read the tool's own files below home and project, by the path that an entry writes."""
        found = {}
        for file in self._entry.files:
            path = places.path_of(file, self.environment, self._subject.version)
            if path and path.is_file() and (name := places.written(path, self.environment)):
                found[name] = path.read_text("utf-8", "replace")
        return found

    def verdict(self) -> str:
        """Return what `consent` says of the tool in this home; of several parts, of the first."""
        found = consent.evaluate_tool(self.environment, self._tool(), is_named=True)[0]
        return "breaks" if found.is_broken else found.telemetry

    def _tool(self) -> Tool:
        if self._entry.module:
            return select(self.environment, [self._entry.name])[0]
        return Catalogued(self._entry, self._subject.installation)

    def _write(self, path: Path | None, data: bytes) -> None:
        there = self._refuse_outside(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data)

    def _refuse_outside(self, path: Path | None) -> Path:
        """Refuse what is not this run's: as root some tools have their files below /var."""
        if path is None or not path.parent.resolve().is_relative_to(self._root):
            raise OutsideError(path or "That")
        return path
