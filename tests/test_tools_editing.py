"""Tests of edits in the files of tools: one key changes, every other byte stays."""

from __future__ import annotations

import configparser
import json
import os
import random
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from usagectl.errors import FileCorruptError, FileUneditableError
from usagectl.tools import editing
from usagectl.tools.editing import Syntax
from usagectl.tools.forms import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from usagectl.catalogue.entry import Format

FILE = Path("/home/somebody/file")
EXAMPLES = int(os.environ.get("USAGECTL_FUZZ_EXAMPLES", "150"))

Case = tuple["Format", bytes | None, tuple[str, ...], object, bytes]

KEY = ("t", "u")
EDITS: tuple[Case, ...] = (
    # A new member stands where its object ends, in the lines and marks that the file has.
    ("json", None, KEY, False, b'{\n  "t": {\n    "u": false\n  }\n}\n'),
    ("json", b"", ("t",), False, b'{\n  "t": false\n}\n'),
    ("json", b"\xef\xbb\xbf\r\n", ("t",), 0, b'\xef\xbb\xbf\r\n{\n  "t": 0\n}\n'),
    ("json", b"{}", KEY, False, b'{"t": {"u": false}}'),
    ("json", b'{"a":1}', KEY, False, b'{"a":1,"t":{"u":false}}'),
    ("json", b'{"a": [1, {"t": 2}]}', ("t",), "no", b'{"a": [1, {"t": 2}], "t": "no"}'),
    ("json", b'{\n\t"a": 1\n}', ("t",), False, b'{\n\t"a": 1,\n\t"t": false\n}'),
    ("json", b'{\r\n  "a": 1\r\n}\r\n', ("t",), 0, b'{\r\n  "a": 1,\r\n  "t": 0\r\n}\r\n'),
    ("json", b'{\n  "a": 1, // n\n}\n', ("t",), 0, b'{\n  "a": 1, // n\n  "t": 0,\n}\n'),
    ("json", b'{\n  "a": 1 // n\n}\n', ("t",), 0, b'{\n  "a": 1, // n\n  "t": 0\n}\n'),
    ("json", b"{\n  // n\n}\n", ("t",), 0, b'{\n  // n\n  "t": 0\n}\n'),
    ("json", b'{"t": {"u" : true , "b": 1}}', KEY, False, b'{"t": {"u" : false , "b": 1}}'),
    ("json", b'{"t": 1, "t": 2}', ("t",), 0, b'{"t": 1, "t": 0}'),
    ("json", b'\xef\xbb\xbf{"t": "\\" // {"}', ("t",), 0, b'\xef\xbb\xbf{"t": 0}'),
    ("json", b'{"t.u": true}', KEY, False, b'{"t.u": true, "t": {"u": false}}'),
    ("toml", None, KEY, False, b"[t]\nu = false\n"),
    ("toml", b"[t] # n\na = 1\n\n[b]\n", KEY, False, b"[t] # n\na = 1\nu = false\n\n[b]\n"),
    ("toml", b"# n\r\na = 1", KEY, False, b"# n\r\na = 1\r\n[t]\r\nu = false"),
    ("toml", b"t = {a=1} # n\n", KEY, False, b"t = {a=1,u = false} # n\n"),
    ("toml", b"t.u = true # n\n", KEY, False, b"t.u = false # n\n"),
    ("yaml", None, KEY, False, b"t:\n  u: false\n"),
    ("yaml", b"# n\n---\na: 'x'  # n\n...\n", ("t",), 0, b"# n\n---\na: 'x'  # n\nt: 0\n...\n"),
    ("yaml", b"t:\n    a: [1,\n      2]\nb: 1", KEY, 0, b"t:\n    a: [1,\n      2]\n    u: 0\nb: 1"),  # noqa: E501
    ("yaml", b"t:\r\n  u: true # n\r\n", KEY, False, b"t:\r\n  u: false # n\r\n"),
    ("yaml", b"a: |\n  x\n\nb: 1\n", ("t",), "off", b'a: |\n  x\n\nb: 1\nt: "off"\n'),
    ("yaml", b"t:\na: 1\n", KEY, False, b"t:\n  u: false\na: 1\n"),
    ("yaml", b"{a: 1}\n", KEY, False, b"{a: 1, t: {u: false}}\n"),
    ("yaml", b"a: 1", ("t",), False, b"a: 1\nt: false"),
    ("ini", None, KEY, False, b"[t]\nu = false\n"),
    ("ini", b"; n\n[t]\n    a=1\n\n[b]\n", KEY, 0, b"; n\n[t]\n    a=1\n    u=0\n\n[b]\n"),
    ("ini", b"[t]\r\nu: yes\r\nb: 1", KEY, False, b"[t]\r\nu: false\r\nb: 1"),
    ("ini", b"[DEFAULT]\na = 1\n[b]\n", ("DEFAULT", "u"), 0, b"[DEFAULT]\na = 1\nu = 0\n[b]\n"),
    ("ini", b"[b]\na = 1", KEY, 0, b"[b]\na = 1\n[t]\nu = 0"),
    ("dotenv", None, ("T",), "1", b"T=1\n"),
    ("dotenv", b"# T=0\nexport T='a b' # n\nB=1", ("T",), 1, b"# T=0\nexport T=1 # n\nB=1"),
    ("dotenv", b"A=1\r\n", ("T",), 1, b"A=1\r\nT=1\r\n"),
    ("key-value", b"a = 1\n", ("t",), 1, b"a = 1\nt = 1\n"),
    ("xml", None, KEY, -1, b'<?xml version="1.0" encoding="utf-8"?>\n<t><u>-1</u></t>\n'),
    ("xml", b"\n", KEY, 0, b'<?xml version="1.0" encoding="utf-8"?>\n<t><u>0</u></t>\n'),
    ("xml", b"<t>\n  <a/><!-- <u> -->\n</t>", KEY, 0, b"<t>\n  <a/><!-- <u> -->\n  <u>0</u>\n</t>"),
    ("xml", b'<t x="1"><u >1</u ></t>', KEY, 0, b'<t x="1"><u >0</u ></t>'),
    ("xml", b'<t u = "1"/>', ("t", "@u"), 0, b'<t u = "0"/>'),
    ("xml", b"<t/>", ("t", "@u"), '<"&', b'<t u="&lt;&quot;&amp;"/>'),
    ("text", None, (), "off", b"off"),
    ("text", b"on\r\n", (), "off", b"off\r\n"),
)  # fmt: skip


