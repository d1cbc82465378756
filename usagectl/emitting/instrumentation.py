"""Recording of a Typer or Click application's own commands, as `cli_cmd` events.

Each command that runs is recorded: its name and the names of the parameters that were typed,
never a value; nothing for help, version, completion and bad usage. An author may add a few
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

import os
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from usagectl.emitting import command_lines
from usagectl.emitting.runs import Recording
from usagectl.settings import variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from usagectl.emitting.permission import Emitter

    Begin = Callable[[], AbstractContextManager[Recording]]
    """Begins the recording of a run, and ends it."""

App = TypeVar("App")

_BEGIN = "_usagectl_begin"
"""What begins a recording at a command, and ends it; a command that has it is watched."""

_RECORDING = "usagectl.recording"
"""Where the contexts of a run keep its recording, in their `meta`."""

_BY_HAND = "record them by a Tracker's cli_cmd"


def record_commands(app: App, emitter: Emitter) -> App:
    """Have an application record its own commands, under its user's consent, and return it.

    Raises:
        TypeError: the application is neither Typer's nor Click's, its commands are coroutines
            (asyncclick), or it lets nobody note when it runs.
    """
    if problem := _problem_of(app):
        raise TypeError(problem)
    begin = partial(_recorded, emitter)
    if hasattr(app, "registered_commands"):
        _instrument_typer(app, begin, emitter)
    elif watch(app, begin):
        _add_option(app, emitter)
    else:
        problem = f"{type(app).__name__} does not let anybody see when it runs; {_BY_HAND}"
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


def _add_option(command: Any, emitter: Emitter) -> None:  # noqa: ANN401
    """Give a root command the option with which nothing of a run is recorded, if one is wanted."""
    if not emitter.option:
        return
    name = variable_of(emitter.name)

    def silence(context: Any) -> None:  # noqa: ANN401
        before = os.environ.get(name)
        os.environ[name] = "off"  # Of what this process starts nothing is recorded either.
        context.call_on_close(partial(_set_back, name, before))

    text = "Record nothing of this run."
    with suppress(Exception):  # A command that takes no further option.
        command_lines.add_flag(command, emitter.option, text, silence)


def _set_back(name: str, before: str | None) -> None:
    """Give a variable the value that it had: the process may run other commands."""
    if before is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = before


def _instrument_typer(app: Any, begin: Begin, emitter: Emitter) -> None:  # noqa: ANN401
    """Record every run of a Typer application.

    Whoever runs it has its commands built anew (`typer.main.get_command`), and to build
    them its callback is asked for first: then its root command gets a watched class.
    """
    name = "registered_callback"

    class Instrumented(type(app)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            if _watch_root(self, begin, emitter):
                return super().__call__(*args, **kwargs)
            run = super().__call__
            with begin() as recording:
                return recording.follow(None, lambda: run(*args, **kwargs))

        @property
        def registered_callback(self) -> Any:  # noqa: ANN401
            _watch_root(self, begin, emitter)
            held = vars(self)
            return held[name] if name in held else super().registered_callback

        @registered_callback.setter
        def registered_callback(self, value: Any) -> None:  # noqa: ANN401
            self.__dict__[name] = value

    app.__class__ = Instrumented


def _watch_root(app: Any, begin: Begin, emitter: Emitter) -> bool:  # noqa: ANN401
    """Give the root command of a Typer application a watched class; False if it cannot be found."""
    try:
        holder, base = command_lines.holder_of_class(app)
        if not hasattr(base, _BEGIN):
            watched = _watched(base)

            def init(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
                watched.__init__(self, *args, **kwargs)  # type: ignore[misc]
                _add_option(self, emitter)

            names = {"__module__": base.__module__, "__init__": init, _BEGIN: staticmethod(begin)}
            holder.cls = type(base)(base.__name__, (watched,), names)
    except Exception:  # noqa: BLE001  (a Typer that is built in another way)
        return False
    return True


def watch(command: Any, begin: Begin | None = None) -> bool:  # noqa: ANN401
    """Give a command a class in which it is noted when it runs; False if it takes no other.

    Args:
        command: the command.
        begin: begins a recording where none has begun; None: only runs of a recording are noted.
    """
    if getattr(command, "is_usagectls", False):  # What controls recording is not recorded.
        return True
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

    def invoke(self: Any, context: Any) -> Any:  # noqa: ANN401
        run = partial(base.invoke, self, context)
        return _run(context, run, begin=self._usagectl_begin)

    def parse_args(self: Any, context: Any, arguments: Any) -> Any:  # noqa: ANN401
        parse = partial(base.parse_args, self, context, arguments)
        return _parse(context, parse, begin=self._usagectl_begin)

    def resolve_command(self: Any, context: Any, arguments: Any) -> Any:  # noqa: ANN401
        return _resolve(context, partial(base.resolve_command, self, context, arguments))

    methods: list[Any] = [invoke, parse_args]
    methods += [resolve_command] if hasattr(base, "resolve_command") else []
    members: dict[str, Any] = {
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        _BEGIN: None,
    }
    members |= {each.__name__: each for each in methods}
    found: type = type(base)(base.__name__, (base,), members)
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
