"""Tests of `usagectl verify`: what it refuses, its page, its JSON, its exit statuses."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from tests.support import sample_tool, sealing
from tests.support.commands import run_inside
from usagectl import verify
from usagectl.cli import verify as page
from usagectl.machine import environment
from usagectl.verify import Trials, evidence

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.verify import Report

ROW = "kind switch value expected came requests verdict why evidence"


def report_of(folder: Path, defects: str = "") -> Report:
    """Verify the sample tool by a few rows."""
    sealing.require()
    given = environment.from_process()
    subject = verify.find(str(sample_tool.make(folder, defects)), given)
    rows = [row for row in verify.plan(subject, given, quick=True) if row.value != "off"]
    return Trials(subject, given).run(rows)


def test_what_cannot_be_verified_is_refused(machine: Machine) -> None:
    """Each refusal has its status, its code, and what helps."""
    (machine.cwd / "bad.toml").write_text('name = "x"\n')
    for word, status, code, hint in (
        ("nope", 2, "unknown-tool", "usagectl status --all"),
        ("go", 2, "nothing-to-run", "usagectl verify ./mytool.toml"),
        ("./bad.toml", 2, "verify-file", "usagectl verify --help"),
        ("./none.toml", 3, "file-unreadable", "ls -ld"),
        ("turbo", 127, "tool-not-here", "npm install"),
    ):
        outcome = run_inside(machine.environment(), "verify", word, "--json")
        (error,) = outcome.envelope["errors"]
        assert (outcome.status, error["code"]) == (status, code), outcome
        assert error["hint"].startswith(hint)


def test_the_answer_comes_first_then_a_table(tmp_path: Path) -> None:
    """A sentence, a row for each switch, and for what is bad what it rests on."""
    report = report_of(tmp_path, "ignores value")
    with redirect_stdout(io.StringIO()) as out:
        page.draw(report, page.summary(report))
    first, _, head, *rows = out.getvalue().splitlines()
    assert first == "My Tool sends 1 request with telemetry on; 2 rows of 5 broke the word."
    assert head.split() == ["switch", "value", "expected", "came", "verdict"]
    assert " ".join(rows[1].split()) == "DO_NOT_TRACK '1' off 1 request breaks its word"
    lines = [" ".join(row.split()) for row in rows]
    assert "- what was typed for {value}, in base64, in the body of POST /x" in lines


def test_the_exit_status_is_that_of_the_worst_row(tmp_path: Path) -> None:
    """What breaks its word and what is not proved are errors; a tool in good order has none."""
    for number, (defects, codes) in enumerate(
        (("", []), ("ignores", ["word-broken"]), ("mute", ["not-proved"]))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = report_of(folder, defects)
        found = page.failures_of(report, "./my tool.toml")
        assert [each.code for each in found] == codes
        assert {each.exit_status for each in found} <= {1}
        if defects == "ignores":
            wanted = "usagectl verify './my tool.toml' --switch DO_NOT_TRACK"
            assert found[0].hint == wanted
            assert "DO_NOT_TRACK '1'. Mend the tool, or what ./my tool.toml says" in str(found[0])
            (known,) = page.failures_of(report, "mytool")  # As one of the catalogue.
            assert known.hint == "usagectl verify mytool --switch DO_NOT_TRACK --evidence"
            assert "Tell its author" in str(known)
        if defects == "mute":
            assert found[0].hint.startswith("usagectl capture --sealed -- ")
            assert "{" not in found[0].hint, "a placeholder that no shell knows"


def test_a_version_is_what_the_tool_says_itself(tmp_path: Path) -> None:
    """Of a tool that no package brings; where it was not asked, none stands in the evidence."""
    sealing.require()
    file = sample_tool.make(tmp_path)
    words = ("verify", str(file), "--evidence", "--quick")
    given = environment.from_process()
    only = run_inside(given, *words, "--switch", "DO_NOT_TRACK")
    assert only.status == 0, only.stderr
    assert [line for line in only.stdout.splitlines() if line.startswith("version")] == []
    assert "Its version is not known: add it to the block." in only.stderr
    file.write_text(file.read_text().replace("mytool --help", "mytool --version"))
    subject = verify.find(str(file), given)
    rows = [row for row in verify.plan(subject, given) if row.kind in ("on", "silent")]
    report = Trials(subject, given).run(rows)
    assert page.version_of(report) == "1.4.0-rc.2"
    assert page.summary(report).startswith("My Tool 1.4.0-rc.2 sends 1 request")


def test_the_json_has_its_keys(tmp_path: Path) -> None:
    """A script finds each row with what was expected, what came and the verdict."""
    report = report_of(tmp_path)
    block = evidence.block_of(report, environment.from_process().now())
    data = page.data_of(report, block)
    assert set(data) == {"tool", "version", "rows", "other_hosts", "needs", "evidence"}
    rows = data["rows"]
    assert isinstance(rows, list)
    assert all(set(row) == set(ROW.split()) for row in rows)
    assert rows[1] == {
        "kind": "switch",
        "switch": "DO_NOT_TRACK",
        "value": "1",
        "expected": "off",
        "came": "nothing",
        "requests": 0,
        "verdict": "keeps",
        "why": "",
        "evidence": [],
    }
