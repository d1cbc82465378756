"""Runs of a command line: which of its commands ran and how they ended, on the way into the spool.

An application can declare anything, so looking at its declarations can fail: that
costs the event, never the command.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from usagectl.emitting import command_lines, permission
from usagectl.errors import UsagectlError
from usagectl.machine import environment as surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from usagectl.emitting.permission import Emitter
    from usagectl.machine.environment import Environment


class Noted:
    """One command that runs, or ran, and its event.

    Args:
        context: its context; None if nobody can look into its application.
        build: builds the event's exact bytes, of how it ended and how long it took.
    """

    def __init__(self, context: Any, build: Callable[[Mapping[str, object]], bytes]) -> None:  # noqa: ANN401
        self.context = context
        self._build = build
        self._began = time.monotonic()
        self._found: dict[str, object] = {}  # Nothing before it has ended.

    def end(self, outcome: str) -> None:
        """Keep how it ended, and how long it took; the first end counts."""
        milliseconds = int(1000 * (time.monotonic() - self._began))
        self._found = self._found or {"outcome": outcome, "duration_ms": milliseconds}

    @property
    def outcome(self) -> object:
        """How it ended; None before."""
        return self._found.get("outcome")

    @cached_property
    def event(self) -> bytes | None:
        """Return its exact bytes, built when first asked for; None if its names are no text."""
        with suppress(Exception):
            return self._build(self._found)
        return None


class Recording:
    """The events of one run of a command line, until it ends."""

    def __init__(self, emitter: Emitter, environment: Environment | None = None) -> None:
        self.emitter = emitter
        self._given = environment
        self._process = os.getpid()
        self.root: Any = None  # The context that the run begins with.
        self._noted: list[Noted] = []

    @cached_property
    def environment(self) -> Environment:
        """Return the environment that was given, else the process's own."""
        return self._given or surroundings.from_process()

    @property
    def _has_ended_well(self) -> bool:
        return all(each.outcome == "ok" for each in self._noted)

    @property
    def event(self) -> bytes | None:
        """Return the exact bytes of the last event, once its command is about to run."""
        return self._noted[-1].event if self._noted else None

    @property
    def count(self) -> int:
        """Return how many events there are, for `forget_since`."""
        return len(self._noted)

    def follow(self, context: Any, run: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Run a command and note it, and how it ended.

        One that finds that the command line does not fit is forgotten, unless its author has
        the outcome recorded.

        Args:
            context: the command's context; None if nobody can look into its application.
            run: runs it.
        """
        before = self.count
        with suppress(Exception):
            self._note(context)
        try:
            returned = run()
        except BaseException as error:
            self._end(before, error)
            raise
        self._end(before, None)
        return returned

    def note_misfit(self, context: Any) -> None:  # noqa: ANN401
        """Note a command whose words do not fit, if its author has the outcome recorded."""
        before = self.count
        if "outcome" in self.emitter.members:
            self._note(context)
        for each in self._noted[before:]:
            each.end("usage")

    def _end(self, before: int, error: BaseException | None) -> None:
        with suppress(Exception):
            outcome = command_lines.outcome_of(error)
            if outcome == "usage" and "outcome" not in self.emitter.members:
                self.forget_since(before)
            for each in self._noted[before:]:
                each.end(outcome)

    def _note(self, context: Any) -> None:  # noqa: ANN401  (Click's, or the one that Typer carries)
        if context is None:
            self._add(None, [self.emitter.name], [])
            return
        self.root = self.root or context
        if command_lines.is_command(context.command):
            names = command_lines.names_of_commands(context, self.root, self.emitter.name)
            self._add(context, names, command_lines.names_of_parameters(context, self.root))

    def _add(self, context: Any, command: list[str], names: list[str]) -> None:  # noqa: ANN401
        from usagectl.events import record  # help and version need none

        now = self.environment.now()

        def build(found: Mapping[str, object]) -> bytes:
            return record.build_cli_cmd(command, names, now=now, added=self._added(found))

        self._noted.append(Noted(context, build))

    def _added(self, found: Mapping[str, object]) -> dict[str, object]:
        """Choose what the author wants of a command; a version that does not fit is unknown."""
        members = self.emitter.members
        if "version" in members:
            from usagectl.events.text_rules import RULES  # few programs add it

            found = {"version": RULES["version"](self.emitter.version) or "unknown", **found}
        return {name: found[name] for name in members if name in found}

    def forget(self, context: Any) -> None:  # noqa: ANN401
        """Drop the event of one command."""
        self._noted = [each for each in self._noted if each.context is not context]

    def forget_since(self, count: int) -> None:
        """Drop all but the first events: the command line that came after did not fit."""
        del self._noted[count:]

    def record(self, tell: Callable[[str], None] | None = None) -> None:
        """Put the events into the spool if consent allows; a failure changes nothing.

        A fork of the process that began the run records nothing: the run is not its own.

        Args:
            tell: writes the remark on what is recorded; None: nobody is there to read it.
        """
        events = [each.event for each in self._noted if each.event]
        if not events or os.getpid() != self._process:
            return
        from usagectl import spool  # help and version need none

        given = permission.permit(self.environment, self.emitter)
        if given is None:
            if self.emitter.terms.default == "ask" and self._has_ended_well:
                from usagectl.emitting import asking  # few authors have their users asked

                asking.ask_once(self.environment, self.emitter)
            return
        name = self.emitter.name
        if tell is not None:
            from usagectl.emitting import remarks  # seldom is somebody there who reads them

            announcer, members = remarks.Announcer(self.emitter), self.emitter.members
            announcer.announce(self.environment, given, "cli_cmd", tell=tell, members=members)
        try:
            for event in events:
                spool.append(
                    self.environment, event, tool=name, kind="cli_cmd", consent=given.consent
                )
        except (UsagectlError, OSError):
            return
        permission.deliver(self.environment, given)
