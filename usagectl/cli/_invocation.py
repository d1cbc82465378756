"""Own what is known of the command that runs; its event is that of `instrumentation`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from usagectl.emitting.instrumentation import Recording
from usagectl.emitting.permission import Emitter
from usagectl.settings import OWN_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import typer

    from usagectl.machine.environment import Environment


class Invocation:
    """Hold the arguments, the environment and the event of one run.

    Attributes:
        arguments: what was typed after `usagectl`.
        command: the command path without the program's name, once it is known.
        recording: what the run has to record.
    """

    def __init__(self, arguments: Sequence[str], environment: Environment | None = None) -> None:
        self.arguments = tuple(arguments)
        self.command = ""
        self.recording = Recording(Emitter(OWN_NAME), environment)
        self._takes_json = True

    @property
    def environment(self) -> Environment:
        """Take what was given, else the process's own, once a command asks for it."""
        return self.recording.environment

    @property
    def event(self) -> bytes | None:
        """Return the exact bytes of the event, once the command is about to run."""
        return self.recording.event

    @property
    def wants_json(self) -> bool:
        """Tell whether --json was typed, also where the rest could not be parsed.

        What follows `run` is another program's command line: its --json is not ours.
        """
        if not self._takes_json:
            return False
        own = self.arguments[: self.arguments.index("--")] if "--" in self.arguments else None
        return "--json" in (self.arguments if own is None else own)

    def expect(self, parent: typer.Context, name: str) -> None:
        """Take note of the command whose words are about to be read."""
        self.command = f"{parent.command_path} {name}".removeprefix("usagectl").strip()

    def enter(self, context: typer.Context) -> None:
        """Take note of the command that is about to run."""
        self.command = context.command_path.removeprefix("usagectl").strip()
        self._takes_json = any("--json" in each.opts for each in context.command.params)

    def record(self) -> None:
        """Record the command as every instrumented tool does; a failure changes nothing."""
        is_read = sys.stderr.isatty() and not self.wants_json
        self.recording.record(_output_of_notice() if is_read else None)


def _output_of_notice() -> Callable[[str], None]:
    from usagectl.cli import _output

    return _output.print_notice
