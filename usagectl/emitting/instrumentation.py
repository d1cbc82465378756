"""Recording of a Typer or Click application's own commands, as `cli_cmd` events.

One line does it: `instrument(app, "mytool")`. From then on each command that
runs is recorded: its name and the names of the parameters that were typed, never
a value; nothing for help, version, completion and bad usage. An author may add a few
members (`record.CLI_MEMBERS`). usagectl records itself with the same `Recording` and `watch`.

Whoever runs a command line, all ways lead to `invoke` of its commands: the application's own
call, `main`, a test's runner, a group around it. So a watched command has a class in which `invoke`
is noted. The first watched command of a run begins a recording, and the contexts below
share it (`Context.meta`), so that each command is noted once.

An application can declare anything, so looking at its declarations can fail: that
costs the event, never the command. It may bring a Click or Typer of its own: commands of
both have `main`, `invoke` and, for groups, `resolve_command`.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from usagectl.emitting import command_lines, permission
from usagectl.emitting.runs import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from usagectl.emitting.permission import Emitter
    from usagectl.events.kinds import Kind

    Begin = Callable[[], AbstractContextManager[Recording]]
    """Begins the recording of a run, and ends it."""

App = TypeVar("App")

_BEGIN = "_usagectl_begin"
"""What begins a recording at a command, and ends it; a command that has it is watched."""

_RECORDING = "usagectl.recording"
"""Where the contexts of a run keep its recording, in their `meta`."""

_BY_HAND = "record them by a Tracker's cli_cmd"


def instrument(
    app: App,
    tool: str,
    *,
    version: str = "",
    endpoint: str = "",
    kinds: tuple[Kind, ...] = (),
    is_testing: bool = False,
    members: Sequence[str] = (),
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
        members: what each command's event has beside its name and those of its parameters:
            `version`, `outcome` (ok, error, interrupted, usage) and `duration_ms`. With
            `outcome` bad usage of a command is recorded too, never what was typed.

    Raises:
        InvalidValueError: the tool's name is invalid, or there is no such member.
        TypeError: the application is neither, its commands are coroutines (asyncclick), or it
            lets nobody note when it runs.
    """
    emitter = permission.emitter_here(
        tool, version, endpoint, kinds, is_testing=is_testing, members=members
    )
    problem = _problem_of(app)

    def begin() -> AbstractContextManager[Recording]:
        return _recorded(emitter)

    if not problem and hasattr(app, "registered_commands"):
        _instrument_typer(app, begin)
    elif not problem and not watch(app, begin):
        problem = f"{type(app).__name__} does not let anybody see when it runs; {_BY_HAND}"
    if problem:
        raise TypeError(problem)
    return app


def _problem_of(app: object) -> str:
    """Say why an application cannot be instrumented; nothing if it can."""
    from inspect import iscoroutinefunction  # both libraries have loaded it

    if isinstance(app, type):
        return f"{app.__name__} is a class; instrument takes the application made of it"
    name = type(app).__name__
    if iscoroutinefunction(getattr(app, "invoke", None)):
        return f"{name} has commands that are coroutines; {_BY_HAND}"
    is_command = all(hasattr(app, each) for each in ("main", "make_context", "invoke"))
    if not is_command and not hasattr(app, "registered_commands"):
        return f"{name} is neither a Typer application nor a Click command"
    return ""


@contextmanager
def _recorded(emitter: Emitter) -> Iterator[Recording]:
    recording = Recording(emitter)
    try:
        yield recording
    finally:
        with suppress(Exception):  # Whatever it is, it is not the application's concern.
            _record(recording)


def _record(recording: Recording) -> None:
    if recording.count:
        from usagectl.emitting import remarks  # help and version need none

        recording.record(remarks.teller())


