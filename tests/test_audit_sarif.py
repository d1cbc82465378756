"""Tests of an audit as SARIF: against its schema, and what code scanning documents to refuse."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.support.commands import run_inside
from tests.support.machine import REPOSITORY
from usagectl import spool
from usagectl.audit import sarif

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

EVENTS = (
    {"name": "run_init", "metadata": {}, "payload": {}},
    {"name": "cli_cmd", "metadata": {"session_id": "x"}, "payload": {"cmd": "x", "params": []}},
    {"name": "brand_new", "payload": {"a/b": "mail jo@corp.io"}},
    {"name": "see [this](1) and {0}", "payload": {}},
)
LINES = "\n".join(map(json.dumps, EVENTS)) + "\n"
SCHEMA = json.loads((REPOSITORY / "tests" / "data" / "sarif-2.1.0-rtm.5.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)
SEMANTIC = r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"


def audit(machine: Machine, *words: str, folder: Path | None = None) -> dict[str, Any]:
    """Audit into a log, in the working folder or in another one."""
    environment = machine.environment()
    if folder is not None:
        environment = environment._replace(cwd=folder)
    log = json.loads(run_inside(environment, "audit", *words, "--format", "sarif").stdout)
    assert isinstance(log, dict)
    return log


def refused(log: dict[str, Any]) -> list[str]:
    """List what code scanning documents as required and is not there, or not in its form."""
    (run,) = log["runs"]
    driver, faults = run["tool"]["driver"], []
    texts = [log["$schema"], driver["name"]]
    for rule in driver["rules"]:
        descriptions = [rule[each]["text"] for each in ("shortDescription", "fullDescription")]
        texts += [rule["id"], rule["help"]["text"], *descriptions]
        if max(map(len, descriptions)) > 1024 or len(rule["name"]) > 255:
            faults.append(f"{rule['id']} is described at too great a length")
        if len(rule["properties"]["tags"]) > 10 or rule["defaultConfiguration"]["level"] == "none":
            faults.append(f"{rule['id']} has tags or a level that are not taken")
    for result in run["results"]:
        faults += [f"{result['ruleId']}: {each}" for each in faults_of(result, run)]
        texts += [
            result["message"]["text"],
            result["partialFingerprints"]["primaryLocationLineHash"],
        ]
    if log["version"] != "2.1.0" or not re.fullmatch(SEMANTIC, driver["semanticVersion"]):
        faults.append("a version is of another form")
    if len(run["results"]) > 25_000 or len(json.dumps(log)) > 10_000_000:
        faults.append("there is too much")
    return faults if all(texts) else [*faults, "a required text is empty"]


def faults_of(result: dict[str, Any], run: dict[str, Any]) -> list[str]:
    """List what is wrong with the place of a result, and with its message."""
    faults = []
    place = result["locations"][0]["physicalLocation"]
    reference, region = place["artifactLocation"], place["region"]
    base = run["originalUriBaseIds"][reference["uriBaseId"]]["uri"]
    parts = urlsplit(reference["uri"])
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith(("/", "..", "./")):
        faults.append("its path is not relative")
    if (
        parts.query
        or parts.fragment
        or not re.fullmatch(r"[\w.~!$&'()*+,;=@%/-]+", reference["uri"])
    ):
        faults.append("its path is no URI")
    if not (base.startswith("file:///") and base.endswith("/")):
        faults.append("its base is no folder")
    if run["artifacts"][reference["index"]]["location"]["uri"] != reference["uri"]:
        faults.append("its artifact is another one")
    if not (1 <= region["startLine"] == region["endLine"]):
        faults.append("its lines are wrong")
    if not (1 <= region["startColumn"] < region["endColumn"]):
        faults.append("its columns are wrong")
    rules = run["tool"]["driver"]["rules"]
    if rules[result["ruleIndex"]]["id"] != result["ruleId"]:
        faults.append("its rule is another one")
    if re.search(r"(?<!\{)\{[0-9]+\}|(?<!\\)\]\(", result["message"]["text"]):
        faults.append("its message has an argument or a link")
    return faults


def file_of(log: dict[str, Any]) -> bytes:
    """Follow the reference of the log's results to the one file that they are in."""
    (run,) = log["runs"]
    found = set()
    for result in run["results"]:
        reference = result["locations"][0]["physicalLocation"]["artifactLocation"]
        base = run["originalUriBaseIds"][reference["uriBaseId"]]["uri"]
        found.add(unquote_to_bytes(urlsplit(urljoin(base, reference["uri"])).path))
    (path,) = found
    return path


def uri_of(log: dict[str, Any]) -> str:
    """Return the path of the log's first result."""
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    return str(place["artifactLocation"]["uri"])


@pytest.fixture
def repository(machine: Machine) -> Path:
    """Make the working folder a repository, with a capture in a folder of it."""
    root = machine.cwd.resolve()
    (root / ".git").mkdir()
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "sub" / "events.jsonl").write_text(LINES)
    return root


