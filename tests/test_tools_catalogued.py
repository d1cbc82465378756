"""Tests of the verdict on a tool of the catalogue: order, parts, releases, files, warnings."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl import consent
from usagectl.catalogue.entry import Entry
from usagectl.tools import places
from usagectl.tools.base import Installation
from usagectl.tools.catalogued import Catalogued, representatives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.machine import Machine, Machines
    from usagectl.consent import Consent

HEAD = """
name = "tool"
title = "Tool"
summary = "each run"
how = "source"
version = "3.0"
date = "2026-11-28"
source = "tool.py"
"""


def entry_of(text: str, default: str = "on") -> Entry:
    """Make an entry of its switches."""
    return Entry({"detect": {}, "default": default, **tomllib.loads(HEAD + text)})


def verdict(
    entry: Entry,
    machine: Machine,
    variables: Mapping[str, str],
    *,
    version: str | None = "3.0",
    installed: bool = True,
) -> Consent:
    """Give the verdict on a machine with these variables, where the release is there."""
    machine.variables = dict(variables)
    tool = Catalogued(entry, Installation(installed, None, version))
    return consent.evaluate_tool(machine.environment(uid=1000), tool, is_named=True)[0]


ORDER = """
[[switch]]
variables = ["A", "B"]
off = { form = "equals", values = ["no"] }
on = { form = "equals", values = ["yes"] }
local = { form = "equals", values = ["here"] }
write = "no"

[[switch]]
variables = ["C"]
off = { form = "non-empty" }
on = { form = "missing" }

[[switch]]
variables = ["D"]
off = { form = "set" }
other = "breaks"

[[switch]]
variables = ["E"]
on = { form = "equals", values = ["1"] }
other = "breaks"
"""


def test_which_switch_decides(machine: Machine) -> None:
    """The first that is heeded, or any No; a value that breaks the tool comes before all."""
    first, any_off = entry_of(ORDER), entry_of('combine = "any-off"\n' + ORDER)
    rows: list[tuple[dict[str, str], str, str]] = [
        ({}, "on no C", "on no C"),
        ({"C": ""}, "on no switch", "on no switch"),
        ({"A": "no"}, "off A", "off A"),
        ({"A": "odd", "B": "no"}, "off B", "off B"),
        ({"A": "yes", "B": "no"}, "on A", "on A"),
        ({"A": "here"}, "local A", "local A"),
        ({"A": "yes", "C": "x"}, "on A", "off C"),
        ({"A": "yes", "C": "", "D": ""}, "on A", "off D"),
        ({"A": "yes", "C": "x", "E": "2"}, "off E", "off E"),
        ({"C": "x", "E": "1"}, "off C", "off C"),
    ]
    wrong = []
    for variables, *expected in rows:
        found = [verdict(each, machine, variables) for each in (first, any_off)]
        said = [f"{each.telemetry} {each.decided_by.name}" for each in found]
        if said != expected:
            wrong.append((variables, said, expected))
    assert wrong == []


def test_what_was_beaten_is_told(machine: Machine) -> None:
    """Every variable that is set is considered, in the tool's order, and the beaten are named."""
    found = verdict(entry_of(ORDER), machine, {"A": "yes", "B": "no", "C": "x"})
    assert [each.name for each in found.considered] == ["A", "B", "C", "no switch"]
    assert [each.name for each in found.overridden] == ["B", "C"]


def test_defaults(machine: Machine) -> None:
    """A tool that asks is off until it is answered; one that cannot be told stays unknown."""
    said = {
        default: (found.telemetry, found.state, found.asks)
        for default in ("on", "off", "local", "asks", "unknown")
        for found in [verdict(entry_of("", default), machine, {})]
    }
    assert said == {
        "on": ("on", "on", False),
        "off": ("off", "off", False),
        "local": ("local", "local", False),
        "asks": ("off", "asks", True),
        "unknown": ("unknown", "unknown", False),
    }
    answered = verdict(entry_of(ORDER, "asks"), machine, {"A": "no"})
    assert (answered.state, answered.asks) == ("off", False)
    assert (answered.summary, answered.evidence) == ("each run", "source 3.0")


