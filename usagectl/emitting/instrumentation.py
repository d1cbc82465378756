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
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from usagectl.emitting import command_lines, permission
from usagectl.errors import UsagectlError
from usagectl.machine import environment as surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        self.root: Any = None  # The command that the run begins with.
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
        with suppress(Exception):
            command = command_lines.names_of_commands(context, self.emitter.name)
            self._note(context, command, command_lines.names_of_parameters(context))

    def note_tool(self) -> None:
        """Build the event of an application that nobody can look into: its name alone."""
        with suppress(Exception):
            self._note(None, [self.emitter.name], [])

    def _note(self, context: Any, command: list[str], names: list[str]) -> None:  # noqa: ANN401
        from usagectl.events import record  # help and version need none

        event = record.build_cli_cmd(command, names, now=self.environment.now())
        self._events.append((context, event))

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

        given = permission.permit(self.environment, self.emitter)
        if given is None:
            return
        name = self.emitter.name
        if tell is not None:
            from usagectl.emitting import remarks  # seldom is somebody there who reads them

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
    kinds: Sequence[Kind] = (),
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
        InvalidValueError: the tool's name, version or endpoint is invalid.
        InvalidKindError: a kind cannot be declared, or two have one name.
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
    is_command = all(hasattr(app, each) for each in ("main", "make_context", "invoke"))
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
            return _run_recorded(recording, lambda: run(*args, **kwargs))
        finally:
            if around is not None:
                setattr(command, _RECORDING, around)

    command.main = main


def _run_recorded(recording: Recording, run: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return run()
    finally:
        with suppress(Exception):  # Whatever it is, it is not the application's concern.
            _record(recording)


def _record(recording: Recording) -> None:
    if recording.count:
        from usagectl.emitting import remarks  # help and version need none

        recording.record(remarks.teller())


def _instrument_typer(app: Any, emitter: Emitter) -> None:  # noqa: ANN401
    """Record every call of a Typer application.

    A Typer application builds its commands anew for each call, from the classes
    that it was given; so do others of it (`typer.main.get_command`, a test's runner).
    """

    class Instrumented(type(app)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            run = super().__call__
            try:
                holder, base = command_lines.holder_of_class(self)
                before = holder.cls
            except Exception:  # noqa: BLE001  (a Typer that is built in another way)
                recording = Recording(emitter)
                recording.note_tool()
                return _run_recorded(recording, lambda: run(*args, **kwargs))
            holder.cls = _watched_class(base, emitter)
            try:
                return run(*args, **kwargs)
            finally:
                holder.cls = before

    app.__class__ = _growing_class(Instrumented, emitter)
    _watch_from_now(app, emitter)


def _growing_class(base: type, emitter: Emitter) -> type:
    """Return a class of applications of which also those commands are recorded that others build.

    Which class its root command has is known anew with each command that is added.
    """

    class Growing(base):  # type: ignore[misc]
        def command(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            return self._watched_after(super().command(*args, **kwargs))

        def callback(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            return self._watched_after(super().callback(*args, **kwargs))

        def add_typer(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            super().add_typer(*args, **kwargs)
            _watch_from_now(self, emitter)

        def _watched_after(self, add: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def add_watched(function: Any) -> Any:  # noqa: ANN401
                added = add(function)
                _watch_from_now(self, emitter)
                return added

            return add_watched

    return Growing


def _watch_from_now(app: Any, emitter: Emitter) -> None:  # noqa: ANN401
    """Give the root command of a Typer application a class that is recorded."""
    with suppress(Exception):  # A Typer that is built in another way.
        holder, base = command_lines.holder_of_class(app)
        if not hasattr(base, _RECORDING):
            holder.cls = _watched_class(base, emitter)


def _watched_class(base: type, emitter: Emitter) -> type:
    """Return a class of commands that are recorded."""

    class Watched(base):  # type: ignore[misc]
        _usagectl_recording: ClassVar[Any] = None  # Marks the class; its commands have their own.

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            super().__init__(*args, **kwargs)
            _instrument_command(self, emitter)

    return Watched


def watch(command: Any, recording: Recording) -> None:  # noqa: ANN401
    """Note a command when it is about to run, and its sub-commands once they are found."""
    recording.root = recording.root or command
    is_watched = _RECORDING in command.__dict__
    setattr(command, _RECORDING, recording)
    if is_watched:  # By an earlier run of the same process.
        return
    is_group = hasattr(command, "resolve_command")
    invoke = command.invoke

    def invoke_noted(context: Any) -> Any:  # noqa: ANN401
        recording = getattr(command, _RECORDING)
        before = recording.count
        is_ours = context.parent is not None or command is recording.root
        if is_ours and (not is_group or getattr(command, "invoke_without_command", False)):
            recording.note(context)
        for each in command_lines.listed_commands(command):
            with suppress(Exception):
                watch(each, recording)
        try:
            return invoke(context)
        except Exception as error:
            if command_lines.is_bad_usage(error):
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
