"""Commands of `usagectl`: their list, their Click classes, and the run of one of them.

Each command's module is imported when that command is run, or the whole help is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from usagectl.cli._output import Answer, emit
from usagectl.emitting import command_lines
from usagectl.emitting.permission import Emitter
from usagectl.emitting.runs import Recording
from usagectl.errors import UsageError, nearest
from usagectl.settings import OWN_NAME
from usagectl.showing import JSON_HELP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.machine.environment import Environment

MODULES: Mapping[str, str] = {
    "status": "status",
    "disable": "switch",
    "enable": "switch",
    "preview": "preview",
    "capture": "capture",
    "verify": "verify",
    "init": "init",
    "audit": "audit",
    "report": "report",
    "spool": "spool",
    "replay": "replay",
    "emit": "emit",
    "explain": "explain",
    "machine-id": "machine_id",
    "reset-machine-id": "machine_id",
    "cache-dir": "machine_id",
    "env": "env",
    "run": "env",
    "settings": "settings",
    "completion": "completion",
}
"""Command names in the order of the help, and the module that holds each.

A module keeps its commands in `apps`: a Typer application for each name.
"""


class Invocation:
    """One run of the command line: its arguments, its environment, its event.

    Attributes:
        arguments: what was typed after `usagectl`.
        command: the command path without the program's name, once it is known.
        as_json: whether the command that runs answers as JSON.
        takes_json: whether --json is an option of the command that runs; what follows
            `run` is another program's command line.
        recording: what the run has to record.
    """

    def __init__(self, arguments: Sequence[str], environment: Environment | None = None) -> None:
        self.arguments = tuple(arguments)
        self.command = ""
        self.as_json = False
        self.takes_json = True
        self.recording = Recording(Emitter(OWN_NAME), environment)

    @property
    def environment(self) -> Environment:
        """The environment that was given, else the process's own, read when first asked for."""
        return self.recording.environment

    @property
    def wants_json(self) -> bool:
        """True if the answer is JSON, or --json was typed and the rest could not be parsed."""
        typed = self.arguments
        own = typed[: typed.index("--")] if "--" in typed else typed
        return self.as_json or (self.takes_json and "--json" in own)

    def name_command(self, path: str) -> None:
        """Note the command that runs, or whose words are about to be read."""
        self.command = path.removeprefix("usagectl").strip()


class _Answering:
    """What each command of ours has: --json, an `Answer` that is printed, a help not cut short."""

    name: str | None
    help: str | None
    params: list[Any]
    takes_json = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        if self.takes_json:
            self.params.append(_json_option())

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002
        """Return the first paragraph of the help, never cut off with dots."""
        return " ".join((self.help or "").strip().split("\n\n")[0].split())

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Read the command line; note the command first, for errors that do not name theirs."""
        if parent is not None and parent.obj is not None:
            parent.obj.name_command(f"{parent.command_path} {info_name}")
        return super().make_context(info_name, args, parent, **extra)  # type: ignore[misc]

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command and print its answer; a sub-command has printed its own."""
        invocation: Invocation = ctx.obj
        invocation.takes_json = self.takes_json
        invocation.as_json = ctx.params.pop("json", False)
        returned = super().invoke(ctx)  # type: ignore[misc]
        return emit(returned, invocation) if isinstance(returned, Answer) else returned


@cache
def _json_option() -> Any:  # noqa: ANN401  (Typer's own)
    return command_lines.typer_flag("--json", JSON_HELP)


class AnsweringCommand(_Answering, TyperCommand):
    """A command that takes --json and returns an answer."""


class AnsweringGroup(_Answering, TyperGroup):
    """A command with sub-commands that takes --json, and returns an answer without one."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Find the sub-command; refuse an option before it, which would silently mean nothing."""
        if self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            sentence = (
                f"{ctx.command_path} has no command {args[0]!r}{_guess(args[0], names)} "
                f"It has {', '.join(names)}; alone it shows what there is."
            )
            raise UsageError(sentence, hint=ctx.command_path)
        found = super().resolve_command(ctx, args)
        for parameter in self.params:
            source = ctx.get_parameter_source(parameter.name or "")
            if source is not None and source.name == "COMMANDLINE":
                sentence = f"{parameter.opts[0]} stands before {found[0]}; give it after."
                raise UsageError(sentence, hint=f"{ctx.command_path} {found[0]} --help")
        return found


class CommandGroup(TyperGroup):
    """The commands by name; a run imports the module of its own command alone."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """List the commands in the order of the help."""
        return list(MODULES)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Find the command; an unknown name is answered with the nearest one."""
        if args[0] not in MODULES:
            if args[0] == "help":
                named = [word for word in args[1:2] if word in MODULES]
                hint = " ".join(("usagectl", *named, "--help"))
                raise UsageError("The help is an option: --help, after any command.", hint=hint)
            sentence = f"There is no command {args[0]!r}{_guess(args[0], tuple(MODULES))}"
            raise UsageError(sentence, hint="usagectl --help")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401, ARG002
        """Import and build one command; None for an unknown name."""
        if cmd_name not in MODULES:
            return None
        if cmd_name not in self.commands:
            module = import_module(f"usagectl.cli.{MODULES[cmd_name]}")
            command = typer.main.get_command(module.apps[cmd_name])
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands[cmd_name]


def _guess(name: str, names: Sequence[str]) -> str:
    """End a sentence on an unknown name with the nearest one; `get` is no slip for `set`."""
    near = nearest(name, names, cutoff=0.7)
    return f"; did you mean {near}?" if near else "."


def new_app(**settings: Any) -> typer.Typer:  # noqa: ANN401
    """Make the Typer application of one command."""
    if settings.get("invoke_without_command"):
        settings.setdefault("subcommand_metavar", "[COMMAND] [ARGS]...")
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        **settings,
    )
