"""Looks inside a Typer or Click application: which command runs, what was typed, what did not fit.

The only place that leans on what Typer and Click do not promise. Tried with Typer 0.26.8,
0.28.0 and 0.29.2, and with Click 8.1.3 and 8.5.1. Where an application is built in another way,
its command's name is recorded and no parameter.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_INTERRUPTED = 130


def holder_of_class(app: Any) -> tuple[Any, type]:  # noqa: ANN401
    """Find where a Typer application keeps the class of its root command, and that class."""
    from typer.core import TyperCommand, TyperGroup

    callback = vars(app)["registered_callback"]  # Who asks the application itself asks us.
    is_group = callback or app.info.callback or app.registered_groups
    if not is_group and len(app.registered_commands) == 1:
        return _with_class(app.registered_commands[0], TyperCommand)
    if callback is not None and isinstance(callback.cls, type):
        return callback, callback.cls
    return _with_class(app.info, TyperGroup)


def _with_class(holder: Any, default: type) -> tuple[Any, type]:  # noqa: ANN401
    return holder, getattr(holder.cls, "value", holder.cls) or default


def add_flag(command: Any, name: str, text: str, do: Callable[[Any], None]) -> None:  # noqa: ANN401
    """Give a command an option without a value; what it does is given the context."""

    def callback(context: Any, _parameter: Any, value: object) -> object:  # noqa: ANN401
        if value:
            do(context)
        return value

    flag = typer_flag(name, text) if is_typers(command) else _click_flag(command, name, text)
    flag.callback, flag.expose_value, flag.is_eager = callback, False, True
    command.params.append(flag)


def is_typers(command: Any) -> bool:  # noqa: ANN401
    """True for a command that a Typer application was built into."""
    return any(each.__module__.partition(".")[0] == "typer" for each in type(command).__mro__)


def typer_flag(name: str, text: str) -> Any:  # noqa: ANN401
    """Return an option as this Typer builds it: what its class takes differs by version."""
    import typer

    app = typer.Typer(add_completion=False)

    @app.command()
    def command(*, flag: bool = typer.Option(False, name, help=text)) -> None: ...  # noqa: FBT003

    found: Any = typer.main.get_command(app).params[0]
    found.name = name.lstrip("-").replace("-", "_")
    return found


def _click_flag(command: Any, name: str, text: str) -> Any:  # noqa: ANN401
    return click_of(command).Option([name], is_flag=True, help=text)


def click_of(command: Any) -> Any:  # noqa: ANN401
    """Return the module that holds Click's classes, of which a command is made."""
    modules = (sys.modules.get(each.__module__) for each in type(command).__mro__)
    names = ("Option", "Command", "Group")
    return next(each for each in modules if all(hasattr(each, name) for name in names))


def is_bad_usage(error: Exception) -> bool:
    """True if an error says that the command line did not fit: Click's, Typer's or ours."""
    return any(each.__name__ == "UsageError" for each in type(error).__mro__)


def is_command(command: Any) -> bool:  # noqa: ANN401
    """True unless a command is a group that has one of its commands do the work."""
    is_group = hasattr(command, "resolve_command")
    return not is_group or bool(getattr(command, "invoke_without_command", False))


def is_help(error: Exception) -> bool:
    """True if an error stands for the help of a command for which nothing was typed."""
    return any(each.__name__ == "NoArgsIsHelpError" for each in type(error).__mro__)


def outcome_of(error: BaseException | None) -> str:
    """Name how a command ended, in a word of the notice's data, by what it raised.

    130 is the exit status of a program that an interrupt ended. The end of its input
    aborts a command in Click, as an interrupt does.
    """
    if error is None:
        return "ok"
    names = {each.__name__ for each in type(error).__mro__}
    if "UsageError" in names:
        return "usage"
    code = getattr(error, "code" if isinstance(error, SystemExit) else "exit_code", 1)
    if names & {"KeyboardInterrupt", "Abort", "EOFError"} or code == _INTERRUPTED:
        return "interrupted"
    has_status = names & {"SystemExit", "Exit"}
    return "ok" if has_status and code in (None, 0) else "error"


def names_of_commands(context: Any, root: Any, tool: str) -> list[str]:  # noqa: ANN401
    """Name the commands from the root down as they are declared, not as they were typed."""
    if context is root:
        return [tool]
    if _is_repeated(context):
        return names_of_commands(context.parent, root, tool)
    name = context.command.name if _is_declared(context) else ""  # The event says `other`.
    return [*names_of_commands(context.parent, root, tool), name]


def _is_repeated(context: Any) -> bool:  # noqa: ANN401
    """True for a line of a shell: its group runs within a command of that same group."""
    return context.parent is not None and context.parent.command is context.command


def _is_declared(context: Any) -> bool:  # noqa: ANN401
    """True if the group of a command has it or lists it, so that its name is the author's."""
    group, command = context.parent.command, context.command
    if any(each is command for each in getattr(group, "commands", {}).values()):
        return True
    return command.name in group.list_commands(context.parent)


def listed_commands(group: Any) -> list[Any]:  # noqa: ANN401
    """Return the commands that a group holds: a shell (click-shell, say) does not ask it for them.

    Those that it loads on demand are not touched.
    """
    held = getattr(group, "commands", None)
    return list(held.values()) if type(held) is dict else []


def names_of_parameters(context: Any, root: Any) -> list[str]:  # noqa: ANN401
    """Name the parameters typed after the root, in declaration order; none if unreadable."""
    with suppress(Exception):
        return list(_typed_names(context, root))
    return []


def _typed_names(context: Any, root: Any) -> Iterator[str]:  # noqa: ANN401
    if context is not root and not _is_repeated(context):
        yield from _typed_names(context.parent, root)
    for parameter in context.command.params:
        if _is_typed(context, parameter):
            yield _public_name(parameter)


def _is_typed(context: Any, parameter: Any) -> bool:  # noqa: ANN401
    """True if a parameter got its value on the command line."""
    name = parameter.name or ""
    source = context.get_parameter_source(name)
    if source is None or source.name != "COMMANDLINE":
        return False
    # Click 8.1 and Typer 0.26 say so of an argument for any number of words, also for none.
    return bool(parameter.nargs != -1 or context.params.get(name))


def _public_name(parameter: Any) -> str:  # noqa: ANN401
    """Name a parameter as the help does: `dry_run` for --dry-run, `tool` for [TOOL]."""
    metavar = parameter.metavar if isinstance(parameter.metavar, str) else ""
    word = re.search("[A-Z]+", metavar)
    if parameter.param_type_name == "argument" and word:
        return word[0].lower()
    longest: str = max(parameter.opts, key=len, default="")
    return longest.lstrip("-/+").replace("-", "_")


def bounds_of(parameter: Any) -> tuple[object, object]:  # noqa: ANN401
    """Return the least and the greatest value of a number; None where there is no bound."""
    # They lie in a parameter's type up to Typer 0.28, in itself from 0.29 on.
    holder = getattr(parameter, "type", parameter)
    return getattr(holder, "min", None), getattr(holder, "max", None)