def test_an_edit_changes_one_key_alone() -> None:
    """Comments, indentation, marks, line ends and a missing final one stay as they are."""
    wrong = [
        (form, before, found, wanted)
        for form, before, key, value, wanted in EDITS
        if (found := editing.edit(FILE, Syntax(form), before, key, value)) != wanted
    ]
    assert not wrong


def test_a_splice_brings_every_byte_back() -> None:
    """What an edit did is undone from a few bytes, without a copy of the file."""
    for _, before, _, _, after in EDITS:
        splice = editing.splice_of(before or b"", after)
        assert splice.undo(after) == (before or b"")
    long = b'{\n  "token": "secret",\n  "a": 1\n}\n'
    splice = editing.splice_of(long, editing.edit(FILE, Syntax("json"), long, ("t",), 0))
    assert splice.removed == b""


def test_taking_out_leaves_what_others_wrote() -> None:
    """A key goes with its line; comments stay, and so do tables that were there before."""
    cases: tuple[tuple[Format, bytes, int, bytes], ...] = (
        ("json", b'{\n  "a": 1, // n\n  "t": {"u": 1}\n}', 1, b'{\n  "a": 1 // n\n}'),
        ("json", b'{"t": {"u": 1}, "a": 1}', 0, b'{"t": {}, "a": 1}'),
        ("toml", b"# n\n[t]\nu = 1\n[b]\n", 1, b"# n\n[b]\n"),
        ("yaml", b"a: 1 # n\nt:\n  u: 1\nb: 2", 1, b"a: 1 # n\nb: 2"),
        ("yaml", b"{a: 1, t: {u: 1}}", 1, b"{a: 1}"),
        ("ini", b"[t]\nu = 1\n; n\na = 1\n", 1, b"[t]\n; n\na = 1\n"),
        ("ini", b"[t]\nu = 1\n\n[b]\na = 1\n", 1, b"[b]\na = 1\n"),
        ("ini", b"[b]\r\na = 1\r\n\r\n[t] ; n\r\nu = 1\r\n", 1, b"[b]\r\na = 1\r\n\r\n"),
        ("ini", b"[b]\na = 1\n\n[t]\nu = 1\n\n[c]", 1, b"[b]\na = 1\n\n[c]"),
        ("ini", b"[t]\n; mine\nu = 1", 1, b"; mine"),
        ("yaml", b"a: 1\nt: # mine\n  u: 1\n", 1, b"a: 1\n"),
        ("xml", b"<t>\n  <u>1</u>\n  <a/>\n</t>", 0, b"<t>\n  <a/>\n</t>"),
    )
    wrong = [
        (form, before, found, wanted)
        for form, before, made, wanted in cases
        if (found := editing.take_out(FILE, Syntax(form), before, KEY, made=made)) != wanted
    ]
    assert not wrong


def test_what_cannot_be_edited_is_refused() -> None:
    """A file that is broken, or that has something else on the way, is told apart by its code."""
    cases: tuple[tuple[Format, bytes, type[Exception]], ...] = (
        ("json", b'{"t": ', FileCorruptError),
        ("json", b"[]", FileUneditableError),
        ("json", b'{"t": null}', FileUneditableError),
        ("json", b'{"t": {"u": {"a": 1}}}', FileUneditableError),
        ("toml", b"t = 1\n", FileUneditableError),
        ("toml", b"[t.u]\na = 1\n", FileUneditableError),
        ("yaml", b"a: &a true\nt:\n  u: *a\n", FileUneditableError),
        ("toml", b"t = \n", FileCorruptError),
        ("yaml", b"t: [1]\n", FileUneditableError),
        ("yaml", b"a: b: c\n", FileCorruptError),
        ("ini", b"[t]\nu = 1\n  more\n", FileUneditableError),
        ("xml", b"<b/>", FileUneditableError),
        ("xml", b"<t>text</t>", FileUneditableError),
        ("xml", b"<t>", FileCorruptError),
        ("code", b"t = 1", FileUneditableError),
    )
    for form, data, error in cases:
        with pytest.raises(error):
            editing.edit(FILE, Syntax(form), data, KEY, 0)