PARTS = """
[parts]
report = "the report"
ping = "the ping"

[[switch]]
variables = ["ALL"]
off = { form = "set" }
write = "1"

[[switch]]
variables = ["PING"]
off = { form = "set" }
covers = ["ping"]
"""


def test_the_loudest_part_is_the_verdict(machine: Machine) -> None:
    """A switch of one part leaves the others; what goes on is said."""
    entry = entry_of(PARTS)
    found = verdict(entry, machine, {"PING": "1"})
    assert (found.telemetry, dict(found.senders)) == ("on", {"report": "on", "ping": "off"})
    assert [(each.code, each.hint) for each in found.cautions] == [("covers-part", "export ALL=1")]
    found = verdict(entry, machine, {"PING": "1", "ALL": "1"})
    assert (found.telemetry, dict(found.senders)) == ("off", {"report": "off", "ping": "off"})
    assert found.cautions == ()


RELEASES = """
[[switch]]
variables = ["OLD"]
off = { form = "set" }
versions = "<2"
write = "1"

[[switch]]
variables = ["NEW"]
off = { form = "set" }
versions = ">=2"
write = "1"

[[silent]]
versions = ">=4,<5"
text = "It sends nothing."
"""


def test_releases(machine: Machine) -> None:
    """The rules are those of the release; of the newest where none is here, else the loudest."""
    entry = entry_of(RELEASES)
    rows: list[tuple[str | None, bool, dict[str, str], str]] = [
        ("1.9", True, {"OLD": "1"}, "off"),
        ("1.9", True, {"NEW": "1"}, "on"),
        ("2.0", True, {"NEW": "1"}, "off"),
        ("4.1", True, {}, "off"),
        ("5.0", True, {}, "on"),
        (None, False, {"NEW": "1"}, "off"),
        (None, False, {"OLD": "1"}, "on"),
        (None, True, {"NEW": "1"}, "on"),
        ("nightly", True, {"NEW": "1"}, "on"),
        (None, True, {"NEW": "1", "OLD": "1"}, "off"),
    ]
    wrong = []
    for version, installed, variables, expected in rows:
        found = verdict(entry, machine, variables, version=version, installed=installed)
        is_doubtful = any(each.code == "version-unknown" for each in found.cautions)
        unknown = installed and version in (None, "nightly") and len(variables) == 1
        if (found.telemetry, is_doubtful) != (expected, unknown):
            wrong.append((version, installed, variables, found.telemetry, is_doubtful))
    assert wrong == []
    assert representatives(entry_of("")) == ["3.0"]


MACHINES = """
[[file]]
name = "conf"
format = "json"
places = [{ path = "/etc/tool.json", when = ["not-container"] }]

[[switch]]
variables = ["ROOTS"]
when = ["root"]
off = { form = "set" }

[[switch]]
variables = ["NEW"]
versions = ">=2"
off = { form = "set" }
"""


def test_machines(machine: Machine) -> None:
    """A switch of another machine or release is not asked; what tells machines apart is named."""
    entry = entry_of(MACHINES)
    found = {}
    for uid in (0, 1000):
        given = machine.environment(uid=uid)
        asked = [
            [rule.variables[0] for rule in places.heeded(entry, given, version)]
            for version in ("1.0", "2.0")
        ]
        found[uid] = (*asked, places.conditions_of(entry, given))
    assert found == {0: (["ROOTS"], ["ROOTS", "NEW"], ("root",)), 1000: ([], ["NEW"], ())}
    (machine.root / ".dockerenv").touch()
    in_container = machine.environment(uid=0)._replace(variables={"CI": "true"})
    assert places.conditions_of(entry, in_container) == ("root", "container", "ci")
    assert places.conditions_of(entry_of(""), in_container) == ("ci",)


def test_a_path_is_written_as_an_entry_does(machine: Machine) -> None:
    """What is written leads back to the path; nothing is written of one of the whole machine."""
    given = machine.environment()
    for text in ("~/.tool.json", ".tool/settings", "tool.json"):
        path = places.expand(text, given)
        assert path is not None
        assert places.written(path, given) == text
    file = given.at_root("/etc/tool.json")
    assert places.written(file, given) == "/etc/tool.json"
    assert places.written(file, given._replace(root=Path("/"))) == ""


