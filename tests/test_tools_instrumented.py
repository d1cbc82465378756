"""Tests of usagectl's own switches: any No wins, and what cannot be understood is a No."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import Machine, codes
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


def mode(text: str) -> str:
    """Write a file that asks for a mode."""
    return f'[telemetry]\nmode = "{text}"\n'


def put(file: Path, text: str) -> None:
    """Write a file and its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def place(machine: Machine, name: str) -> Path:
    """Name the file of a place that can hold a mode."""
    return {
        "setting": machine.config_dir / "settings.toml",
        "policy": machine.root / "etc" / "usagectl" / "policy.toml",
        "project": machine.cwd / ".usagectl.toml",
        "parent": machine.folder / ".usagectl.toml",
    }[name]


def test_a_no_variable(machine: Machine) -> None:
    """Any value but a word for false is a No, and beats the setting on.

    An empty value and the words for false say nothing; they never switch on either.
    """
    for name in NO_VARIABLES:
        for value in ("", " ", "0", "false", "FALSE", "no", "No", "off", "OFF", " 0 "):
            found = verdict(machine, **{name: value})
            decided = (found.telemetry, found.decided_by.source, found.overridden, codes(found))
            assert decided == ("local", "default", (), []), value
    put(place(machine, "setting"), mode("on"))
    for name in NO_VARIABLES:
        for value in ("1", "true", "yes", "on", "2", "x", " 1 ", "nope", "01"):
            found = verdict(machine, **{name: value})
            assert (found.telemetry, found.decided_by.name) == ("off", name), value
            assert [switch.source for switch in found.overridden] == ["setting"]


def test_a_no_that_localstack_ignores_is_warned_of(machine: Machine) -> None:
    """`yes` counts here and not with LocalStack; DO_NOT_TRACK is not LocalStack's at all."""
    for name in NO_VARIABLES:
        expected = [] if name == "DO_NOT_TRACK" else ["value-ignored-elsewhere"]
        assert codes(verdict(machine, **{name: "yes"})) == expected
        assert codes(verdict(machine, **{name: "1"})) == []


def test_the_mode_variable(machine: Machine) -> None:
    """USAGECTL_TELEMETRY names a mode; empty is nothing, any other word is off."""
    cases = {
        "off": ("off", []),
        "local": ("local", []),
        "on": ("on", []),
        " ON ": ("on", []),
        "Off": ("off", []),
        "": ("local", []),
        " ": ("local", []),
        "yes": ("off", ["mode-not-understood"]),
        "1": ("off", ["mode-not-understood"]),
        "onn": ("off", ["mode-not-understood"]),
    }
    found = {value: verdict(machine, USAGECTL_TELEMETRY=value) for value in cases}
    assert {value: (one.telemetry, codes(one)) for value, one in found.items()} == cases


def test_the_setting(machine: Machine) -> None:
    """The variable is asked before the setting, but a No of the setting wins over it."""
    cases = {
        ("on", "off"): "off",
        ("on", "local"): "on",
        ("local", "on"): "local",
        ("off", "on"): "off",
        ("", "on"): "on",
        ("", "local"): "local",
        ("", "off"): "off",
    }
    found = {}
    for variable, setting in cases:
        put(place(machine, "setting"), mode(setting))
        found[variable, setting] = verdict(machine, USAGECTL_TELEMETRY=variable).telemetry
    assert found == cases


def test_policy_and_project_only_restrict(tmp_path: Path) -> None:
    """A policy or project file lowers the verdict and never raises it; a wish for on is named."""
    for name in ("policy", "project"):
        machine = Machine(tmp_path / name)
        put(place(machine, name), mode("on"))
        assert verdict(machine).telemetry == "local"
        for says, setting, expected in (
            ("off", "on", "off"),
            ("local", "on", "local"),
            ("local", "off", "off"),
            ("on", "on", "on"),
            ("on", "local", "local"),
            ("on", "off", "off"),
        ):
            case = (name, says, setting)
            put(place(machine, name), mode(says))
            put(place(machine, "setting"), mode(setting))
            found = verdict(machine)
            assert found.telemetry == expected, case
            is_warned = f"{name}-cannot-enable" in codes(found)
            assert is_warned == (says == "on"), case
            is_setting = found.decided_by.source == "setting"
            assert is_setting == (says == "on" or setting == "off"), case
            loudest = verdict(machine, USAGECTL_TELEMETRY="on").telemetry
            assert RANK[loudest] <= RANK[says], case


def test_what_is_not_understood_is_off(tmp_path: Path) -> None:
    """A corrupt policy, project or settings file counts as off, and is named.

    So does a policy or project file with an unknown key: a slip of the pen in a restriction.
    A folder or a pipe in its place counts as off too, and does not hang.
    """
    corrupt = ("not toml", "[telemetry]\nmode = 1\n", mode("maybe"), "telemetry=1")
    slips = ('mode = "off"\n', '[telemtry]\nmode = "off"\n', '[telemetry]\nmodes = "off"\n')
    for name in ("policy", "project", "setting"):
        machine = Machine(tmp_path / name)
        file = place(machine, name)
        cases = dict.fromkeys(corrupt, f"{name}-unreadable")
        cases |= dict.fromkeys(slips if name != "setting" else (), f"{name}-unknown-key")
        for text, code in cases.items():
            put(file, text)
            found = verdict(machine, USAGECTL_TELEMETRY="on")
            assert found.telemetry == "off", (name, text)
            assert (found.decided_by.origin, codes(found)) == (str(file), [code]), text
        file.unlink()
        file.mkdir()
        assert verdict(machine).telemetry == "off", name
        file.rmdir()
        os.mkfifo(file)
        assert verdict(machine).telemetry == "off", name


