"""Recording of a Typer or Click application's own commands, as `cli_cmd` events.

One line does it: `instrument(app, "mytool")`. From then on each command that
runs is recorded: its name and the names of the parameters that were typed, never
a value; nothing for help, version, completion and bad usage. usagectl records
itself with the same `Recording` and `watch`.

An application can declare anything, so looking at its declarations can fail: that
costs the event, never the command. It may bring a Click or Typer of its own: commands of
both have `main`, `invoke` and, for groups, `resolve_command`.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from usagectl.emitting import permission
from usagectl.errors import UsagectlError
from usagectl.machine import environment as surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from usagectl.emitting.permission import Emitter
    from usagectl.events.kinds import Kind
    from usagectl.machine.environment import Environment

App = TypeVar("App")

_RECORDING = "_usagectl_recording"


class Recording:
    """The events of one run of a command line, until it ends."""

    def __init__(self, emitter: Emitter, environment: Environment | None = None) -> None:
        self.emitter = emitter
        self._given = environment
        self._process = os.getpid()
        self._events: list[tuple[Any, bytes]] = []  # With their contexts, or these were reused.

    @cached_property
    def environment(self) -> Environment:
        """Return the environment that was given, else the process's own."""
        return self._given or surroundings.from_process()

    @property
    def event(self) -> bytes | None:
        """Return the exact bytes of the last event, once its command is about to run."""
        return self._events[-1][1] if self._events else None

    @property
    def count(self) -> int:
        """Return how many events there are, for `forget_since`."""
        return len(self._events)

    def note(self, context: Any) -> None:  # noqa: ANN401  (Click's, or the one that Typer carries)
        """Build the event of a command that is about to run; never raises."""
        from usagectl.events import record  # help and version need none

        with suppress(Exception):
            command = _names_of_commands(context, self.emitter.name)
            names = _names_of_parameters(context)
            now = self.environment.now()
            self._events.append((context, record.build_cli_cmd(command, names, now=now)))

    def forget(self, context: Any) -> None:  # noqa: ANN401
        """Drop the event of one command."""
        self._events = [each for each in self._events if each[0] is not context]

    def forget_since(self, count: int) -> None:
        """Drop all but the first events: the command line that came after did not fit."""
        del self._events[count:]

    def record(self, tell: Callable[[str], None] | None = None) -> None:
        """Put the events into the spool if consent allows; a failure changes nothing.

        A fork of the process that began the run records nothing: the run is not its own.

        Args:
            tell: writes the remark on what is recorded; None: nobody is there to read it.
        """
        if not self._events or os.getpid() != self._process:
            return
        from usagectl import spool  # help and version need none
        from usagectl.emitting import remarks

        given = permission.permit(self.environment, self.emitter)
        if given is None:
            return
        name = self.emitter.name
        remarks.Announcer(self.emitter).announce(self.environment, given, "cli_cmd", tell=tell)
        try:
            for _, event in self._events:
                spool.append(
                    self.environment, event, tool=name, kind="cli_cmd", consent=given.consent
                )
        except (UsagectlError, OSError):
            return
        permission.deliver(self.environment, given)


def instrument(
    app: App,
    tool: str,
    *,
    version: str = "",
    endpoint: str = "",
    kinds: tuple[Kind, ...] = (),
    is_testing: bool = False,
) -> App:
    """Have an application record its own commands, under its user's consent, and return it.

    A command is recorded when it has ended, however it ended. One that ends the process by
    itself, with `os._exit` or a signal, or becomes another program with `os.exec…`, is not
    recorded. A command that its group does not list, made of what was typed, is named `other`.

    Args:
        app: a Typer application or a Click command.
        tool: its name, as a person types it for `usagectl disable`.
        version: its version.
        endpoint: the base URL to send to when the user lets it; without one nothing is sent.
        kinds: further event kinds that it declares.
        is_testing: record what test runners run too, which otherwise leaves nothing.

    Raises:
        InvalidValueError: the tool's name is invalid.
        TypeError: the application is neither, or its commands are coroutines (asyncclick).
    """
    emitter = permission.emitter_here(tool, version, endpoint, kinds, is_testing=is_testing)
    if problem := _problem_of(app):
        raise TypeError(problem)
    if hasattr(app, "registered_commands"):
        _instrument_typer(app, emitter)
    else:
        _instrument_command(app, emitter)
    return app


def _problem_of(app: object) -> str:
    """Say why an application cannot be instrumented; nothing if it can."""
    from inspect import iscoroutinefunction  # both libraries have loaded it

    if isinstance(app, type):
        return f"{app.__name__} is a class; instrument takes the application made of it"
    name = type(app).__name__
    if iscoroutinefunction(getattr(app, "invoke", None)):
        return f"{name} has commands that are coroutines; record them by a Tracker's cli_cmd"
    is_command = hasattr(app, "make_context") and hasattr(app, "invoke")
    if not is_command and not hasattr(app, "registered_commands"):
        return f"{name} is neither a Typer application nor a Click command"
    return ""