PIECES: Mapping[Format, str] = {
    "json": '{ } [ ] , : "t" "u" "a" "\\"" "\\u00e9" 1 -2.5e3 true false null // /* */ NaN {"t":{',
    "toml": '[t] [[t]] [a.b] t.u t u = = = true 1 "x" """ {a=1} [1,2] # \\ 1979-05-27 [t.u]',
    "yaml": "t: u: a: - - | > ' \" { } [ ] , # &x *x !!str true null ? --- ... << : \t | 1",
    "ini": "[t] [b] u = : ; # u=1 a \\ [ ] %(x)s 'q' \" = u:2 = x",
    "dotenv": "T=1 export # ' \" = \\ $X ${T} T 'a\" u t=2 T=",
    "key-value": "t=1 # = t u : ' \" t = x =",
    "xml": '<t> </t> <u> </u> <a/> <u/> <!-- --> <![CDATA[ ]]> <?x ?> <t a="1"> &amp; & " = <b>',
    "text": "on off # = x",
}
SPACES = (
    "",
    " ",
    "\n",
    "\n",
    "\n  ",
    "\r\n",
    "\t",
    "\n\n",
    "\ufeff",
    "\x00",
    "\u2028",
    "\x0b",
    "\x85",
)
FORMATS = tuple(PIECES)


def generated(form: Format, source: random.Random) -> bytes:
    """Build a file: words of its format in any order, or an example with a few bytes changed."""
    if source.random() < 0.3:
        words = PIECES[form].split(" ")
        count = source.randrange(14)
        text = "".join(source.choice(words) + source.choice(SPACES) for _ in range(count))
        return text.encode()
    examples = [
        each for kind, before, *_, after in EDITS if kind == form for each in (before, after)
    ]
    data = bytearray(source.choice(examples) or b"")
    for _ in range(source.randrange(1, 4)):
        at = source.randrange(len(data) + 1)
        data[at : at + source.randrange(4)] = source.choice(
            (b"", source.randbytes(2), b"\n", source.choice(PIECES[form].split(" ")).encode())
        )
    return bytes(data)


@pytest.mark.parametrize("form", FORMATS)
def test_any_file_is_edited_exactly_or_left(form: Format) -> None:
    """Whatever stands in a file: no traceback, and one key alone differs for another parser too."""
    source = random.Random(form)  # noqa: S311  (the same files each time)
    key: tuple[str, ...] = {"text": (), "dotenv": ("T",), "key-value": ("t",)}.get(form, KEY)
    value: object = "off" if form == "text" else False
    edited = 0
    for _ in range(EXAMPLES):
        data = generated(form, source)
        try:
            after = editing.edit(FILE, Syntax(form), data, key, value)
            gone = editing.edit(FILE, Syntax(form), data, key, MISSING)
        except (FileCorruptError, FileUneditableError):
            continue
        edited += 1
        assert editing.splice_of(data, after).undo(after) == data
        assert_same_but(form, data, after, key)
        assert_same_but(form, data, gone, key)
    assert edited > EXAMPLES // 50


def assert_same_but(form: Format, before: bytes, after: bytes, key: tuple[str, ...]) -> None:
    """Assert that a parser which is not ours sees no other difference; where it reads the file."""
    parser = PARSERS.get(form)
    try:
        old = parser(before.decode("utf-8-sig")) if parser else None
    except (ValueError, configparser.Error, RecursionError, ET.ParseError):
        return
    if parser:
        new = parser(after.decode("utf-8-sig"))
        assert bare(old, key) == bare(new, key), (before, after)


def bare(values: Any, key: tuple[str, ...]) -> Any:  # noqa: ANN401
    """Return parsed values without a key, and without what is then empty."""
    if not isinstance(values, dict):
        return values or None
    inner = {
        name: bare(each, key[1:] if key[:1] == (name,) else ()) for name, each in values.items()
    }
    if len(key) == 1 or (key and inner.get(key[0]) is None):
        inner.pop(key[0], None)
    return inner or None


def _ini(text: str) -> object:
    parser = configparser.RawConfigParser(strict=False, default_section="")
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def _xml(text: str) -> object:
    def read(element: ET.Element) -> object:
        texts = (element.text, *(each.tail for each in element))
        text = "".join(each or "" for each in texts).strip()
        return {"text": text, **{each.tag: read(each) for each in element}}

    root = ET.fromstring(text)  # noqa: S314  (generated here)
    return {root.tag: read(root)}


PARSERS: Mapping[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "ini": _ini,
    "xml": _xml,
}