def test_project_files_are_bounded_together(machine: Machine) -> None:
    """A file of a clone costs no more than a settings file, nor do many; unknown keys are cut."""
    put(place(machine, "parent"), "#" * 40_000)
    assert verdict(machine).telemetry == "local"
    put(place(machine, "project"), "#" * 40_000)
    assert codes(verdict(machine)) == ["project-unreadable"]
    put(place(machine, "project"), "\n".join(f"{'k' * 400}{number} = 1" for number in range(99)))
    (caution,) = verdict(machine).cautions
    assert caution.code == "project-unknown-key"
    assert "and 94 more" in caution.message
    assert len(caution.message) < 1000


def test_after_a_no_no_project_file_is_read(machine: Machine) -> None:
    """Anybody may have written it, and it could say no more than an earlier No."""
    put(place(machine, "project"), "[[[")
    for variables in ({"DO_NOT_TRACK": "1"}, {"USAGECTL_TELEMETRY": "off"}):
        assert codes(verdict(machine, **variables)) == []
    assert codes(verdict(machine)) == ["project-unreadable"]
    put(place(machine, "policy"), mode("off"))
    assert codes(verdict(machine)) == []


def test_a_project_file_of_another_in_a_folder_for_all_is_ignored(machine: Machine) -> None:
    """In /tmp anybody can leave one: only the user's own, or root's, is heeded there."""
    file = place(machine, "project")
    put(file, mode("off"))
    owner = os.geteuid() or 4711
    os.chown(file, owner, -1)  # Root's is heeded everywhere: as root give it away.
    wrong = []
    for folder_mode, uid, expected in (
        (0o1777, owner, "off"),
        (0o755, owner + 1, "off"),
        (0o1777, owner + 1, "local"),
        (0o777, owner + 1, "local"),
        (0o775, owner + 1, "local"),
    ):
        machine.cwd.chmod(folder_mode)
        environment = machine.environment(uid=uid, variables={})
        (found,) = consent.evaluate(environment, ["usagectl"])
        expected_codes = ["project-ignored"] if expected == "local" else []
        if (found.telemetry, codes(found)) != (expected, expected_codes):
            wrong.append((folder_mode, uid, found.telemetry, found.cautions))
    assert wrong == []


def test_without_a_home_it_is_off(machine: Machine) -> None:
    """An account without a home has no place for a setting, so nothing was ever agreed to."""
    (found,) = consent.evaluate(machine.environment(config_dir=None), ["usagectl"])
    assert (found.telemetry, codes(found)) == ("off", ["no-home"])
    assert (
        consent.describe(found.decided_by) == "a missing home"
    )  # No file is named: there is none.


def test_of_several_no_the_first_named_decides(machine: Machine) -> None:
    """Among equals the design's order of naming holds: variables, policy, project, setting.

    Every project file up to the root restricts, not the nearest alone.
    """
    put(place(machine, "project"), mode("local"))
    for name in ("setting", "parent", "project", "policy"):
        put(place(machine, name), mode("off"))
        found = verdict(machine, USAGECTL_TELEMETRY="on")
        assert (found.telemetry, found.decided_by.origin) == ("off", str(place(machine, name)))
    assert verdict(machine, USAGECTL_TELEMETRY="off").decided_by.name == "USAGECTL_TELEMETRY"
    found = verdict(machine, DISABLE_EVENTS="1", USAGECTL_TELEMETRY="off")
    assert found.decided_by.name == "DISABLE_EVENTS"


def test_consent_to_send_has_a_name(machine: Machine) -> None:
    """Off and local have none; a variable is one of its own; a setting is its stored instant."""
    for value, expected in (("off", ""), ("local", ""), ("on", "environment")):
        found = verdict(machine, USAGECTL_TELEMETRY=value)
        assert consent.sending_consent(machine.environment(), found) == expected
    put(place(machine, "setting"), mode("on") + "since = 2026-11-23T06:30:00Z\n")
    found = verdict(machine)
    instant = "2026-11-23T06:30:00+00:00"
    assert consent.sending_consent(machine.environment(), found) == instant


PLACES = ("policy", "project", "parent", "setting")
NO_VALUES = dict.fromkeys(NO_VARIABLES, "1") | {"USAGECTL_TELEMETRY": "off"}
choices = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from(["", "0", "no", "1", "x"]) for name in NO_VARIABLES},
        "USAGECTL_TELEMETRY": st.sampled_from(["", "off", "local", "on", "odd"]),
        **{name: st.sampled_from(["off", "local", "on", "odd"]) for name in PLACES},
    },
)


def decide(chosen: dict[str, str]) -> str:
    """Say what usagectl's telemetry is with the chosen switches; what decided must say so too."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        for name in PLACES:
            if name in chosen:
                put(place(machine, name), mode(chosen[name]))
        found = verdict(machine, **{name: chosen[name] for name in chosen if name not in PLACES})
    assert found.decided_by.says == found.telemetry
    assert all(switch.says != found.telemetry for switch in found.overridden)
    return found.telemetry


@settings(database=None)
@given(choices, st.sampled_from((*NO_VALUES, *PLACES)))
def test_adding_a_no_never_makes_it_louder(chosen: dict[str, str], where: str) -> None:
    """Whatever stands where: a No put anywhere makes the verdict off."""
    assert decide({**chosen, where: NO_VALUES.get(where, "off")}) == "off"


@settings(database=None)
@given(choices, st.sampled_from(PLACES[:3]), st.sampled_from(["on", "local"]))
def test_policy_and_project_never_make_it_louder(
    chosen: dict[str, str], where: str, says: str
) -> None:
    """Whatever stands elsewhere: a policy or project file that appears never raises the verdict."""
    without = {key: value for key, value in chosen.items() if key != where}
    assert RANK[decide({**without, where: says})] <= RANK[decide(without)]
