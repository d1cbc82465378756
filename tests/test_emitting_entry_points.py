"""Tests of the ways to run an instrumented application: each records a command once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import click.testing
import typer.testing

from tests.data.apps import entry_points
from tests.support.machine import Outcome
from tests.support.sample_apps import commands, run_app
from tests.support.spooling import entries
from usagectl import instrument

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.machine import Machine


def test_each_way_to_run_an_application_records_it_once(machine: Machine) -> None:
    """Called, by its command, by `main` of the class, copied, below another: once a run."""
    assert run_app(machine, "entry_points") == Outcome(0, "", "")
    found = {
        way: commands(machine, f"tool-{number}") for number, way in enumerate(entry_points.WAYS)
    }
    wanted = {
        way: [(f"tool-{number}{path}", ["fast"])] * 2
        for number, (way, (path, _)) in enumerate(entry_points.WAYS.items())
    }
    assert found == wanted
    assert len(entries(machine)) == 2 * len(wanted)


def all_files(folder: Path) -> list[str]:
    """Name every file in a folder and below it."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_a_runner_of_either_library_records_only_where_its_author_asks(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then once a run, into the state folder and nowhere else; otherwise nothing is written."""
    for name, value in machine.process_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(machine.cwd)
    before = all_files(machine.folder)
    run_typer, run_click = typer.testing.CliRunner().invoke, click.testing.CliRunner().invoke
    make_typer, make_click = entry_points.plain_typer, entry_points.plain_click
    assert run_typer(instrument(make_typer(), "of-typer"), entry_points.WORDS).exit_code == 0
    assert run_click(instrument(make_click(), "of-click"), entry_points.WORDS).exit_code == 0
    assert all_files(machine.folder) == before
    of_typer = instrument(make_typer(), "of-typer", is_testing=True)
    of_click = instrument(make_click(), "of-click", is_testing=True)
    for _ in range(2):
        assert run_typer(of_typer, entry_points.WORDS).exit_code == 0
        assert run_click(of_click, entry_points.WORDS).exit_code == 0
    for tool in ("of-typer", "of-click"):
        assert commands(machine, tool) == [(f"{tool} build", ["fast"])] * 2
    build = instrument(make_click().commands["build"], "in-chain", is_testing=True)
    chain = click.Group(chain=True, commands={"build": build})
    assert run_click(chain, entry_points.WORDS * 2).exit_code == 0
    assert commands(machine, "in-chain") == [("in-chain", ["fast"])] * 2
    written = {machine.folder / file for file in set(all_files(machine.folder)) - set(before)}
    assert [file for file in written if not file.is_relative_to(machine.state_dir)] == []
