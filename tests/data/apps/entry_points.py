"""Small applications, each run in its own way and under its own name."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
import typer

from usagectl import instrument

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[list[str]], Any]

WORDS = ["build", "--fast"]


def plain_typer() -> typer.Typer:
    """Make an application of Typer."""
    app = typer.Typer()
    app.callback()(lambda: None)

    @app.command("build")
    def build(*, fast: bool = False) -> None: ...

    return app


def plain_click() -> click.Group:
    """Make an application of Click."""
    build = click.Command("build", params=[click.Option(["--fast"], is_flag=True)])
    build.callback = lambda **_: None
    return click.Group("cli", commands={"build": build})


def of_typer(tool: str) -> typer.Typer:
    """Make an instrumented application of Typer."""
    return instrument(plain_typer(), tool)


def of_click(tool: str) -> click.Group:
    """Make an instrumented application of Click."""
    return instrument(plain_click(), tool)


def filled_later(tool: str) -> Run:
    """Fill an application that is instrumented already, past its own methods."""
    app, full = instrument(typer.Typer(), tool), plain_typer()
    app.registered_commands += full.registered_commands
    app.registered_callback = full.registered_callback
    return app


def below_typer(tool: str) -> Run:
    """Put an application below another one, which is not instrumented."""
    outer = typer.Typer()
    outer.callback()(lambda: None)
    outer.add_typer(of_typer(tool), name="inner")
    return lambda words: outer(["inner", *words])


def below_click(inner: click.Group) -> click.Group:
    """Put a group below another one, which has an option of its own."""
    option = click.Option(["--fast-too"], is_flag=True, expose_value=False)
    return click.Group("outer", commands={"inner": inner}, params=[option])


def both(tool: str) -> Run:
    """Instrument a group, and another one around it."""
    outer = instrument(below_click(of_click(f"{tool}-inner")), tool)
    return lambda words: outer(["inner", *words])


def assembled(tool: str) -> click.Group:
    """Make a group of the commands of another one."""
    return instrument(click.Group("new", commands=plain_click().commands), tool)


WAYS: dict[str, tuple[str, Callable[[str], Run]]] = {
    "Typer, called": (" build", of_typer),
    "Typer, not standalone": (
        " build",
        lambda tool: lambda words: of_typer(tool)(words, standalone_mode=False),
    ),
    "Typer, filled later": (" build", filled_later),
    "Typer, its command called": (" build", lambda tool: typer.main.get_command(of_typer(tool))),
    "Typer, its command's main": (
        " build",
        lambda tool: typer.main.get_command(of_typer(tool)).main,
    ),
    "Typer, its group": (" build", lambda tool: typer.main.get_group(of_typer(tool))),
    "Typer, below another": (" build", below_typer),
    "Click, called": (" build", of_click),
    "Click, main": (" build", lambda tool: of_click(tool).main),
    "Click, not standalone": (
        " build",
        lambda tool: lambda words: of_click(tool).main(words, standalone_mode=False),
    ),
    "Click, main of the class": (
        " build",
        lambda tool: lambda words: click.Command.main(of_click(tool), words),
    ),
    "Click, copied": (" build", lambda tool: copy.copy(of_click(tool))),
    "Click, copied whole": (" build", lambda tool: copy.deepcopy(of_click(tool))),
    "Click, below another": (
        " build",
        lambda tool: lambda words: below_click(of_click(tool))(["--fast-too", "inner", *words]),
    ),
    "Click, both": (" cli build", both),
    "Click, assembled": (" build", assembled),
    "Click, a collection": (
        " build",
        lambda tool: instrument(click.CommandCollection(sources=[plain_click()]), tool),
    ),
    "Click, a command of a group alone": (
        "",
        lambda tool: lambda words: instrument(of_click("group").commands["build"], tool)(words[1:]),
    ),
}
"""For each way what follows the tool's name in its event, and what makes a run of it."""


if __name__ == "__main__":
    for number, (_, make) in enumerate(WAYS.values()):
        run = make(f"tool-{number}")
        for _run in range(2):
            with suppress(SystemExit):
                run(list(WORDS))
