"""Tests of the machine IDs of the catalogue's tools: read, masked, replaced in their files."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from tests.support.commands import run_inside
from usagectl import catalogued_identity

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine, Outcome

WAYS_OFF = {
    "skypilot": "export SKYPILOT_DISABLE_USAGE_COLLECTION=1",
    "shopify": "export SHOPIFY_CLI_NO_ANALYTICS=1",
    "nx": "usagectl explain nx",  # Its file is the project's, and there is no project.
}
FORMS = {
    "9f1c2d3e-4b5a-4c6d-8e7f-001122334455": r"[0-9a-f]{8}-\w{4}-4\w{3}-8\w{3}-\w{12}",
    "9F1C2D3E4B5A": r"[0-9A-F]{12}",
    "1234567890": r"[1-9]\d{9}",
    "0a1b2c3d4e\n": r"[0-9a-f]{10}\n",
}
"""An old ID, and what a new one looks like."""

ID = "c2b1d2cde9f0a1b2c3d4e5f60718293a"


def run(machine: Machine, *words: str) -> Outcome:
    """Run the command line on a machine that is no container."""
    return run_inside(machine.environment(uid=1000), *words)


def next_file(machine: Machine) -> Path:
    """Write Next.js's file, with an opt-out and two IDs in it."""
    file = machine.home / ".config" / "nextjs-nodejs" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text(
        f'{{\n\t"telemetry": {{\n\t\t"enabled": false,\n\t\t"anonymousId": "{ID}",\n'
        f'\t\t"salt": "{ID}"\n\t}}\n}}'
    )
    return file


def test_an_id_is_shown_masked_and_replaced(machine: Machine) -> None:
    """The opt-out beside it stays, a dry run changes nothing, and no two IDs become the same."""
    file = next_file(machine)
    before = file.read_bytes()
    shown = run(machine, "machine-id", "next", "--json").data["places"]
    assert [(each["kind"], each["path"]) for each in shown] == [("random", str(file))] * 2
    assert ID not in json.dumps(shown)
    planned = run(machine, "reset-machine-id", "next", "--dry-run", "--json").data["replaced"]
    assert ([each["changed"] for each in planned], file.read_bytes()) == ([True, True], before)
    done = run(machine, "reset-machine-id", "next", "--yes", "--json")
    new = json.loads(file.read_text())["telemetry"]
    assert (done.status, new.pop("enabled"), sorted(new)) == (0, False, ["anonymousId", "salt"])
    assert len({ID, *new.values()}) == 3
    assert not [value for value in new.values() if value in done.stdout]
    assert file.read_bytes() == before.replace(ID.encode(), new["anonymousId"].encode(), 1).replace(
        ID.encode(), new["salt"].encode(), 1
    )


def test_a_new_id_has_the_form_of_the_old() -> None:
    """A UUID keeps version and variant, a number its first digit above 0; texts have no form."""
    for old, pattern in FORMS.items():
        new = catalogued_identity.fresh(old, os.urandom)
        assert new is not None
        assert new != old
        assert re.fullmatch(pattern, new), (old, new)
    for other in ("", "ann_01HX", "a-0123456789abcdef", 1764000000, None, "0123", True):
        assert catalogued_identity.fresh(other, os.urandom) is None


def test_a_file_that_holds_an_id_alone_goes(machine: Machine) -> None:
    """What stands beside it in the folder stays; a file that cannot be removed is an error."""
    folder = machine.home / ".gemini"
    folder.mkdir()
    (folder / "installation_id").write_text("ann_01HX")
    (folder / "settings.json").write_text("{}")
    assert run(machine, "reset-machine-id", "gemini", "--yes").status == 0
    assert [file.name for file in folder.iterdir()] == ["settings.json"]
    (folder / "installation_id").mkdir()
    assert run(machine, "reset-machine-id", "gemini", "--yes").status == 3
    assert (folder / "installation_id").is_dir()


def test_a_derived_id_is_said_to_come_back(machine: Machine) -> None:
    """Nothing is removed, and switching off is named as what helps, also where no file is."""
    file = machine.home / ".sky" / "user_hash"
    file.parent.mkdir()
    file.write_text("0123abcd")
    for name, way_off in WAYS_OFF.items():
        outcome = run(machine, "reset-machine-id", name, "--yes", "--json")
        warned = {(each["code"], each["hint"]) for each in outcome.data["warnings"]}
        assert ("derived-anyway", way_off) in warned
        assert not any(each["changed"] for each in outcome.data["replaced"])
    assert file.read_text() == "0123abcd"


def test_a_file_that_cannot_be_understood_stays(machine: Machine) -> None:
    """Another tool's file is never set aside: its ID is reported as unreadable."""
    file = next_file(machine)
    file.write_bytes(b'{"telemetry": ')
    found = run(machine, "machine-id", "next", "--json").data["places"]
    assert {each["kind"] for each in found} == {"unreadable"}
    for how in ("--yes", "--dry-run"):
        outcome = run(machine, "reset-machine-id", "next", how, "--json")
        assert outcome.status == 3
        assert not any(each["changed"] for each in outcome.data["replaced"])
        assert file.read_bytes() == b'{"telemetry": '


def test_a_no_in_the_place_of_an_id_stays(machine: Machine) -> None:
    """Angular's ID is its switch: whoever asks for a new one has not said yes."""
    file = machine.home / ".angular-config.json"
    file.write_text(no := '{"cli": {"analytics": false}}')
    done = run(machine, "reset-machine-id", "angular", "--yes", "--json")
    assert (done.status, [each["changed"] for each in done.data["replaced"]]) == (0, [False])
    assert file.read_text() == no


def test_what_is_not_there_is_said_once(machine: Machine) -> None:
    """A file that would hold two IDs is one row; none is removed, and no next step would help."""
    page = run(machine, "machine-id", "next").stdout
    assert page.startswith("No file holds a machine ID of next yet.\n")
    assert (page.count("config.json"), "Next:" in page) == (1, False)
    done = run(machine, "reset-machine-id", "next", "--yes").stdout
    assert done.endswith("config.json: holds no ID\n")
    assert done.count("\n") == 1
    next_file(machine)
    assert "reset-machine-id next replaces it" in run(machine, "machine-id", "next").stdout


def test_a_derived_id_is_explained_once(machine: Machine) -> None:
    """That it comes back is said in one place, and how it is made in another."""
    (told,) = run(machine, "machine-id", "dotnet", "--json").data["warnings"]
    assert told["message"].startswith(".NET SDK derives an ID from this machine, which comes back")
    assert told["message"].count("derive") == 1
