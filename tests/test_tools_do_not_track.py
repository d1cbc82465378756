"""Tests of what is said of DO_NOT_TRACK: the tools' own rules, no more and no less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.commands import run_inside
from usagectl import catalogue, consent
from usagectl.tools import do_not_track

if TYPE_CHECKING:
    from tests.support.machine import Machine

ROWS = {row.tool: row for row in do_not_track.rows()}


def test_its_meanings_differ() -> None:
    """One of each: a list of words, one word alone, anything but nothing, a part, not read."""
    wanted = {
        "huggingface": ("off", "off", "off", "on", "on"),
        "mlflow": ("on", "off", "on", "on", "on"),
        "supabase": ("off", "on", "on", "on", "on"),
        "kedro": ("off", "off", "off", "off", "on"),
        "evidently": ("off", "off", "off", "off", "off"),
        "skypilot": ("part", "part", "part", "on", "on"),
        "next": ("on", "on", "on", "on", "on"),
    }
    found = {name: tuple(ROWS[name].effects.values()) for name in wanted}
    assert found == wanted
    assert [name for name in wanted if not ROWS[name].is_read] == ["next"]


def test_a_verdict_says_the_same(machine: Machine) -> None:
    """Where the variable alone is set, the verdict on each tool that sends is the table's word."""
    wrong = []
    for value in do_not_track.VALUES:
        variables = {"HOME": str(machine.home), "DO_NOT_TRACK": value}
        environment = machine.environment(variables=variables)
        for row in ROWS.values():
            if catalogue.entry(row.tool).default != "on" or row.tool in ("localstack", "lstk"):
                continue
            verdict = consent.evaluate(environment, [row.tool])[0].telemetry
            says = "off" if row.effects[value] == "off" else "on"
            wrong += [(row.tool, value, verdict)] if verdict != says else []
    assert wrong == []


def test_the_facts_are_counted(machine: Machine) -> None:
    """It silences 9 of the 48 tools that were seen to send; its 0 opts out of three."""
    shown = run_inside(machine.environment(), "explain", "do_not_track").stdout
    first = " ".join(shown.split("\n\n")[0].split())
    assert first.startswith(
        "DO_NOT_TRACK=1 silences 9 of 48 tools that were seen to send; DO_NOT_TRACK=0 opts out of "
        "3 of them."
    )
    data = run_inside(machine.environment(), "explain", "DO_NOT_TRACK", "--json").data
    assert {row["tool"] for row in data["tools"]} == set(ROWS)
