"""Tests of the reading of tools' files: every format as written by hand, broken and hostile."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from usagectl.catalogue.entry import File, Format
from usagectl.tools.file_values import MAX_BYTES, UNKNOWN, Content, load, parse, value_at
from usagectl.tools.forms import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATS: tuple[Format, ...] = get_args(Format)

INPUTS = int(os.environ.get("USAGECTL_FUZZ_EXAMPLES", "2000"))

GOOD: list[tuple[Format, str, str, object]] = [
    ("json", '{"a": {"b": false}}', "a.b", False),
    ("json", '{"a": "x//y,}", /* c */ "b": [1, 2,], // d\n}', "a", "x//y,}"),
    ("json", '{"a": 1, "a": 2}', "a", 2),
    ("json", '\ufeff{"a": null}', "a", None),
    ("json", '{"x.y": 1}', "x.y", MISSING),
    ("json", '{"a": [1]}', "a.0", MISSING),
    ("toml", "\ufeff[a]\r\nb = false\r\n", "a.b", False),
    ("toml", 'a.b = "false"', "a.b", "false"),
    ("yaml", "# c\na:\n  b: no\n", "a.b", False),
    ("yaml", 'a: "no"\n', "a", "no"),
    ("yaml", "a: Off\non: 1\n", "on", 1),
    ("yaml", "x: &x {b: off, c: 1}\na:\n  <<: *x\n  c: 2\n", "a.b", False),
    ("yaml", "x: &x {b: off, c: 1}\na:\n  <<: *x\n  c: 2\n", "a.c", 2),
    ("yaml", "x: &x {b: off}\ny: &y {c: 1}\na: {<<: [*x, *y], d: 1}\n", "a.c", 1),
    ("yaml", "a: 0.5\n---\na: 2\n", "a", 0.5),
    ("yaml", "a: ~\n", "a", None),
    ("yaml", "a: !!python/object/apply:os.system [x]\n", "b", MISSING),
    ("ini", "; c\n[core]\n\tAnalytics = False ; x\n", "core.Analytics", "False ; x"),
    ("ini", "[core]\nAnalytics: no\n", "core.analytics", "no"),
    ("ini", "['remote \"x\"']\r\nb = 1\r\n", 'remote "x".b', "1"),
    ("ini", "b = 1\n", "b", "1"),
    ("dotenv", "export A='1'\n# c\nB = 2 # d\n", "A", "1"),
    ("dotenv", "export A='1'\n# c\nB = 2 # d\n", "B", "2"),
    ("json", '{"x.y": false}', "x.y", MISSING),
    ("key-value", "a.b=false", "a.b", "false"),
    ("key-value", "a=1=2\nb\n", "a", "1=2"),
    ("key-value", "a=1=2\nb\n", "b", ""),
    ("xml", '<?xml version="1.0"?><!-- c --><a x="1"><b> y </b></a>', "a.b", "y"),
    ("xml", '<a xmlns="u" x="1"><b/></a>', "a.@x", "1"),
    ("text", "off 2024-01-01\n", "", "off 2024-01-01\n"),
    ("marker", "anything", "", ""),
    ("code", "export default { telemetry: false }", "telemetry", False),
    ("code", "rx.Config(\n    telemetry = True,\n)", "telemetry", True),
    ("code", "a: 1, // telemetry: false", "telemetry", UNKNOWN),
    ("code", "# telemetry = False", "telemetry", UNKNOWN),
    ("code", "telemetry: false, x: config.telemetry", "telemetry", UNKNOWN),
    ("code", "telemetry: !isOff, off: true", "telemetry", UNKNOWN),
    ("code", "telemetry: true && isOn", "telemetry", UNKNOWN),
    ("code", "export default {}", "telemetry", MISSING),
]
"""Format, text, key and value."""

HOSTILE: list[tuple[Format, bytes]] = [
    ("json", b"[" * 400_000),
    ("json", b'{"a":' * 100_000),
    ("json", b"/*" * 500_000),
    ("json", b'"\\"' * 300_000),
    ("json", b'"' * 1_000_000),
    ("json", b'{"a": NaN}'),
    ("json", b'{"a": ' + b"9" * 5000 + b"}"),
    ("json", b"{'a': 1}"),
    ("json", b'{"a": "\xe9"}'),
    ("toml", b"a = " + b"[" * 2000),
    ("toml", b"a" + b".a" * 1000 + b" = 1"),
    ("toml", b"a = 1\na = 2\n"),
    ("yaml", b"[" * 100_000),
    ("yaml", b"- " * 60_000),
    ("yaml", b"a: b" * 300_000),
    ("yaml", b"a: [unclosed\n"),
    ("yaml", b"a: \x00\n"),
    (
        "yaml",
        b"a0: &a0 {k: 1, l: 2}\n"
        + b"".join(b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (n, n, n - 1, n - 1) for n in range(1, 900))
        + b"b: {"
        + b"<<: *a899, " * 9000
        + b"}\n",
    ),
    ("xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    ("xml", b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x"><a/>'),
    ("xml", b"<a>" * 100_000),
    ("xml", b"<a>" * 5000 + b"</a>" * 5000),
    ("xml", "<!DOCTYPE a><a/>".encode("utf-16")),
    *((form, b"x" * (MAX_BYTES + 1)) for form in FORMATS),
]
"""What must be refused, and without delay."""

PIECES = (
    *(b"{", b"}", b"[", b"]", b'"', b"'", b":", b"=", b",", b"\n", b"\r\n", b"\t", b" ", b"#"),
    *(
        b"//",
        b"/*",
        b"*/",
        b"<",
        b"</",
        b"/>",
        b"<!",
        b"&a",
        b"*a",
        b"<<: *a",
        b"---",
        b"...",
        b"!",
    ),
    *(
        b"!!bool",
        b"|",
        b">",
        b"?",
        b"- ",
        b"%YAML 9.9",
        b"\\",
        b"\\u",
        b"\\ud800",
        b"\x00",
        b"\xff",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\x85",
        b"1e999",
        b"-",
        b"0x",
        b"1979-05-27",
        b"NaN",
        b"=",
    ),
    *(b"true", b"no", b"[a]", b"[[a]]", b"a.b.c", b'"""', b"@", b"`", b"export ", b"~", b";"),
)


