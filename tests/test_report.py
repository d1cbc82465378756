"""Tests of `usagectl report`: one truth, text that stays text, sums and signatures that hold."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import subprocess
from datetime import timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from tests.support.commands import furnish, run_inside
from tests.support.endpoint import Endpoint, always
from tests.support.machine import REPOSITORY
from usagectl.capture import records
from usagectl.capture.file import CaptureFile, note_run
from usagectl.capture.observations import Observation
from usagectl.capture.records import Privacy, Request
from usagectl.homes import mask_homes
from usagectl.machine import files
from usagectl.report import document, junit, markdown, page, posture, words
from usagectl.report.sums import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.machine import Machine, Outcome

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>' \" onload=x `|` [a](http://e.test) "
    "*b* _c_ {{ 7*7 }} {% x %} "
    "\u202eevil\u202c \x1b[31m \x00 \x7f \n# h\r\n| a | \ud800 & &amp; -->"
)
SHOWN = r"\u202eevil\u202c \x1b[31m \x00 \x7f \n# h\r\n| a | \ud800"
EVENT = b'{"name":"cli_cmd","metadata":{"client_time":"x"},"payload":{"cmd":"y","params":[]}}'
HOSTS = [
    {"host": "t.example", "port": 443, "tool": "next", "kind": "telemetry", "service": None}
    | dict.fromkeys(("look_ups", "connections", "tls_refused", "packets"), 1)
    | {"requests": 3, "bytes": 99},
]
RUN = {
    "time": "2026-11-23T06:30:00+00:00",
    "usagectl": "0.1.0",
    "command": "mytool build",
    "mode": "sealed",
    "status": 0,
    "requests": 3,
    "events": 3,
    "bytes": 99,
    "hosts": HOSTS,
    "not_seen": [{"code": "no-network", "sentence": "It had no network."}],
}


def lay_capture(machine: Machine, name: str = "out.jsonl", run: Any = RUN) -> Path:  # noqa: ANN401
    """Write a capture with a request to LocalStack's host, a look-up, and how it was made."""
    file = CaptureFile(machine.environment(), machine.cwd / name, privacy=Privacy())
    file.store(Request("POST", "/v1/events", "", {}, EVENT, host="analytics.localstack.cloud"))
    file.observe(Observation("look-up", "t.example", detail="A"))
    file.close()
    if run is not None:
        note_run(file.path, run)
    return file.path


def report(machine: Machine, *words_: str) -> Outcome:
    """Run the command."""
    return run_inside(machine.environment(), "report", *words_)


def hidden(value: Any, home: str) -> Any:  # noqa: ANN401
    """Hide homes in each text, also the one that pytest's folders are named after."""
    if isinstance(value, dict):
        return {name: hidden(each, home) for name, each in value.items()}
    if isinstance(value, list):
        return [hidden(each, home) for each in value]
    return mask_homes(value.replace(home, "~")) if isinstance(value, str) else value


def test_it_says_what_status_and_audit_say(machine: Machine) -> None:
    """One truth: the same data, with homes as `~`, and nothing that names machine or user."""
    furnish(machine)
    lay_capture(machine)
    data = report(machine, "--capture", "out.jsonl", "--json").data
    status = run_inside(machine.environment(), "status", "--json").data
    assert data["tools"] == hidden(status["tools"], str(machine.home))
    assert data["environment"] == status["environment"]
    assert [each["text"] for each in data["not_covered"]] == status["not_covered"]
    (capture,) = data["captures"]
    audit = run_inside(machine.environment(), "audit", "out.jsonl", "--fail-on", "never", "--json")
    assert capture["audit"] == {name: audit.data[name] for name in capture["audit"]}
    assert (capture["audit"]["events"], len(capture["audit"]["findings"])) == (1, 1)
    assert capture["hosts"] == HOSTS
    assert capture["by_tool"] == [{"tool": "next", "host": "t.example", "requests": 3}]
    assert (capture["command"], capture["mode"], capture["bytes"]) == ("mytool build", "sealed", 99)
    text = json.dumps(data)
    assert str(machine.home) not in text
    assert "testhost" not in text
    assert "dkr_0123456789ab" not in text
    assert data["sha256"] == digest_of(data)