FILES = """
[[file]]
name = "user"
format = "json"
places = [{ path = "~/.tool.json" }]

[[file]]
name = "code"
format = "code"
scope = "project"
places = [{ path = "tool.config.js" }]

[[switch]]
file = "user"
key = ["telemetry"]
off = { form = "equals", values = [false] }
on = { form = "equals", values = [true] }
needs = [{ key = ["version"], match = { form = "equals", values = [2] } }]
broken = "off"
write = false

[[switch]]
file = "code"
key = ["telemetry"]
off = { form = "falsy" }
"""


def test_files(machines: Machines) -> None:
    """A key counts with its type, and with what else has to stand there; code is not known."""
    rows: list[tuple[str | None, str | None, str, str]] = [
        (None, None, "on", "default"),
        ('{"telemetry": false, "version": 2}', None, "off", "file"),
        ('{"telemetry": "false", "version": 2}', None, "on", "default"),
        ('{"telemetry": false, "version": 1}', None, "on", "default"),
        ('{"telemetry": true, "version": 2}', "telemetry: false", "on", "file"),
        ('{"telemetry": ', None, "off", "file"),
        (None, "telemetry: isOff", "unknown", "project"),
        (None, "telemetry: false", "off", "project"),
        (None, "other: false", "on", "default"),
    ]
    wrong = []
    for user, code, telemetry, source in rows:
        machine = machines()
        for file, text in (
            (machine.home / ".tool.json", user),
            (machine.cwd / "tool.config.js", code),
        ):
            if text is not None:
                file.write_text(text)
        found = verdict(entry_of(FILES), machine, {})
        if (found.telemetry, found.decided_by.source) != (telemetry, source):
            wrong.append((user, code, found.telemetry, found.decided_by))
    assert wrong == []


def test_a_value_that_is_not_asked_for_breaks_nothing(machine: Machine) -> None:
    """A variable beats the odd value in a file; alone, or in a file without form, it breaks."""
    switch = ('off = { form = "equals", values = [false] }\n', 'other = "breaks"\n')
    text = 'variables = ["V"]\noff = { form = "set" }\n\n[[switch]]\nfile = "f"\nkey = ["k"]\n'
    text = f'[[switch]]\n{text}{"".join(switch)}broken = "breaks"\n'
    text += '[[file]]\nname = "f"\nformat = "json"\nplaces = [{ path = "~/f" }]\n'
    rows = [
        ("first", '{"k": 1}', {"V": "x"}, ("V", 0)),
        ("first", '{"k": 1}', {}, ("k", 1)),
        ("first", '{"k": ', {"V": "x"}, ("k", 1)),
        ("any-off", '{"k": 1}', {"V": "x"}, ("k", 1)),
    ]
    wrong = []
    for combine, data, variables, expected in rows:
        (machine.home / "f").write_text(data)
        found = verdict(entry_of(f'combine = "{combine}"\n{text}'), machine, variables)
        broken = sum(each.code == "value-breaks-tool" for each in found.cautions)
        if (found.decided_by.name, broken) != expected:
            wrong.append((combine, data, variables, found.decided_by, broken))
    assert wrong == []


ALTERNATIVES = """
[[file]]
name = "project"
format = "toml"
scope = "project"
search = "up"
places = [
    { path = "tool.json", exists = "tool.json", format = "json" },
    { path = "tool.toml" },
]

[[switch]]
file = "project"
key = ["send"]
off = { form = "equals", values = [false] }
"""


def test_one_file_in_several_formats(machine: Machine) -> None:
    """The first that is there hides the others, even from the folder above."""
    entry, above = entry_of(ALTERNATIVES), machine.cwd.parent / "tool.json"
    (machine.cwd / "tool.toml").write_text("send = false")
    assert verdict(entry, machine, {}).telemetry == "off"
    above.write_text("{}")
    assert verdict(entry, machine, {}).telemetry == "on"
    above.write_text('{"send": false}')
    assert verdict(entry, machine, {}).decided_by.origin == str(above)