def mutants(form: Format) -> Iterator[bytes]:
    """Yield good files of a format with pieces put in, taken out, cut and doubled."""
    seeds = [text.encode() for name, text, *_ in GOOD if name == form]
    draw = random.Random(form)  # noqa: S311  (the same on every run)
    for _ in range(INPUTS):
        text = draw.choice(seeds)
        for _ in range(draw.randint(1, 3)):
            start, end = sorted(draw.randrange(len(text) + 1) for _ in "ab")
            piece = draw.choice(PIECES) if draw.random() < 0.7 else text[start:end]
            text = text[:start] + piece + text[draw.choice((start, end)) :]
        yield text


def test_each_format_gives_its_values(tmp_path: Path) -> None:
    """A key path leads to the value that a person would say stands there, with its type."""
    wrong = []
    for form, text, key, expected in GOOD:
        file = tmp_path / "file"
        file.write_bytes(text.encode())
        content = load(file, form)
        path = [key] if key.startswith("a.b") and '"a.b"' in text else key.rsplit(".", 1)
        found = value_at(content, path if key else [])
        if (type(found), found) != (type(expected), expected) or content.problem:
            wrong.append((form, text, key, found, content.problem))
    assert wrong == []


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    """What is too large, too deep, or grows is said to be no such file; nothing hangs."""
    file = tmp_path / "file"
    wrong = []
    for form, data in HOSTILE:
        file.write_bytes(data)
        if not load(file, form).problem:
            wrong.append((form, data[:40]))
    assert wrong == []


@pytest.mark.parametrize("form", FORMATS)
def test_generated_files_are_read_or_refused(form: Format) -> None:
    """Whatever a file holds, it is read or refused with a sentence; its values are JSON's kind."""
    refused = 0
    for data in mutants(form):
        content = parse(Path("file"), data, form)
        refused += bool(content.problem)
        found = value_at(content, ["a", "b"])
        assert content.problem == "" or found is MISSING
        json.dumps(found, default=str)
    assert refused < INPUTS, "no file was read, so nothing was tested"


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """Where there is none there is no value; a folder or a pipe is a problem, and nothing waits."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for form in FORMATS:
        assert load(tmp_path / "none", form) == Content()
        assert load(tmp_path / "none" / "deeper", form) == Content()
        assert "a folder" in load(tmp_path, form).problem
        assert "a pipe" in load(pipe, form).problem


def test_dialects() -> None:
    """Strict JSON knows no comment; YAML 1.2 knows no words for true but `true`."""
    file = Path("file")
    for text in (b'{"a": 1} // c', b'{"a": 1,}'):
        assert parse(file, text, "json").values == {"a": 1}
        assert parse(file, text, "json", "strict").problem
    assert parse(file, b"a: [off, yes, true]", "yaml").values == {"a": [False, True, True]}
    assert parse(file, b"a: [off, yes, true]", "yaml", "1.2").values == {"a": ["off", "yes", True]}


def test_the_section_of_keys_without_one() -> None:
    """A key that is named alone stands in the section that the file's entry gives."""
    file = File("git", "ini", (), section="core")
    content = parse(Path("file"), b"[core]\na = 1\n", "ini")
    assert value_at(content, file.path_to(("a",))) == "1"
    assert value_at(content, file.path_to(("core", "a"))) == "1"
    assert value_at(content, ("a",)) is MISSING
