"""Tests of what is seen inside a Typer or Click application, and where nothing can be seen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated

import typer

from tests.support.sample_apps import commands, run_app
from usagectl.emitting import command_lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

OTHER_INSIDE = """
import sys
from usagectl import instrument
class Application:
    registered_commands = ()
    def __call__(self):
        sys.exit(7)
instrument(Application(), "sample-other")()
"""


def test_an_application_built_in_another_way(machine: Machine, tmp_path: Path) -> None:
    """It runs as ever, and its name is recorded; its exit status is its own."""
    file = tmp_path / "other.py"
    file.write_text(OTHER_INSIDE)
    assert run_app(machine, str(file.with_suffix(""))).status == 7
    assert commands(machine, "sample-other") == [("sample-other", [])]


def test_parameters_that_cannot_be_read() -> None:
    """None is named; the command is recorded without them."""
    context = SimpleNamespace(parent=None, command=SimpleNamespace(params=[object()]))
    assert command_lines.names_of_parameters(context, context) == []


def test_bounds() -> None:
    """Each Typer keeps them somewhere else."""
    app = typer.Typer()

    @app.command()
    def serve(*, port: Annotated[int, typer.Option(min=1, max=9)] = 1, name: str = "") -> None: ...

    port, name = typer.main.get_command(app).params[:2]
    assert (port.name, name.name) == ("port", "name")
    assert (command_lines.bounds_of(port), command_lines.bounds_of(name)) == ((1, 9), (None, None))