def test_a_file_that_cannot_be_read_is_said(machine: Machine) -> None:
    """What is wrong with a file is said with its name."""
    (machine.home / ".tool.json").write_text("{")
    (caution,) = verdict(entry_of(FILES), machine, {}).cautions
    assert caution.code == "file-unreadable"
    assert str(machine.home / ".tool.json") in caution.message
    assert caution.hint.startswith("ls -l ")


VALUES = """
[[switch]]
variables = ["NO_TELEMETRY"]
off = { form = "one-of", values = ["1", "0"] }
write = "1"

[[switch]]
variables = ["TELEMETRY"]
off = { form = "one-of", values = ["off", "true"] }
on = { form = "equals", values = ["on"] }
other = "breaks"
write = "off"

[[switch]]
variables = ["CI"]
off = { form = "equals", values = ["false"] }
reach = "ci"

[[switch]]
variables = ["TOKEN", "SEND_TELEMETRY", "DISABLE_IT"]
off = { form = "anything-but", values = ["", "x", "2"] }
"""


def test_values_that_are_not_what_they_look_like(machine: Machine) -> None:
    """A No that is not taken, a Yes that is a No, and a value that breaks the tool are said."""
    ignored, accident = "value-ignored", "works-by-accident"
    rows: list[tuple[dict[str, str], list[str]]] = [
        ({}, []),
        ({"NO_TELEMETRY": "1"}, []),
        ({"NO_TELEMETRY": "yes"}, [f"warning {ignored} export NO_TELEMETRY=1"]),
        ({"NO_TELEMETRY": "false"}, []),
        ({"NO_TELEMETRY": "0"}, [f"warning {accident} export NO_TELEMETRY=1"]),
        ({"TELEMETRY": "off"}, []),
        ({"TELEMETRY": "true"}, [f"warning {accident} export TELEMETRY=off"]),
        ({"TELEMETRY": "no"}, ["error value-breaks-tool export TELEMETRY=off"]),
        (
            {"TELEMETRY": "on", "NO_TELEMETRY": "disabled"},
            [f"warning {ignored} export NO_TELEMETRY=1"],
        ),
        ({"CI": "false"}, []),
        ({"TOKEN": "0"}, []),
        ({"SEND_TELEMETRY": "0"}, []),
        ({"SEND_TELEMETRY": "1"}, [f"warning {accident} export NO_TELEMETRY=1"]),
        ({"DISABLE_IT": "1"}, []),
        ({"DISABLE_IT": "off"}, [f"warning {accident} export NO_TELEMETRY=1"]),
        ({"DO_NOT_TRACK": "1"}, ["warning do-not-track-ignored export NO_TELEMETRY=1"]),
        ({"DO_NOT_TRACK": "0"}, []),
        ({"DO_NOT_TRACK": "1", "NO_TELEMETRY": "1"}, []),
    ]
    wrong = []
    for variables, expected in rows:
        found = verdict(entry_of(VALUES), machine, variables)
        said = [f"{each.level} {each.code} {each.hint}" for each in found.cautions]
        if said != expected:
            wrong.append((variables, said))
    assert wrong == []


def test_what_repairs_a_file_that_breaks_its_tool(machine: Machine) -> None:
    """A key that usagectl writes is written; of any other the tool's page tells the values."""
    (machine.cwd / ".yarnrc.yml").write_text("enableTelemetry: odd\n")
    profiles = 'active = "local"\n[profiles.local]\nPREFECT_SERVER_ANALYTICS_ENABLED = "odd"\n'
    (machine.home / ".prefect").mkdir()
    (machine.home / ".prefect" / "profiles.toml").write_text(profiles)
    (machine.home / ".streamlit").mkdir()
    (machine.home / ".streamlit" / "config.toml").write_text('[browser]\ngatherUsageStats = "x"\n')
    hints = {
        each.tool: caution.hint
        for each in consent.evaluate(machine.environment(), ["yarn", "prefect", "streamlit"])
        for caution in each.cautions
        if caution.code == "value-breaks-tool"
    }
    assert hints == {
        "yarn": "usagectl disable --project yarn",
        "prefect": "usagectl explain prefect",
        "streamlit": "usagectl disable streamlit",
    }