def test_a_capture_that_does_not_say_how_it_was_made(machine: Machine) -> None:
    """Hosts are read from its requests and look-ups; what it does not say is said to be so."""
    lay_capture(machine, run=None)
    (capture,) = report(machine, "--capture", "out.jsonl", "--json").data["captures"]
    assert [capture[name] for name in ("is_noted", "mode", "command", "bytes")] == [
        *(False, None, None, None),
    ]
    assert [(row["host"], row["requests"], row["bytes"]) for row in capture["hosts"]] == [
        ("analytics.localstack.cloud", 1, None),
        ("t.example", 0, None),
    ]
    report(machine, "--capture", "out.jsonl", "-o", "report.html")
    assert "does not say which command" in (machine.cwd / "report.html").read_text()


def test_a_redirected_capture_says_what_it_does_not_catch(machine: Machine) -> None:
    """It knows tools and no hosts, and what came by another address may be another program's."""
    file = CaptureFile(machine.environment(), machine.cwd / "led.jsonl", privacy=Privacy())
    for is_foreign in (False, True):
        file.store(Request("POST", "/v1/events", "", {}, EVENT, is_foreign=is_foreign))
    file.close()
    note_run(file.path, {"mode": "redirect", "command": "localstack start", "hosts": []})
    shown = report(machine, "--capture", "led.jsonl", "-o", "report.html", "--markdown").stdout
    html = (machine.cwd / "report.html").read_text()
    for text in ("address of its own is not caught", "1 request came by another address"):
        assert text in shown
        assert text in html
    (capture,) = report(machine, "--capture", "led.jsonl", "--json").data["captures"]
    (row,) = capture["by_tool"]
    assert (row["host"], row["requests"], capture["foreign"]) == (None, 2, 1)
    assert "led to this machine" in html


def test_a_capture_is_not_believed_beyond_its_form(machine: Machine) -> None:
    """What was lost is said; the name of a host that tells on somebody here is not shown.

    A file may have been kept with --reveal, or written by anybody.
    """
    machine.variables["USER"] = "canaryuser"
    row = {"host": "canaryuser.example", "kind": "own-kind", "requests": "3", "port": True}
    lay_capture(machine, run={"hosts": [row], "unstored": 2, "refused": 1, "mode": "secret"})
    words_ = ("--capture", "out.jsonl", "-o", "report.html", "-o", "report.json")
    shown = report(machine, *words_, "--markdown").stdout
    told = "2 requests could not be written to the file; 1 request turned away, unread."
    html = (machine.cwd / "report.html").read_text()
    assert told in html
    assert told in shown
    data = json.loads((machine.cwd / "report.json").read_text())["data"]
    (found,) = data["captures"][0]["hosts"]
    assert (found["host"], found["kind"], found["requests"]) == ("*", "unknown", 0)
    assert (found["port"], data["captures"][0]["mode"]) == (None, None)
    assert "canaryuser" not in html + shown + json.dumps(data)


def test_a_tool_that_is_not_here_is_not_said_to_send(machine: Machine) -> None:
    """One that was asked for by name would; its version is none, and the answer says so first."""
    machine.install_localstack()
    shown = report(machine, "localstack", "next", "--markdown").stdout
    assert "**The one tool asked about sends data by itself: localstack. " in shown
    assert "Not found here, and would send: next.**" in shown
    assert "| next | not found here | Would send | no switch is set: its default holds |" in shown
    alone = report(machine, "next", "-o", "report.html")
    assert alone.stdout.startswith(
        "No tool that sends data by itself was found on this machine. Not"
    )
    assert "If it were here, it would send." in (machine.cwd / "report.html").read_text()
    data = report(machine, "next", "usagectl", "--json").data
    assert data["not_found"] == ["next"]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("other.json", '{"name": 1}', "file-corrupt"),
        ("gone.jsonl", None, "file-unreadable"),
        (".", None, "file-unreadable"),
    ],
)
def test_what_is_no_capture_is_refused(
    machine: Machine, name: str, text: str | None, code: str
) -> None:
    """Nothing is written for it."""
    if text is not None:
        (machine.cwd / name).write_text(text)
    found = report(machine, "--capture", name, "-o", "report.html", "--json")
    assert (found.status, [each["code"] for each in found.envelope["errors"]]) == (3, [code])
    assert not (machine.cwd / "report.html").exists()


