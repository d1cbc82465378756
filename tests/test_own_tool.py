"""Tests of usagectl's own switches: any No wins, and what is not understood is a No."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import Machine
from usagectl import consent

if TYPE_CHECKING:
    from usagectl.consent import Consent

NO_VARIABLES = ("DO_NOT_TRACK", "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS")
RANK = {"off": 0, "local": 1, "on": 2}


def verdict(machine: Machine, **variables: str) -> Consent:
    """Give the verdict on usagectl."""
    machine.variables = variables
    (found,) = consent.evaluate(machine.environment(), ["usagectl"])
    return found


def codes(found: Consent) -> list[str]:
    """List the codes of a verdict's warnings."""
    return [caution.code for caution in found.cautions]


def mode(text: str) -> str:
    """Write a file that asks for a mode."""
    return f'[telemetry]\nmode = "{text}"\n'


def put(file: Path, text: str) -> None:
    """Write a file and its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def user_file(machine: Machine) -> Path:
    """Name the user's settings file."""
    return machine.config_dir / "settings.toml"


def policy_file(machine: Machine) -> Path:
    """Name the machine-wide policy file."""
    return machine.root / "etc" / "usagectl" / "policy.toml"


def project_file(machine: Machine) -> Path:
    """Name the project file of the working folder."""
    return machine.cwd / ".usagectl.toml"


def test_the_default_is_local(machine: Machine) -> None:
    """Without any switch events are recorded and not sent."""
    found = verdict(machine)
    assert (found.telemetry, found.decided_by.source, codes(found)) == ("local", "default", [])


@pytest.mark.parametrize("name", NO_VARIABLES)
@pytest.mark.parametrize("value", ["1", "true", "yes", "on", "2", "x", " 1 ", "nope", "01"])
def test_a_no_variable(machine: Machine, name: str, value: str) -> None:
    """Any value but a word for false is a No, and beats the setting on."""
    put(user_file(machine), mode("on"))
    found = verdict(machine, **{name: value})
    assert found.telemetry == "off"
    assert found.decided_by.name == name
    assert [switch.source for switch in found.overridden] == ["setting"]


@pytest.mark.parametrize("name", NO_VARIABLES)
@pytest.mark.parametrize("value", ["", " ", "0", "false", "FALSE", "no", "No", "off", "OFF", " 0 "])
def test_a_word_for_false_is_no_no(machine: Machine, name: str, value: str) -> None:
    """An empty value and the words for false say nothing; they never switch on either."""
    found = verdict(machine, **{name: value})
    assert (found.telemetry, found.decided_by.source) == ("local", "default")


@pytest.mark.parametrize("name", NO_VARIABLES)
def test_a_no_that_localstack_ignores_is_warned_of(machine: Machine, name: str) -> None:
    """`yes` counts here and not with LocalStack; DO_NOT_TRACK is not LocalStack's at all."""
    expected = [] if name == "DO_NOT_TRACK" else ["value-ignored-elsewhere"]
    assert codes(verdict(machine, **{name: "yes"})) == expected
    assert codes(verdict(machine, **{name: "1"})) == []


@pytest.mark.parametrize(
    ("value", "expected", "warned"),
    [
        ("off", "off", []),
        ("local", "local", []),
        ("on", "on", []),
        (" ON ", "on", []),
        ("Off", "off", []),
        ("", "local", []),
        (" ", "local", []),
        ("yes", "off", ["mode-not-understood"]),
        ("1", "off", ["mode-not-understood"]),
        ("onn", "off", ["mode-not-understood"]),
    ],
)
def test_the_mode_variable(machine: Machine, value: str, expected: str, warned: list[str]) -> None:
    """USAGECTL_TELEMETRY names a mode; empty is nothing, what is not understood is off."""
    found = verdict(machine, USAGECTL_TELEMETRY=value)
    assert (found.telemetry, codes(found)) == (expected, warned)


@pytest.mark.parametrize(
    ("variable", "setting", "expected"),
    [
        ("on", "off", "off"),
        ("on", "local", "on"),
        ("local", "on", "local"),
        ("off", "on", "off"),
        ("", "on", "on"),
        ("", "local", "local"),
        ("", "off", "off"),
    ],
)
def test_the_setting(machine: Machine, variable: str, setting: str, expected: str) -> None:
    """The variable is asked before the setting, but a No of the setting wins over it."""
    put(user_file(machine), mode(setting))
    assert verdict(machine, USAGECTL_TELEMETRY=variable).telemetry == expected


@pytest.mark.parametrize("place", [policy_file, project_file])
@pytest.mark.parametrize(
    ("says", "setting", "expected"),
    [
        ("off", "on", "off"),
        ("local", "on", "local"),
        ("local", "off", "off"),
        ("on", "on", "on"),
        ("on", "local", "local"),
        ("on", "off", "off"),
    ],
)
def test_policy_and_project_only_restrict(
    machine: Machine, place: object, says: str, setting: str, expected: str
) -> None:
    """A policy or project file lowers the verdict and never raises it; a wish for on is named."""
    assert callable(place)
    put(place(machine), mode(says))
    put(user_file(machine), mode(setting))
    found = verdict(machine)
    assert found.telemetry == expected
    warned = any(code.endswith("-cannot-enable") for code in codes(found))
    assert warned == (says == "on")
    assert (found.decided_by.source == "setting") == (says == "on" or setting == "off")
    assert RANK[verdict(machine, USAGECTL_TELEMETRY="on").telemetry] <= RANK[says]


@pytest.mark.parametrize("place", [policy_file, project_file])
def test_an_on_of_policy_or_project_alone(machine: Machine, place: object) -> None:
    """On in a file that may only restrict leaves the default."""
    assert callable(place)
    put(place(machine), mode("on"))
    assert verdict(machine).telemetry == "local"