def _instrument_command(command: Any, emitter: Emitter) -> None:  # noqa: ANN401
    """Record every run of a command."""
    run = command.main

    def main(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        recording = Recording(emitter)
        around = command.__dict__.get(_RECORDING)  # A command of it may run others, as a shell.
        with suppress(Exception):
            watch(command, recording)
        try:
            return run(*args, **kwargs)
        finally:
            if around is not None:
                setattr(command, _RECORDING, around)
            with suppress(Exception):  # Whatever it is, it is not the application's concern.
                _record(recording)

    command.main = main


def _record(recording: Recording) -> None:
    if recording.count:
        from usagectl.emitting import remarks  # help and version need none

        recording.record(remarks.teller())


def _instrument_typer(app: Any, emitter: Emitter) -> None:  # noqa: ANN401
    """Record every call of a Typer application.

    A Typer application builds its commands anew for each call, from the classes
    that it was given. What others build of it, such as a test's runner, is not recorded.
    """

    class Instrumented(type(app)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            holder, default = _holder_of_class(self)
            before = holder.cls
            holder.cls = _watched_class(getattr(before, "value", before) or default, emitter)
            try:
                return super().__call__(*args, **kwargs)
            finally:
                holder.cls = before

    app.__class__ = Instrumented


def _watched_class(base: type, emitter: Emitter) -> type:
    """Return a class of commands that are recorded."""

    class Watched(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            super().__init__(*args, **kwargs)
            _instrument_command(self, emitter)

    return Watched


def _holder_of_class(app: Any) -> tuple[Any, type]:  # noqa: ANN401
    """Find where a Typer application keeps the class of its root command, and its default."""
    from typer.core import TyperCommand, TyperGroup

    callback = app.registered_callback
    is_group = callback or app.info.callback or app.registered_groups
    if not is_group and len(app.registered_commands) == 1:
        return app.registered_commands[0], TyperCommand
    if callback is not None and isinstance(callback.cls, type):
        return callback, TyperGroup
    return app.info, TyperGroup


def watch(command: Any, recording: Recording) -> None:  # noqa: ANN401
    """Note a command when it is about to run, and its sub-commands once they are found."""
    is_watched = _RECORDING in command.__dict__
    setattr(command, _RECORDING, recording)
    if is_watched:  # By an earlier run of the same process.
        return
    is_group = hasattr(command, "resolve_command")
    invoke = command.invoke

    def invoke_noted(context: Any) -> Any:  # noqa: ANN401
        recording = getattr(command, _RECORDING)
        before = recording.count
        if not is_group or getattr(command, "invoke_without_command", False):
            recording.note(context)
        try:
            return invoke(context)
        except Exception as error:
            if _is_bad_usage(error):
                recording.forget_since(before)
            raise

    command.invoke = invoke_noted
    if is_group:
        _watch_group(command)


def _watch_group(group: Any) -> None:  # noqa: ANN401
    resolve = group.resolve_command

    def resolve_watched(context: Any, arguments: Any) -> Any:  # noqa: ANN401
        recording = getattr(group, _RECORDING)
        recording.forget(context)  # The sub-command notes itself, or only shows its help.
        found = resolve(context, arguments)
        with suppress(Exception):  # While completing, there may be no command.
            watch(found[1], recording)
        return found

    group.resolve_command = resolve_watched


def _is_bad_usage(error: Exception) -> bool:
    """True if an error says that the command line did not fit: Click's, Typer's or ours."""
    return any(each.__name__ == "UsageError" for each in type(error).__mro__)


def _names_of_commands(context: Any, tool: str) -> list[str]:  # noqa: ANN401
    """Name the commands from the root down as they are declared, not as they were typed."""
    if context.parent is None:
        return [tool]
    if _is_repeated(context):
        return _names_of_commands(context.parent, tool)
    name = context.command.name if _is_declared(context) else ""  # The event says `other`.
    return [*_names_of_commands(context.parent, tool), name]


def _is_repeated(context: Any) -> bool:  # noqa: ANN401
    """True for a line of a shell: its group runs within a command of that same group."""
    return context.parent is not None and context.parent.command is context.command


def _is_declared(context: Any) -> bool:  # noqa: ANN401
    """True if the group of a command has it or lists it, so that its name is the author's."""
    group, command = context.parent.command, context.command
    if any(each is command for each in getattr(group, "commands", {}).values()):
        return True
    return command.name in group.list_commands(context.parent)


def _names_of_parameters(context: Any) -> Iterator[str]:  # noqa: ANN401
    """Name the parameters typed on the command line, in declaration order."""
    if context.parent is not None and not _is_repeated(context):
        yield from _names_of_parameters(context.parent)
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            yield _public_name(parameter)


def _public_name(parameter: Any) -> str:  # noqa: ANN401
    """Name a parameter as the help does: `dry_run` for --dry-run, `tool` for [TOOL]."""
    metavar = parameter.metavar if isinstance(parameter.metavar, str) else ""
    word = re.search("[A-Z]+", metavar)
    if parameter.param_type_name == "argument" and word:
        return word[0].lower()
    longest: str = max(parameter.opts, key=len, default="")
    return longest.lstrip("-/+").replace("-", "_")