def test_the_docs_name_every_member(machine: Machine) -> None:
    """Of the data, of a capture in it, and of an answer to --verify."""
    text = (REPOSITORY / "docs" / "report.md").read_text()
    lay_capture(machine)
    furnish(machine)
    data = report(machine, "--capture", "out.jsonl", "-o", "report.json", "--json").data
    checked = report(machine, "--verify", "report.json", "--json").data
    parts = (data, data["captures"][0], data["known"][0], checked, *checked["sums"])
    names = {name for part in (*parts, checked["signature"]) for name in part}
    assert {name for name in names if f"`{name}`" not in text} == set()


def hostile(value: Any, keep: tuple[str, ...] = ()) -> Any:  # noqa: ANN401
    """Put a hostile text into each text of a document, but for those that are ours."""
    if isinstance(value, dict):
        return {
            name: each
            if name in keep and not isinstance(each, list | dict)
            else hostile(each, keep)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [hostile(each, keep) for each in value]
    return HOSTILE if isinstance(value, str) or value is None else value


def hostile_document(machine: Machine) -> Any:  # noqa: ANN401
    """Build a document all of whose texts are hostile, those too that a capture file brings."""
    furnish(machine)
    machine.variables["DISABLE_EVENTS"] = "yes"
    lay_capture(machine, run=hostile(RUN, ("mode", "kind")))
    lay_capture(machine, "odd.jsonl", {"hosts": [7, {"host": []}], "not_seen": {}, "mode": []})
    given = [machine.cwd / name for name in ("out.jsonl", "odd.jsonl")]
    data = document.build(machine.environment(), files=given, expect="off")
    ours = ("telemetry", "source", "mode", "kind", "sha256", "time")
    return hostile(data, ours)


class Page(HTMLParser):
    """What a parser of HTML makes of the page: tags, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += data

    def all(self, *names: str) -> Iterator[tuple[str, dict[str, str | None]]]:
        """Yield the tags of some names."""
        return (pair for pair in self.tags if pair[0] in names)


ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "rel", "href", "class", "id", "tabindex"),
    *("aria-labelledby", "aria-label", "scope", "role", "style"),
}


def marks_of(text: str) -> set[str]:
    """Return what a reader of Markdown finds in a text: kinds of blocks and of marks."""
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    inner = [each for block in blocks for each in block.children or ()]
    opened = {each.type.removesuffix("_open") for each in (*blocks, *inner) if each.nesting >= 0}
    return (
        opened
        - {"inline", "text", "list_item", "thead", "tbody", "tr", "th", "td"}
        - {
            *("text_special", "softbreak"),
        }
    )


def test_hostile_values_stay_text(machine: Machine) -> None:
    """In HTML, Markdown and XML, whatever field they stand in."""
    data = hostile_document(machine)
    text = page.write(data)
    found = Page(text)
    assert {"script", "img", "iframe", "link"} & {tag for tag, _ in found.tags} == {"link"}
    assert {name for _, attrs in found.tags for name in attrs} <= ATTRIBUTES
    assert SHOWN in found.text
    assert "{{ 7*7 }}" in found.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b\x7f]", text)
    links = {attrs["href"] for _, attrs in found.all("a", "link")}
    assert [link for link in links if not (link or "").startswith(("#", "data:,"))] == []
    root = ET.fromstring(junit.write(data))  # noqa: S314  (our own)
    assert len(root.findall("./testsuite/testcase")) == len(data["tools"])
    told = markdown.write(data)
    assert marks_of(told) <= {
        "heading",
        "paragraph",
        "table",
        "strong",
        "bullet_list",
        "code_inline",
    }
    assert [line for line in told.splitlines() if re.match(r"\s*(# h|<|\| a )", line)] == []
    assert "<" not in told
    rows = [re.sub(r"\\.", "", line) for line in told.splitlines() if line.startswith("|")]
    widths = {width for width, _ in itertools.groupby(row.count("|") for row in rows)}
    assert widths == {5, 6}  # Tables of four columns and of five, each row whole.


def test_the_page_can_be_read_without_eyes(machine: Machine) -> None:
    """One h1, headings in order, tables with caption and scope, a language, a way past the top."""
    furnish(machine)
    lay_capture(machine)
    data = document.build(machine.environment(), files=[machine.cwd / "out.jsonl"])
    text = page.write(data)
    found = Page(text)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1 == levels[0]
    assert [pair for pair in itertools.pairwise(levels) if pair[1] > pair[0] + 1] == []
    assert [attrs.get("scope") for _, attrs in found.all("th") if not attrs.get("scope")] == []
    tables = text.split("<table")[1:]
    assert len(tables) >= 4
    assert [each for each in tables if "<caption>" not in each.partition("</table>")[0]] == []
    assert dict(found.all("html"))["html"]["lang"] == "en"
    first = next(found.all("a"))[1]
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert (first["class"], first["href"]) == ("skip", "#main")
    assert len(set(ids)) == len(ids)
    hrefs = {attrs["href"] for _, attrs in found.all("a")}
    assert {(each or "")[1:] for each in hrefs} <= set(ids)
    policy = dict(found.all("meta"))["meta"]["content"] or ""
    assert policy.startswith("default-src 'none'")


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_enough() -> None:
    """Each colour of a text is 4.5 to 1 on each ground, in both schemes and on paper."""
    blocks = re.findall(r":root \{([^}]*)\}", files.read_data("report.html"))
    schemes = [dict(re.findall(r"--(\w+): (#\w{6})", each)) for each in blocks]
    assert len(schemes) == 3
    wrong = []
    for scheme in schemes:
        texts = [name for name in scheme if name not in ("page", "panel", "line", "bar")]
        assert set(texts) == {"text", "quiet", "link", "loud", "warn", "good"}
        for name, ground in itertools.product(texts, ("page", "panel")):
            low, high = sorted((luminance(scheme[name]), luminance(scheme[ground])))
            ratio = (high + 0.05) / (low + 0.05)
            wrong += [(name, ground, ratio)] if ratio < 4.5 else []
    assert wrong == []


def test_nothing_is_overwritten(machine: Machine) -> None:
    """Not one of several files, unless --force says so; the hint is that command."""
    (machine.cwd / "report.json").write_text("mine")
    words_ = ("-o", "report.html", "-o", "report.json", "--expect", "off", "--junit", "j.xml")
    found = report(machine, *words_, "--json")
    (error,) = found.envelope["errors"]
    assert (found.status, error["code"]) == (3, "file-exists")
    assert (machine.cwd / "report.json").read_text() == "mine"
    assert [each.name for each in machine.cwd.iterdir()] == ["report.json"]
    hinted = report(machine, *shlex.split(error["hint"])[2:])
    assert (hinted.status, len(list(machine.cwd.iterdir()))) == (0, 3)
    elsewhere = report(machine, "-o", "no/report.json", "--json")
    assert elsewhere.envelope["errors"][0]["code"] == "file-unwritable"


def test_an_expectation_is_a_test_case_a_tool(machine: Machine) -> None:
    """It exits as status does, with the files written; each tool is a case that says why."""
    furnish(machine)
    (machine.home / ".localstack" / "default.env").write_text("DEBUG=1\n")
    found = report(machine, "--expect", "off", "--junit", "j.xml", "-o", "report.json")
    expected = run_inside(machine.environment(), "status", "--expect", "off")
    assert (found.status, found.stderr) == (1, expected.stderr)
    root = ET.parse(machine.cwd / "j.xml").getroot()  # noqa: S314  (our own)
    cases = {each.attrib["name"]: each.find("failure") for each in root.iter("testcase")}
    data = json.loads((machine.cwd / "report.json").read_text())["data"]
    assert list(cases) == [words.name_of(each, data["tools"]) for each in data["tools"]]
    failed = [name for name, failure in cases.items() if failure is not None]
    assert failed == [
        *("localstack cli", "localstack container", "lstk cli", "lstk container", "usagectl"),
    ]  # Its own as well: furnish has it record by a setting.
    assert root.attrib["failures"] == "5"
    assert data["expected"]["offending"][0] == {
        "name": "localstack",
        "part": "cli",
        "telemetry": "on",
    }


def test_one_changed_byte_is_found(machine: Machine) -> None:
    """Of an input, which may also be gone or lie elsewhere, and of the report's own data."""
    file = lay_capture(machine)
    report(machine, "-o", "report.json", "--capture", "out.jsonl")
    saved = machine.cwd / "report.json"

    def states(*more: str) -> tuple[int, list[str]]:
        found = report(machine, "--verify", "report.json", "--json", *more)
        codes = [each["code"] for each in found.envelope["errors"]]
        assert codes == (["report-mismatch"] if found.status else [])
        return found.status, [each["state"] for each in found.data["sums"]]

    assert states() == (0, ["match", "match"])
    before = file.read_bytes()
    file.write_bytes(before.replace(b"client_time", b"client_tine", 1))
    assert states() == (1, ["match", "changed"])
    (machine.folder / "kept").mkdir()
    kept = machine.folder / "kept" / "out.jsonl"
    kept.write_bytes(before)
    assert states("--capture", str(kept)) == (0, ["match", "match"])
    file.unlink()
    assert states() == (1, ["match", "gone"])
    file.write_bytes(before)
    saved.write_text(saved.read_text().replace('"is_ci": false', '"is_ci": true'))
    assert states() == (1, ["changed", "match"])
    shown = report(machine, "--verify", "report.json")
    assert "it does not stand" in shown.stdout
    hostile_data = {"sha256": "x", "inputs": [{"file": "/dev/zero"}, {"file": "\ud800\0"}, 7]}
    saved.write_text(json.dumps({"data": hostile_data}))
    assert states() == (1, ["changed", "gone", "gone"])
    saved.write_text("{}")
    assert report(machine, "--verify", "report.json", "--json").envelope["errors"][0]["code"] == (
        "file-corrupt"
    )


def new_key(machine: Machine, name: str) -> str:
    """Make an SSH key with ssh-keygen on PATH; return its line for a file of allowed signers."""
    file, program = machine.folder / name, machine.bin / "ssh-keygen"
    if not program.exists():
        program.symlink_to(shutil.which("ssh-keygen") or pytest.skip("there is no ssh-keygen"))
    words_ = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file))
    subprocess.run(words_, check=True)
    return f'{name}@example.com namespaces="usagectl" {file.with_suffix(".pub").read_text()}'