@pytest.mark.parametrize(
    "text", ["not toml", "[telemetry]\nmode = 1\n", '[telemetry]\nmode = "maybe"\n', "telemetry=1"]
)
@pytest.mark.parametrize("place", [policy_file, project_file, user_file])
def test_what_is_not_understood_is_off(machine: Machine, place: object, text: str) -> None:
    """A corrupt policy, project or settings file counts as off, and is named."""
    assert callable(place)
    put(place(machine), text)
    found = verdict(machine, USAGECTL_TELEMETRY="on")
    assert found.telemetry == "off"
    assert found.decided_by.origin == str(place(machine))
    assert [code for code in codes(found) if code.endswith("-unreadable")]


@pytest.mark.parametrize("place", [policy_file, project_file, user_file])
def test_what_cannot_be_read_is_off(machine: Machine, place: object) -> None:
    """A folder or a pipe in a file's place counts as off and does not hang."""
    assert callable(place)
    file: Path = place(machine)
    file.mkdir(parents=True)
    assert verdict(machine).telemetry == "off"
    file.rmdir()
    os.mkfifo(file)
    assert verdict(machine).telemetry == "off"


def test_a_project_file_counts_from_any_parent(machine: Machine) -> None:
    """Every project file up to the root restricts, not the nearest alone."""
    put(machine.folder / ".usagectl.toml", mode("off"))
    put(project_file(machine), mode("local"))
    found = verdict(machine, USAGECTL_TELEMETRY="on")
    assert found.telemetry == "off"
    assert found.decided_by.origin == str(machine.folder / ".usagectl.toml")
    project_file(machine).write_text(mode("off"))
    found = verdict(machine)
    assert found.decided_by.origin == str(project_file(machine))


def test_without_a_home_it_is_off(machine: Machine) -> None:
    """An account without a home has no place for a setting, so nothing was ever agreed to."""
    (found,) = consent.evaluate(machine.environment(config_dir=None), ["usagectl"])
    assert (found.telemetry, codes(found)) == ("off", ["no-home"])


def test_of_several_no_the_first_named_decides(machine: Machine) -> None:
    """Among equals the design's order of naming holds: variables, policy, project, setting."""
    put(user_file(machine), mode("off"))
    assert verdict(machine).decided_by.source == "setting"
    put(project_file(machine), mode("off"))
    assert verdict(machine).decided_by.source == "project"
    put(policy_file(machine), mode("off"))
    assert verdict(machine).decided_by.source == "policy"
    assert verdict(machine, USAGECTL_TELEMETRY="off").decided_by.name == "USAGECTL_TELEMETRY"
    found = verdict(machine, DISABLE_EVENTS="1", USAGECTL_TELEMETRY="off")
    assert found.decided_by.name == "DISABLE_EVENTS"


def test_consent_to_send_has_a_name(machine: Machine) -> None:
    """Off and local have none; a variable is one of its own; a setting is its stored instant."""
    for value, expected in (("off", ""), ("local", ""), ("on", "environment")):
        machine.variables = {"USAGECTL_TELEMETRY": value}
        environment = machine.environment()
        found = consent.evaluate(environment, ["usagectl"])[0]
        assert consent.sending_consent(environment, found) == expected
    machine.variables = {}
    put(user_file(machine), mode("on") + "since = 2026-11-23T06:30:00Z\n")
    environment = machine.environment()
    found = consent.evaluate(environment, ["usagectl"])[0]
    assert consent.sending_consent(environment, found) == "2026-11-23T06:30:00+00:00"


PLACES = (*NO_VARIABLES, "USAGECTL_TELEMETRY", "policy", "project", "parent", "setting")
NO_VALUES = dict.fromkeys(NO_VARIABLES, "1") | {"USAGECTL_TELEMETRY": "off"}
choices = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from(["", "0", "no", "1", "x"]) for name in NO_VARIABLES},
        "USAGECTL_TELEMETRY": st.sampled_from(["", "off", "local", "on", "odd"]),
        **{
            name: st.sampled_from(["off", "local", "on", "odd"])
            for name in ("policy", "project", "parent", "setting")
        },
    },
)


def lay_out(folder: Path, chosen: dict[str, str]) -> Consent:
    """Make a machine with the chosen switches and give the verdict."""
    machine = Machine(folder)
    files = {
        "policy": policy_file(machine),
        "project": project_file(machine),
        "parent": folder / ".usagectl.toml",
        "setting": user_file(machine),
    }
    for name, file in files.items():
        file.unlink(missing_ok=True)
        if name in chosen:
            put(file, mode(chosen[name]))
    return verdict(machine, **{name: chosen[name] for name in chosen if name not in files})


@settings(max_examples=300, database=None)
@given(choices, st.sampled_from(PLACES))
def test_adding_a_no_never_makes_it_louder(chosen: dict[str, str], place: str) -> None:
    """Whatever stands where: a No put anywhere makes the verdict off."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert lay_out(folder, {**chosen, place: NO_VALUES.get(place, "off")}).telemetry == "off"


@settings(max_examples=300, database=None)
@given(choices, st.sampled_from(["policy", "project", "parent"]), st.sampled_from(["on", "local"]))
def test_policy_and_project_never_make_it_louder(
    chosen: dict[str, str], place: str, says: str
) -> None:
    """Whatever stands elsewhere: a policy or project file that appears never raises the verdict."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        without = {key: value for key, value in chosen.items() if key != place}
        before = lay_out(folder, without).telemetry
        after = lay_out(folder, {**without, place: says}).telemetry
    assert RANK[after] <= RANK[before]
