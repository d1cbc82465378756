"""Tests of the variables that silence every tool, over the whole catalogue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from usagectl import catalogue, consent
from usagectl.catalogue.entry import Entry
from usagectl.errors import UnknownToolError
from usagectl.machine import shells
from usagectl.tools import opt_outs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.machine import Machine
    from usagectl.catalogue.entry import SwitchRule


def heeded(name: str, every: Mapping[str, str]) -> list[SwitchRule]:
    """Return the switches of a tool that all variables together throw; empty if none is."""
    ways = filter(None, opt_outs.ways_of(catalogue.entry(name)))
    return next(
        (
            [*way]
            for way in ways
            if all(opt_outs.is_silent(rule, every.get(rule.variables[0], "")) for rule in way)
        ),
        [],
    )


def test_a_variable_has_one_value() -> None:
    """No tool is left without its own switch because another one wants another value of it."""
    every = opt_outs.opt_out_variables()
    conflicts = [
        f"{name} wants {variable}={value}, set is {every.get(variable)} for {other}"
        for name in opt_outs.known_names()
        if not heeded(name, every)
        for variable, value in opt_outs.opt_out_of(name).items()
        for other in opt_outs.known_names()
        if variable in opt_outs.opt_out_of(other) and other != name
    ]
    assert conflicts == []


def test_two_tools_that_want_different_values() -> None:
    """The value that silences both is taken; without one the later takes another switch."""
    any_text = {"variables": ["X"], "off": {"form": "non-empty"}, "write": "1"}
    true_alone = {"variables": ["X"], "off": {"form": "equals", "values": ["true"]}}
    true_alone |= {"write": "true"}
    false_alone = {"variables": ["X"], "off": {"form": "equals", "values": ["false"]}}
    false_alone |= {"other": "on", "write": "false"}
    other = {"variables": ["Y"], "off": {"form": "set"}, "write": "1"}
    cases = (
        ([[any_text], [true_alone]], {"X": "true"}),
        ([[true_alone], [any_text]], {"X": "true"}),
        ([[true_alone], [false_alone]], {"X": "true"}),
        ([[true_alone], [false_alone, other]], {"X": "true", "Y": "1"}),
        ([[other], [any_text, other]], {"X": "1", "Y": "1"}),
    )
    wrong = [
        (switches, found)
        for switches, wanted in cases
        if (found := opt_outs.together([made(each) for each in switches])) != wanted
    ]
    assert wrong == []


def made(switches: list[dict[str, Any]]) -> Entry:
    """Make an entry that has these switches."""
    return Entry({**catalogue.data("next"), "switch": switches})


def is_reached(name: str, every: Mapping[str, str]) -> bool:
    """True if the variables of a tool silence all its parts."""
    parts = set(catalogue.entry(name).parts)
    rules = heeded(name, every)
    return bool(rules) and {part for rule in rules for part in rule.covers or parts} == parts


def test_all_of_them_silence_every_tool_they_reach(machine: Machine) -> None:
    """With every variable set, no tool sends, and none stops over one of the values."""
    every = opt_outs.opt_out_variables()
    machine.variables = every
    environment = machine.environment()
    reached = [name for name in opt_outs.known_names() if is_reached(name, every)]
    found = consent.evaluate(environment, reached)
    assert [each.name for each in found if each.telemetry not in ("off", "local")] == []
    broken = [
        (each.name, caution.message)
        for each in found
        for caution in each.cautions
        if caution.code == "value-breaks-tool"
    ]
    assert (broken, len(found) > 3) == ([], True)


def test_the_values_are_plain_in_every_format() -> None:
    """A shell splits `docker run $(usagectl env docker)` and takes no quotes away."""
    every = opt_outs.opt_out_variables()
    odd = [item for item in every.items() if not re.fullmatch(r"[A-Za-z0-9_./:+-]+", item[1])]
    assert odd == []
    assert shells.render(every, "docker").split() == [
        word for name, value in every.items() for word in ("-e", f"{name}={value}")
    ]


def test_one_tool_alone(machine: Machine) -> None:
    """`env --tool` prints what that tool heeds, and knows every tool of the catalogue."""
    assert opt_outs.opt_out_variables(["next"]) == {"NEXT_TELEMETRY_DISABLED": "1"}
    with pytest.raises(UnknownToolError):
        opt_outs.opt_out_variables(["nexxt"])
    done = machine.run("env", "--tool", "next", "--tool", "lstk")
    text = "export LOCALSTACK_DISABLE_EVENTS=1\nexport NEXT_TELEMETRY_DISABLED=1\n"
    assert (done.status, done.stdout) == (0, text)


def test_a_tool_without_a_variable_is_answered_in_words(machine: Machine) -> None:
    """An empty answer leaves a person alone; stdout stays blank for the shell that reads it."""
    done = machine.run("env", "--tool", "airflow")
    assert (done.status, done.stdout.strip()) == (0, "")
    assert done.stderr.startswith("No variable switches off what was asked for.\n")
    assert "try: usagectl explain airflow\n" in done.stderr