def test_a_signature_is_made_and_checked(machine: Machine) -> None:
    """By the user's own ssh-keygen: it fits or not, and whose it is where that was asked."""
    ann, bob = new_key(machine, "ann"), new_key(machine, "bob")
    for name, line in (("ann.signers", ann), ("bob.signers", bob)):
        (machine.cwd / name).write_text(line)
    words_ = ("-o", "report.json", "--sign", str(machine.folder / "ann"))
    assert report(machine, *words_).status == 0

    def checked(*more: str) -> tuple[int, str, str]:
        found = report(machine, "--verify", "report.json", "--json", *more)
        return found.status, found.data["signature"]["state"], found.data["signature"]["signer"]

    assert checked("--allowed-signers", "ann.signers") == (0, "trusted", "ann@example.com")
    assert checked("--allowed-signers", "bob.signers")[:2] == (1, "unknown-signer")
    stranger = report(machine, "--verify", "report.json", "--allowed-signers", "bob.signers")
    pasted = "usagectl report --verify report.json --allowed-signers bob.signers --json"
    assert stranger.stderr.endswith(f"  try: {pasted}\n")
    gone = report(machine, "--verify", "report.json", "--allowed-signers", "gone", "--json")
    assert gone.envelope["errors"][0]["code"] == "file-unreadable"
    assert checked()[:2] == (0, "unknown-signer")
    assert checked()[2].startswith("ED25519 key SHA256:")
    told = report(machine, "--verify", "report.json").stdout
    assert "who made it is not known" in told
    saved = machine.cwd / "report.json"
    saved.write_text(saved.read_text().replace("\n", " \n", 1))  # No sum sees that.
    assert checked()[:2] == (1, "bad")
    again = report(machine, "-o", "new.json", "--sign", "no-key", "--json")
    error = again.envelope["errors"][0]
    assert (error["code"], error["hint"].split()[:3]) == (
        "signing-failed",
        ["ssh-keygen", "-t", "ed25519"],
    )
    (machine.cwd / "new.json.sig").touch()  # It is refused before a key is asked for.
    again = report(machine, "-o", "new.json", "--sign", "no-key", "--json")
    assert again.envelope["errors"][0]["code"] == "file-exists"
    replaced = report(machine, "-o", "report.json", "--force")
    assert f"  try: rm {machine.cwd / 'report.json.sig'}\n" in replaced.stderr
    (machine.cwd / "report.json.sig").unlink()
    assert checked()[:2] == (0, "none")
    assert checked("--allowed-signers", "ann.signers")[:2] == (1, "none")


