"""Own the list of commands, each in a module that is imported when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from usagectl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODULES: Mapping[str, str] = {
    "status": "status",
    "disable": "switch",
    "enable": "switch",
    "preview": "preview",
    "capture": "capture",
    "audit": "audit",
    "spool": "spool",
    "replay": "replay",
    "emit": "emit",
    "explain": "explain",
    "machine-id": "machine_id",
    "reset-machine-id": "machine_id",
    "cache-dir": "cache_dir",
    "env": "env",
    "run": "run",
    "settings": "settings",
    "completion": "completion",
}
"""Command names in the order of the help, and the module that holds each.

A module keeps its commands in `apps`: a Typer application for each name.
"""


class RecordedCommand(TyperCommand):
    """Be a command that says which it is before it runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        for parameter in self.params:
            if parameter.type.name.startswith(("int", "float")):
                parameter.metavar = parameter.metavar or "NUMBER"  # Not Click's `<int range>`.

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002
        """Give the first sentence of the help whole: a list that ends in dots helps nobody."""
        return _first_paragraph(self.help)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Read the command line; an option that lacks its value does not say of which command."""
        if parent is not None and parent.obj is not None:
            parent.obj.expect(parent, info_name or "")
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Say which command runs, then run."""
        ctx.obj.enter(ctx)
        return super().invoke(ctx)


class RecordedGroup(TyperGroup):
    """Be a command with sub-commands that answers by itself without one."""

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002
        """Give the first sentence of the help whole."""
        return _first_paragraph(self.help)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Say which command runs, then run; a sub-command says so for itself."""
        ctx.obj.enter(ctx)
        return super().invoke(ctx)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Find the sub-command; an option before it would silently mean nothing."""
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
    """Find a command's module by name, so that a run loads no other command."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """List the commands in the order of the help."""
        return list(MODULES)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Find the command; a name that is none is answered with the nearest one."""
        if args[0] not in MODULES:
            if args[0] == "help":
                named = [word for word in args[1:2] if word in MODULES]
                hint = " ".join(("usagectl", *named, "--help"))
                raise UsageError("The help is an option: --help, after any command.", hint=hint)
            sentence = f"There is no command {args[0]!r}{_guess(args[0], tuple(MODULES))}"
            raise UsageError(sentence, hint="usagectl --help")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401, ARG002
        """Import and build one command; None when there is none of that name."""
        if cmd_name not in MODULES:
            return None
        if cmd_name not in self.commands:
            module = import_module(f"usagectl.cli.{MODULES[cmd_name]}")
            command = typer.main.get_command(module.apps[cmd_name])
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands[cmd_name]


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _guess(name: str, names: Sequence[str]) -> str:
    """End a sentence on a name that is none with the nearest one; `get` is no slip for `set`."""
    from difflib import get_close_matches  # a slip of the finger alone needs it

    near = get_close_matches(name, names, n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else "."


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
