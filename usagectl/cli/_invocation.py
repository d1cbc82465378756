"""Own what is known of the command that runs, and its own `cli_cmd` event.

Names of parameters are taken, never values (design, rule 3). Recording never
fails, delays or changes the command (rule 4).
"""

from __future__ import annotations

import re
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from usagectl import environment as surroundings
from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import typer

    from usagectl.environment import Environment


class Invocation:
    """Hold the arguments, the environment and the event of one run.

    Attributes:
        arguments: what was typed after `usagectl`.
        command: the command path without the program's name, once it is known.
        event: the exact bytes of the event, once the command is about to run.
    """

    def __init__(self, arguments: Sequence[str], environment: Environment | None = None) -> None:
        self.arguments = tuple(arguments)
        self.command = ""
        self.event: bytes | None = None
        self._takes_json = True
        self._given = environment

    @cached_property
    def environment(self) -> Environment:
        """Take what was given, else the process's own, once a command asks for it."""
        return self._given or surroundings.from_process()

    @property
    def wants_json(self) -> bool:
        """Tell whether --json was typed, also where the rest could not be parsed.

        What follows `run` is another program's command line: its --json is not ours.
        """
        if not self._takes_json:
            return False
        own = self.arguments[: self.arguments.index("--")] if "--" in self.arguments else None
        return "--json" in (self.arguments if own is None else own)

    def note(self, context: typer.Context) -> None:
        """Build the event of the command that is about to run."""
        from usagectl import events  # help and version need none

        path = context.command_path
        self.command = path.removeprefix("usagectl").strip()
        self._takes_json = any("--json" in each.opts for each in context.command.params)
        now = self.environment.now()
        self.event = events.build_cli_cmd(path, list(_typed_names(context)), now=now)

    def forget(self) -> None:
        """Drop the event: the command line did not fit, so nothing ran (design, section 5)."""
        self.event = None

    def record(self) -> None:
        """Put the event into the spool if consent allows; a failure changes nothing.

        With sending on, a child that nobody waits for then delivers it.
        """
        if self.event is None:
            return
        from usagectl import consent, spool  # help and version need none

        environment = self.environment
        try:
            verdict = consent.evaluate(environment, ["usagectl"])[0]
            if verdict.telemetry == "off":
                return
            granted = consent.sending_consent(environment, verdict)
            spool.append(environment, self.event, tool="usagectl", kind="cli_cmd", consent=granted)
        except (UsagectlError, OSError):
            return
        if granted:
            from usagectl import sender  # only with sending on

            sender.start_if_due(environment, verdict)
        elif sys.stderr.isatty() and not self.wants_json:
            from usagectl.cli import _first_run  # only on a terminal

            _first_run.tell_once(environment)


def _typed_names(context: typer.Context) -> Iterator[str]:
    """Name the parameters typed on the command line, in declaration order."""
    if context.parent is not None:
        yield from _typed_names(context.parent)  # type: ignore[arg-type]
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            yield _public_name(parameter)


def _public_name(parameter: Any) -> str:  # noqa: ANN401
    """Name a parameter as the help does: `dry_run` for --dry-run, `tool` for [TOOL]."""
    word = re.search("[A-Z]+", parameter.metavar or "")
    if parameter.param_type_name == "argument" and word:
        return word[0].lower()
    longest: str = max(parameter.opts, key=len)
    return longest.lstrip("-").replace("-", "_")