def test_what_cannot_be_signed_is_not_written(machine: Machine) -> None:
    """Neither where the key is none, nor where there is no ssh-keygen."""
    new_key(machine, "ann")
    (machine.cwd / "key").write_text("no key")
    (machine.cwd / "key").chmod(0o600)
    found = report(machine, "-o", "report.json", "--sign", "key", "--json")
    assert (found.status, found.envelope["errors"][0]["code"]) == (3, "signing-failed")
    (machine.bin / "ssh-keygen").unlink()
    without = report(machine, "-o", "report.json", "--sign", "key", "--json")
    assert without.envelope["errors"][0]["code"] == "signer-missing"
    assert not (machine.cwd / "report.json").exists()


def test_the_documented_sum_is_the_sum(machine: Machine) -> None:
    """What docs/report.md says of it can be computed by anybody."""
    found = report(machine, "-o", "report.json")
    assert found.status == 0
    data = json.loads((machine.cwd / "report.json").read_text())["data"]
    assert data["sha256"] == digest_of({**data, "sha256": "x"})
    assert digest_of({"b": 1, "a": "é\x7f"}) == (  # As jq has it.
        "2dbd7a68c057166f78a186f85e3449631c09e8227336bff6f4b6dc387430a827"
    )


def test_records_and_report_agree_on_what_a_run_is(machine: Machine) -> None:
    """The last line wins, and a file that is only that line is a capture."""
    file = machine.cwd / "only.jsonl"
    file.write_bytes(records.build_run({"mode": "proxy"}) + records.build_run({"mode": "redirect"}))
    (capture,) = report(machine, "--capture", "only.jsonl", "--json").data["captures"]
    assert (capture["mode"], capture["requests"], capture["is_noted"]) == ("redirect", 0, True)