def test_the_log_keeps_the_schema_and_what_code_scanning_asks(
    machine: Machine, repository: Path
) -> None:
    """From every source, suppressed or not, with unread lines and without any event."""
    outside = machine.folder / "outside"
    outside.mkdir()
    (outside / "events.jsonl").write_text(LINES)
    (repository / "torn.jsonl").write_text(f"junk\n{LINES}")
    (repository / "empty.jsonl").write_text("")
    for event in EVENTS:
        spool.append(machine.environment(), json.dumps(event).encode(), tool="x", kind="x")
    logs = {
        words: audit(machine, *words)
        for words in (
            ("sub/events.jsonl",),
            ("sub/events.jsonl", "--ignore", "UC201:known"),
            ("sub/events.jsonl", "--reveal"),
            (str(outside / "events.jsonl"),),
            ("torn.jsonl",),
            ("empty.jsonl",),
            (),
        )
    }
    piped = machine.run("audit", "-", "--format", "sarif", stdin=LINES.encode()).stdout
    logs["-",] = json.loads(piped)
    assert [(words, refused(log)) for words, log in logs.items() if refused(log)] == []
    for words, log in logs.items():
        VALIDATOR.validate(log)
        results = log["runs"][0]["results"]
        assert bool(results) is ("empty.jsonl" not in words)
        assert sum("suppressions" in each for each in results) == ("--ignore" in words)
        notes = log["runs"][0]["invocations"][0].get("toolExecutionNotifications", [])
        assert bool(notes) is (words[:1] in (("torn.jsonl",), ("empty.jsonl",)))
    logs["torn.jsonl",]["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(logs["torn.jsonl",])


def test_a_path_counts_from_the_root_of_the_repository(machine: Machine, repository: Path) -> None:
    """Wherever one works, however the file is typed, and where a link leads to it."""
    file = repository / "sub" / "events.jsonl"
    (repository / "link.jsonl").symlink_to(file)
    (repository / "sub" / "module" / ".git").mkdir(parents=True)
    (repository / "sub" / "module" / "events.jsonl").write_text(LINES)
    deep, outside = repository / "sub" / "deep", machine.folder
    expected = {
        (repository, "sub/events.jsonl"): "sub/events.jsonl",
        (repository, "./sub/../sub/events.jsonl"): "sub/events.jsonl",
        (repository, str(file)): "sub/events.jsonl",
        (repository, "link.jsonl"): "sub/events.jsonl",
        (deep, "../events.jsonl"): "sub/events.jsonl",
        (deep, "../../link.jsonl"): "sub/events.jsonl",
        (outside, str(file)): "sub/events.jsonl",
        (repository, "sub/module/events.jsonl"): "sub/module/events.jsonl",
        (repository / "sub" / "module", "events.jsonl"): "events.jsonl",
    }
    logs = {key: audit(machine, key[1], folder=key[0]) for key in expected}
    assert {key: uri_of(log) for key, log in logs.items()} == expected
    files = {file_of(log) for log in logs.values()}
    assert files == {os.fsencode(file), os.fsencode(file.with_name("module") / "events.jsonl")}


def test_any_name_of_a_file_becomes_a_reference(machine: Machine, repository: Path) -> None:
    """Blanks, marks of a URI, a colon, other letters, and bytes that are not UTF-8."""
    names = (b"a b.jsonl", b"50%.jsonl", b"a?b#c.jsonl", b"c:d.jsonl", "\u00fc.jsonl".encode())
    for name in (*names, b"\xff.jsonl", b"a\\b.jsonl"):
        file = repository / os.fsdecode(name)
        file.write_text(LINES)
        log = audit(machine, os.fsdecode(name))
        assert (refused(log), file_of(log)) == ([], os.fsencode(file))


def test_a_pipe_is_standard_input(repository: Path) -> None:
    """Of `usagectl audit <(CMD)` there is no file that a reader could open."""
    os.mkfifo(repository / "pipe")
    found, wanted = (sarif.find_artifact(source, cwd=repository) for source in ("pipe", "-"))
    assert found == wanted


@pytest.mark.usefixtures("repository")
def test_each_result_has_its_line(machine: Machine) -> None:
    """A result stands in the line of its event."""
    results = audit(machine, "sub/events.jsonl")["runs"][0]["results"]
    lines = {
        each["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].partition("/")[0]: each[
            "locations"
        ][0]["physicalLocation"]["region"]["startLine"]
        for each in results
    }
    assert lines == {event["name"]: line for line, event in enumerate(EVENTS, start=1)}


def test_fingerprints_are_stable(machine: Machine, repository: Path) -> None:
    """The same departure has the same fingerprint in another run, line and file."""
    file = repository / "sub" / "events.jsonl"
    before = audit(machine, "sub/events.jsonl")["runs"][0]["results"]
    moved = repository / "moved.jsonl"
    moved.write_text("\n" * 5 + file.read_text())
    after = audit(machine, "moved.jsonl")["runs"][0]["results"]
    prints = [[each["partialFingerprints"] for each in results] for results in (before, after)]
    assert prints[0] == prints[1]
    assert len({str(each) for each in prints[0]}) == len(before)
