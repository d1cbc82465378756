"""Tests of the variables that silence every tool, over the whole catalogue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from usagectl import catalogue, consent, tools
from usagectl.errors import UnknownToolError
from usagectl.machine import shells
from usagectl.tools import opt_outs

if TYPE_CHECKING:
    from tests.support.machine import Machine


def test_a_variable_has_one_value() -> None:
    """No tool is left without its own switch because another one wants another value of it."""
    every = tools.opt_out_variables()
    conflicts = [
        f"{name} wants {variable}={value}, set is {every.get(variable)} for "
        f"{[other for other in opt_outs.known_names() if variable in opt_outs.opt_out_of(other)]}"
        for name in opt_outs.known_names()
        if not opt_outs.opt_out_of(name, taken=every)
        for variable, value in opt_outs.opt_out_of(name).items()
        if every.get(variable) != value
    ]
    assert conflicts == []


def is_reached(name: str) -> bool:
    """True if the variables of a tool silence all its parts."""
    variables = opt_outs.opt_out_of(name, taken=tools.opt_out_variables())
    entry = catalogue.entry(name)
    if entry.module or not entry.parts:
        return bool(variables)
    rules = [rule for rule in entry.switches if set(rule.variables) & set(variables)]
    covered = {part for rule in rules for part in rule.covers or entry.parts}
    return covered == set(entry.parts)


def test_all_of_them_silence_every_tool_they_reach(machine: Machine) -> None:
    """With every variable set, each tool is off, and stops over none of the values."""
    machine.variables = tools.opt_out_variables()
    environment = machine.environment()
    reached = [name for name in opt_outs.known_names() if is_reached(name)]
    found = consent.evaluate(environment, reached)
    assert [each.name for each in found if each.telemetry != "off"] == []
    broken = [
        (each.name, caution.message)
        for each in found
        for caution in each.cautions
        if caution.code == "value-breaks-tool"
    ]
    assert (broken, len(found) > 3) == ([], True)


def test_the_values_are_plain_in_every_format() -> None:
    """A shell splits `docker run $(usagectl env docker)` and takes no quotes away."""
    every = tools.opt_out_variables()
    odd = [item for item in every.items() if not re.fullmatch(r"[A-Za-z0-9_./:+-]+", item[1])]
    assert odd == []
    assert shells.render(every, "docker").split() == [
        word for name, value in every.items() for word in ("-e", f"{name}={value}")
    ]


def test_one_tool_alone(machine: Machine) -> None:
    """`env --tool` prints what that tool heeds, and knows every tool of the catalogue."""
    assert tools.opt_out_variables(["next"]) == {"NEXT_TELEMETRY_DISABLED": "1"}
    with pytest.raises(UnknownToolError):
        tools.opt_out_variables(["nexxt"])
    done = machine.run("env", "--tool", "next", "--tool", "lstk")
    text = "export LOCALSTACK_DISABLE_EVENTS=1\nexport NEXT_TELEMETRY_DISABLED=1\n"
    assert (done.status, done.stdout) == (0, text)