def test_the_verdicts_go_to_a_collector(machine: Machine) -> None:
    """A record a tool, to the address that was typed; a dry run sends nothing."""
    with Endpoint() as collector:
        address = f"http://127.0.0.1:{collector.port}"
        dry = machine.run("report", "usagectl", "--otlp", address, "--dry-run")
        assert (dry.status, collector.bodies) == (0, [])
        assert f"1 verdict would be sent to {address}/v1/logs: {{" in dry.stderr
        assert '"stringValue":"usagectl"' in dry.stderr.replace(" ", "").replace("\n", "")
        done = machine.run("report", "usagectl", "localstack", "--otlp", address)
        assert (done.status, "2 verdicts sent to" in done.stderr) == (0, True), done.stderr
        ((path, body),) = ((each.path, each.body) for each in collector.received)
    assert path == "/v1/logs"
    assert body.count(b"usagectl.status") == 2
    assert str(machine.root).encode() not in body


@pytest.mark.parametrize(
    ("address", "code", "status"),
    [
        ("http://collector.example:4318", "invalid-value", 2),
        ("collector.example", "invalid-value", 2),
        ("http://127.0.0.1:9", "endpoint-unreachable", 5),
    ],
)
def test_verdicts_that_do_not_arrive_are_an_error(
    machine: Machine, address: str, code: str, status: int
) -> None:
    """An address that would be read on the way is refused; a dead one is said to be dead."""
    done = machine.run("report", "usagectl", "--otlp", address, "--json")
    assert (done.status, done.envelope["errors"][0]["code"]) == (status, code)


def test_a_collector_that_is_busy_leads_to_no_other_command(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says is passed on; `replay` would send events instead of verdicts."""
    monkeypatch.setattr(posture, "_PATIENCE", timedelta(seconds=0.5))
    with Endpoint(always(503, b"later, please")) as collector:
        address = f"http://127.0.0.1:{collector.port}"
        done = run_inside(machine.environment(), "report", "usagectl", "--otlp", address)
    assert (done.status, "status 503: later, please. [endpoint-busy]" in done.stderr) == (5, True)
    assert done.stderr.endswith(f"  try: usagectl report --otlp {address} --dry-run\n")


def test_a_collector_that_refuses_is_named(machine: Machine) -> None:
    """Exit status 5; what it says is passed on, and the next line can be typed."""
    with Endpoint(always(400, b'{"message": "no logs here"}')) as collector:
        address = f"http://127.0.0.1:{collector.port}"
        json_alone = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
        done = machine.run("report", "usagectl", "--otlp", address, variables=json_alone)
    assert done.status == 5
    assert "(status 400): no logs here. [verdicts-refused]" in " ".join(done.stderr.split())
    assert f"usagectl report --otlp {address}/v1/logs --dry-run" in done.stderr