def _instrument_typer(app: Any, begin: Begin) -> None:  # noqa: ANN401
    """Record every run of a Typer application.

    Whoever runs it has its commands built anew (`typer.main.get_command`), and to build
    them its callback is asked for first: then its root command gets a watched class.
    """
    name = "registered_callback"

    class Instrumented(type(app)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            if _watch_root(self, begin):
                return super().__call__(*args, **kwargs)
            run = super().__call__
            with begin() as recording:
                return recording.follow(None, lambda: run(*args, **kwargs))

        @property
        def registered_callback(self) -> Any:  # noqa: ANN401
            _watch_root(self, begin)
            held = vars(self)
            return held[name] if name in held else super().registered_callback

        @registered_callback.setter
        def registered_callback(self, value: Any) -> None:  # noqa: ANN401
            self.__dict__[name] = value

    app.__class__ = Instrumented


def _watch_root(app: Any, begin: Begin) -> bool:  # noqa: ANN401
    """Give the root command of a Typer application a watched class; False if it cannot be found."""
    try:
        holder, base = command_lines.holder_of_class(app)
        if not hasattr(base, _BEGIN):
            names = {"__module__": base.__module__, _BEGIN: staticmethod(begin)}
            holder.cls = type(base)(base.__name__, (_watched(base),), names)
    except Exception:  # noqa: BLE001  (a Typer that is built in another way)
        return False
    return True


def watch(command: Any, begin: Begin | None = None) -> bool:  # noqa: ANN401
    """Give a command a class in which it is noted when it runs; False if it takes no other.

    Args:
        command: the command.
        begin: begins a recording where none has begun; None: only runs of a recording are noted.
    """
    try:
        own: Any = type(command)
        if not hasattr(own, _BEGIN):
            command.__class__ = _watched(own)
        if begin is not None:
            setattr(command, _BEGIN, begin)
    except Exception:  # noqa: BLE001  (whatever its class says to that)
        return False
    return True


@cache
def _watched(base: Any) -> type:  # noqa: ANN401
    """Return a class of commands that are noted; it has the name of their own one.

    Nothing but that one may be its base: else a command could not change over to it. One
    that only stands for a command has no method that could be called from here.
    """
    if not all(hasattr(base, each) for each in ("invoke", "parse_args")):
        raise TypeError(base)

    class Watched(base):  # type: ignore[misc]
        _usagectl_begin: Begin | None = None

        def invoke(self, context: Any) -> Any:  # noqa: ANN401
            run = super().invoke
            return _run(context, lambda: run(context), begin=self._usagectl_begin)

        def parse_args(self, context: Any, arguments: Any) -> Any:  # noqa: ANN401
            parse = super().parse_args
            return _parse(context, lambda: parse(context, arguments), begin=self._usagectl_begin)

    class WatchedGroup(Watched):
        def resolve_command(self, context: Any, arguments: Any) -> Any:  # noqa: ANN401
            resolve = super().resolve_command
            return _resolve(context, lambda: resolve(context, arguments))

    found = WatchedGroup if hasattr(base, "resolve_command") else Watched
    found.__name__, found.__qualname__ = base.__name__, base.__qualname__
    found.__module__ = base.__module__
    return found


def _run(context: Any, run: Callable[[], Any], *, begin: Begin | None) -> Any:  # noqa: ANN401
    """Run a command in the recording of its run, or in one that begins here."""
    meta = _meta_of(context)
    if recording := meta.get(_RECORDING):
        return _follow(recording, context, run)
    if begin is None:
        return run()
    with begin() as recording:
        meta[_RECORDING] = recording
        try:
            return _follow(recording, context, run)
        finally:
            meta.pop(_RECORDING, None)


def _follow(recording: Recording, context: Any, run: Callable[[], Any]) -> Any:  # noqa: ANN401
    with suppress(Exception):  # A shell (click-shell, say) does not ask its group for a command.
        for each in command_lines.listed_commands(context.command):
            watch(each)
    return recording.follow(context, run)


def _parse(context: Any, parse: Callable[[], Any], *, begin: Begin | None) -> Any:  # noqa: ANN401
    """Read the words of a command, and note that they do not fit."""
    try:
        return parse()
    except Exception as error:
        with suppress(Exception):
            if command_lines.is_bad_usage(error) and not command_lines.is_help(error):
                _note_misfit(context, begin)
        raise


def _note_misfit(context: Any, begin: Begin | None) -> None:  # noqa: ANN401
    if recording := _meta_of(context).get(_RECORDING):
        recording.note_misfit(context)
    elif begin is not None:
        with begin() as recording:
            recording.note_misfit(context)


def _resolve(context: Any, resolve: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Find the command of a group for a word, and have it noted when it runs."""
    recording = _meta_of(context).get(_RECORDING)
    if recording is None:
        return resolve()
    recording.forget(context)  # The sub-command notes itself, or only shows its help.
    found = resolve()
    with suppress(Exception):  # While completing, there may be no command.
        watch(found[1])
    return found


def _meta_of(context: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what the contexts of a run share; nothing of one that is built in another way."""
    found = getattr(context, "meta", None)
    return found if isinstance(found, dict) else {}
