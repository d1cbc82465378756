"""Tests of what an answer keeps to itself, and of what a dry run leaves alone."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING

import pytest
from typer.core import TyperGroup

from tests.support.commands import (
    ANSWERING,
    EXAMPLES,
    WRITING,
    example,
    furnish,
    run_inside,
    snapshot,
    tree,
)

if TYPE_CHECKING:
    from tests.support.machine import Machine, Machines

TOKEN = "ls-canary-5c2e9a71"  # noqa: S105  (no secret: the text that must not appear)
ID = "gen_c0ffee01-abc"
LSTK_ID = "c0ffee02-abc"


def telling(machine: Machine) -> Machine:
    """Furnish a machine, with a telling token and telling IDs."""
    furnish(machine)
    machine.machine_json.write_text(json.dumps({"machine_id": ID}))
    (machine.home / ".config" / "lstk" / "machine_id").write_text(LSTK_ID)
    machine.default_profile.write_text(f"LOCALSTACK_AUTH_TOKEN={TOKEN}\n")
    return machine


@pytest.fixture
def furnished(machine: Machine) -> Machine:
    """Make a machine whose tools, IDs and events are all there."""
    return telling(machine)


def test_no_command_shows_the_token(machines: Machines, subtests: pytest.Subtests) -> None:
    """Whatever is asked, a token stays masked unless --reveal is typed; also in an error."""
    names = ("LOCALSTACK_AUTH_TOKEN", "LOCALSTACK_API_KEY", "AWS_SECRET_ACCESS_KEY")
    for path, variables in product(EXAMPLES, ({}, dict.fromkeys(names, TOKEN))):
        machine = telling(machines())
        machine.variables |= variables
        for more in ((), ("--json",), ("--dry-run",), ("--no-such-option",)):
            outcome = run_inside(machine.environment(), *example(path, *more))
            with subtests.test(f"{path} {more}, {'variables' if variables else 'profile'}"):
                assert TOKEN not in outcome.stdout + outcome.stderr


def test_the_token_is_there_to_be_revealed(furnished: Machine) -> None:
    """The search above looks for what can be found: with --reveal the preview shows it."""
    hidden = run_inside(furnished.environment(), "preview", "--json").data["requests"][0]
    shown = run_inside(furnished.environment(), "preview", "--reveal", "--json").data["requests"][0]
    assert TOKEN in shown["body"]
    assert (hidden["masked"], shown["masked"]) == (["/payload/api_key"], [])
    assert shown["headers"]["Content-Length"] == hidden["headers"]["Content-Length"]
    assert len(shown["body"]) == int(shown["headers"]["Content-Length"])
    raw = run_inside(furnished.environment(), "preview", "localstack", "--raw")
    assert TOKEN not in raw.stdout


def test_machine_ids_are_masked(machines: Machines, subtests: pytest.Subtests) -> None:
    """People paste these answers into bug reports: an ID shows its kind and no more."""
    paths = ("status", "machine-id", "disable", "enable", "reset-machine-id")
    for path, more in product(paths, ((), ("--json",))):
        outcome = run_inside(telling(machines()).environment(), *example(path, *more))
        with subtests.test(f"{path} {more}"):
            assert outcome.stdout
            assert ID.removeprefix("gen_") not in outcome.stdout + outcome.stderr
            assert LSTK_ID not in outcome.stdout + outcome.stderr


def test_machine_ids_can_be_revealed(furnished: Machine) -> None:
    """--reveal shows the whole ID, so that it can be looked for elsewhere."""
    for path, more in product(("status", "machine-id"), ((), ("--json",))):
        outcome = run_inside(furnished.environment(), path, "--reveal", *more)
        assert ID in outcome.stdout
        masked = run_inside(furnished.environment(), path, *more)
        assert "gen_********" in masked.stdout


def test_reset_masks_the_new_id_too(furnished: Machine) -> None:
    """The new ID is as telling as the old one; only --reveal shows it."""
    outcome = run_inside(furnished.environment(), "reset-machine-id", "--json")
    written = json.loads(furnished.machine_json.read_text())["machine_id"]
    assert written not in outcome.stdout
    outcome = run_inside(furnished.environment(), "reset-machine-id", "--json", "--reveal")
    assert json.loads(furnished.machine_json.read_text())["machine_id"] in outcome.stdout


def test_every_command_that_writes_has_a_dry_run() -> None:
    """Those with --dry-run are those that write, and each answer has its machine form."""
    commands = tree()
    options = {
        path: {option for parameter in command.params for option in parameter.opts}
        for path, command in commands.items()
    }
    assert {path for path, found in options.items() if "--dry-run" in found} == set(WRITING)
    assert {path for path, found in options.items() if "--json" in found} == {
        *ANSWERING,
        "capture",  # without a command
        "verify",
    }
    assert all(
        command.invoke_without_command
        for command in commands.values()
        if isinstance(command, TyperGroup)
    )


NOT_INTO_CORRUPT = ("cache-dir set", "cache-dir unset")
"""These write another setting than the mode, and leave corrupt settings alone: they may say off."""


def test_a_dry_run_changes_no_byte(machines: Machines, subtests: pytest.Subtests) -> None:
    """With --dry-run no file, mode or time changes; without it the same command does write.

    What `emit` writes is kept out of the comparison by DO_NOT_TRACK, so test_emit has its
    dry run.
    """
    paths = [path for path in WRITING if not path.startswith("emit ")]
    for path, is_corrupt in product(paths, (False, True)):
        with subtests.test(f"{path} over {'corrupt' if is_corrupt else 'sound'} files"):
            check_dry_run(telling(machines()), path, is_corrupt=is_corrupt)


def check_dry_run(machine: Machine, path: str, *, is_corrupt: bool) -> None:
    """Assert that a command's dry run changes nothing, and that the command does."""
    machine.variables["DO_NOT_TRACK"] = "1"  # No event of the command itself.
    if path == "enable":
        run_inside(machine.environment(), "disable")
    if path == "cache-dir unset":
        run_inside(machine.environment(), "cache-dir", "set", "volume/cache")
    if is_corrupt:
        machine.machine_json.write_text("{")
        (machine.config_dir / "settings.toml").write_text("[[[")
    before = snapshot(machine.folder)
    words = example(path, *WRITING[path])
    dry = run_inside(machine.environment(), *words, "--dry-run", "--json")
    human = run_inside(machine.environment(), *words, "--dry-run")
    assert snapshot(machine.folder) == before
    if is_corrupt and path in NOT_INTO_CORRUPT:
        assert (dry.status, human.status) == (3, 3)
        return
    assert (dry.status, human.status) == (0, 0)
    assert dry.data["dry_run"] is True
    assert "would" in human.stdout
    run_inside(machine.environment(), *words)
    assert snapshot(machine.folder) != before


def test_a_reading_command_writes_nothing(machines: Machines, subtests: pytest.Subtests) -> None:
    """A command without --dry-run has no need of one."""
    for path in sorted(set(EXAMPLES) - set(WRITING) - {"verify"}):  # That runs a tool.
        machine = telling(machines())
        machine.variables["DO_NOT_TRACK"] = "1"
        before = snapshot(machine.folder)
        with subtests.test(path):
            assert run_inside(machine.environment(), *example(path)).status == 0
            assert snapshot(machine.folder) == before


def test_a_dry_run_says_what_the_run_does(furnished: Machine) -> None:
    """The plan and the deed name the same files and values."""
    for path in ("disable", "machine-id set", "settings set", "cache-dir set"):
        plan = run_inside(furnished.environment(), *example(path, "--dry-run", "--json")).data
        deed = run_inside(furnished.environment(), *example(path, "--json")).data
        plan["dry_run"] = deed["dry_run"]
        for each in (plan, deed):
            each.pop("tools", None)
            each.pop("purged", None)
        assert plan == deed