def test_a_hint_names_what_this_release_reads(machine: Machine) -> None:
    """A variable that came later helps nobody who has an older release."""
    entry = entry_of(RELEASES)
    for version, hint in (("1.9", "export OLD=1"), ("3.0", "export NEW=1")):
        (caution,) = verdict(entry, machine, {"DO_NOT_TRACK": "1"}, version=version).cautions
        assert (caution.code, caution.hint) == ("do-not-track-ignored", hint)


def test_values_are_shown_short_and_without_credentials(machine: Machine) -> None:
    """A variable may hold anything: a long text is cut, and a URL loses its password."""
    entry = entry_of('[[switch]]\nvariables = ["A"]\noff = { form = "set" }\n')
    shown = [
        verdict(entry, machine, {"A": value}).decided_by.value or ""
        for value in ("x" * 500, "http://user:secret@host/?token=secret")
    ]
    assert len(shown[0]) < 100
    assert "secret" not in shown[1]


def test_tokens_and_ids_are_masked(machine: Machine) -> None:
    """A token can be a switch, and so can an ID; what a switch knows by name is shown."""
    token, own_id = "hubtoken_0123456789abcdef", "6d1bd3c5-2b4c-4bb1-a6a2-3f1cbb3ab2f0"
    (machine.home / ".angular-config.json").write_text(f'{{"cli": {{"analytics": "{own_id}"}}}}')
    (machine.cwd / "redocly.yaml").write_text(f"telemetry: {{token: {token}}}\n")
    machine.variables = {
        "GH_ENTERPRISE_TOKEN": token,
        "LANGFLOW_SEGMENT_WRITE_KEY": token,
        "MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS": f'["http://a:{token}@h", "http://b:{token}@h"]',
    }
    names = ("gh", "langflow", "meltano", "angular", "redocly")
    found = consent.evaluate(machine.environment(uid=1000), names)
    assert {
        each.tool: each.decided_by.name for each in found if each.tool in ("gh", "angular")
    } == {
        "gh": "GH_ENTERPRISE_TOKEN",
        "angular": "cli.analytics",
    }
    shown = machine.run("status", *names, "--json").stdout + machine.run("status", *names).stdout
    shown += machine.run("enable", "angular", "--json").stdout
    assert not [secret for secret in (token, own_id) if secret in shown]
    (machine.home / ".angular-config.json").write_text('{"cli": {"analytics": false}}')
    (angular,) = consent.evaluate(machine.environment(uid=1000), ["angular"])
    assert angular.decided_by.value == "false"


def test_the_command_line_knows_them(machine: Machine) -> None:
    """A tool of the catalogue is judged by its name, and without one where its command is here."""
    by_name = json.loads(machine.run("status", "next", "--json").stdout)["data"]["tools"]
    assert [(each["name"], each["telemetry"], each["installed"]) for each in by_name] == [
        ("next", "on", False)
    ]
    assert "next" not in [each.tool for each in consent.evaluate(machine.environment())]
    machine.install_program("next")
    assert "next" in [each.tool for each in consent.evaluate(machine.environment())]
    everything = consent.evaluate(machine.environment(), everything=True)
    assert {"next", "dlt", "semgrep"} <= {each.tool for each in everything}
    assert "dlt" not in [each.tool for each in everything if each.counts]


def test_a_preview_says_in_words_what_is_sent(machine: Machine) -> None:
    """The bytes are shown by running the tool alone; a capture would let them out, unseen."""
    done = machine.run("preview", "next")
    assert done.stdout.startswith("next would send events if it were on this machine.")
    assert "How to see that: NEXT_TELEMETRY_DEBUG=1 prints the events" in done.stdout
    assert "try: usagectl explain next\n" in done.stdout
    assert "capture" not in done.stdout
    quiet = machine.run("preview", "next", variables={"NEXT_TELEMETRY_DISABLED": "1"})
    assert quiet.stdout.startswith("next: off; nothing would be sent.")
