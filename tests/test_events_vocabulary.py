"""Tests of what remains of a free text, and of a traceback."""

from __future__ import annotations

import json
import os
import re
import string
import sys
import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.secrets import NAMES, PLACED, TOKENS
from usagectl.events.vocabulary import PLACEHOLDERS, is_word, scrub, scrub_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SENTENCE = """the specified value is invalid because it was too long and cannot be used here please
try again later request failed while reading response from remote after several attempts
unexpected Internal error Missing required Access denied connection refused timed out doesn't
can't operation not permitted limit exceeded retry slowly XML API HTTP 400 17"""
WORDS = SENTENCE.split()

UNCHANGED = """The specified queue does not exist for this wsdl version.
The specified bucket does not exist
The bucket you tried to delete is not empty
Access Denied
Rate exceeded
One or more parameter values were invalid: Type mismatch for key id
1 validation error detected: Value at 3 failed to satisfy constraint: Member must have length 63
The security token included in the request is invalid.
Cannot do operations on a non-existent table
The request must contain the parameter name.
The provided token is malformed or otherwise invalid.
database is locked (5)
You can't delete a stack that's being updated; please wait and/or try again.
Invalid parameter(s) in the request: the queue name is too long (80 characters at most)!
Expecting value: line 1 column 2 (char 1)
The user is not authorized to perform this operation on account 000000000000
The user name must be at least 3 characters, 64 at most; read-only access is not enough.
Connection refused
timed out
Bearer token missing
The access token is expired
the password is not valid
AccessDenied: User is not authorized
NoSuchKey: The specified key is bad
ExpiredToken: The provided token has expired
one < two and three > two
basic usage
the <ip> or <number> of <name>"""

REMAINS = [
    ("Could not connect to postgres at alice host", "Could not connect to <name> at <name> host"),
    ("Cannot find project moonshot quickly", "Cannot find project <name> quickly"),
    ("Table: orders not found", "Table: <name> not found"),
    ("Tables: orders, customers.", "Tables: <name>, <name>."),
    ("found: Table: orders, please retry", "found: Table: <name>, please retry"),
    ("User alice is not authorized", "User <name> is not authorized"),
    ("The role with name admin2x cannot be found.", "The role with name <name> cannot be found."),
    ("bucket photos already exists", "bucket <name> already exists"),
    ("Function not found: canary", "Function not found: <name>"),
    ("No such bucket my-photos", "No such bucket <name>"),
    ("name=value, id:table", "name=<name>, id:<name>"),
    ("Value 'a b' at 'bucketName' failed", "Value <name> at <name> failed"),
    ('{"message":"Table \\"my orders queue\\" bad"}', "{<name>:<name>}"),
    ('the "a "orders" b" thing', "the <name> thing"),
    ("it\u2019s \u2018my table\u2019, \u201emy table\u201c", "it's <name>, <name>"),
    ("the &quot;my own queue&quot; or &#39;my own one&#39;", "the <name> or <name>"),
    ("the \\u201cmy own queue\\u201d or \\x27my own one\\x27", "the <name> or <name>"),
    ('{"error": "the \\u0022my table\\u0022 is gone"}', "{<name>: <name>}"),
    ("on /home/al/My Secret Space/x.txt now", "on <path> now"),
    ("at file:///home/al/My Secret Space/x.txt now", "at <path> now"),
    ("move /home/al/x to photos/cat", "move <path> to <path>"),
    ("C:\\Users\\Al Smith\\x and \\\\host\\share", "<path> and <path>"),
    ("at s3://photos/cat.png, https://u:p@h/x?y=1", "at <url>, <url>"),
    ("Ann Smith <ann@corp.example> failed", "<name> <name> <email> failed"),
    ("to 10.0.0.1:4566 or [fe80::1]", "to <ip> or [<ip>]"),
    ("password: hunter at ::1. Please retry", "password: <name>. Please retry"),
    ("to db1.corp.internal:5432", "to <host>"),
    ("account 123456789012 or 000000000000", "account <account> or 000000000000"),
    ("call 1234 5678 9012", "call <number> <number> <number>"),
    ("size 262144", "size <number>"),
    ("key AKIAIOSFODNN7EXAMPLE", "key <token>"),
    ("password hunter wrong", "password <name> wrong"),
    ("password: correct horse battery staple", "password: <name>"),
    ("password = correct horse, please retry", "password = <name>, please retry"),
    ("Secret key: open sesame", "Secret key: <name>"),
    ("db_password: all my horses", "<name>: <name>"),
    ("PIN 5; passcode: 1 2 3 4", "PIN 5; passcode: <name>"),
    ("token=abc def ghi", "token=<name>"),
    ("token: AKIAIOSFODNN7EXAMPLE", "token: <token>"),
    ("the password is hunter", "the password is <name>"),
    ("Authorization: Bearer abc", "Authorization: <name>"),
    ("BEARER ABC", "BEARER <name>"),
    ("PASSWORD: ABC DEF", "PASSWORD: <name>"),
    ("Basic aGk", "Basic <name>"),
    ("bucket <payroll> is gone", "bucket <name> is gone"),
    ("<payroll>", "<name>"),
    ("at (<my payroll>).", "at (<name>)."),
    ("<Al's payroll-x>", "<name>"),
    ("<my\r\n\tpayroll, the 2.>", "<name>"),
    ("<Code>NoSuchKey</Code>", "<name>"),
    ("NoSuchEntity: payroll", "NoSuchEntity: <name>"),
    ("HTTPError: payroll", "<name>: <name>"),
    ("myFunction raised", "<name> raised"),
    ("state [pending zebra]", "state [pending <name>]"),
    ("tABLE TaBle Table TABLE", "<name> <name> Table TABLE"),
    ("(((((((", "((("),
    ("", ""),
    ("   ", ""),
]
"""Each kind of thing becomes its name; the sentence around it can still be read."""

EXAMPLES = int(os.environ.get("USAGECTL_FUZZ_EXAMPLES", "300"))
LETTERS = string.ascii_lowercase
NAME = st.text(LETTERS, min_size=7, max_size=12).filter(lambda text: not is_word(text))
MIXED = st.text(string.ascii_letters + string.digits, min_size=6, max_size=16)
ONLY_HIDDEN = st.sampled_from(["instance", "repository", "workflow", "snapshot"])
"""Words of the vocabulary that no message holds outside of a secret."""

DIGITS = st.text(string.digits, min_size=12, max_size=12).filter(lambda text: text != "0" * 12)
ROOTS = (
    *(("/", "/"), ("~/", "/"), ("./", "/"), ("../", "/"), ("file:///", "/"), ("C:\\", "\\")),
    *(("D:/", "/"), ("\\\\", "\\"), ("s3://", "/"), ("https://", "/")),
)
CLAUSE_HEAD = "password: "


@st.composite
def paths(draw: st.DrawFn) -> str:
    """Draw a path of any system."""
    root, mark = draw(st.sampled_from(ROOTS))
    parts = draw(st.lists(NAME | MIXED, min_size=2, max_size=4))
    return root + mark.join(parts) + draw(st.sampled_from(["", ".txt", ".tar.gz", "?q=1"]))


@st.composite
def arns(draw: st.DrawFn) -> str:
    """Draw an ARN of any partition."""
    partition = draw(st.sampled_from(["aws", "aws-cn", "aws-us-gov"]))
    mark = draw(st.sampled_from([":", "/"]))
    head = f"arn:{partition}:{draw(st.sampled_from(['sqs', 's3', 'lambda']))}:us-east-1"
    return f"{head}:{draw(DIGITS)}:{draw(NAME)}{mark}{draw(NAME | MIXED)}"


BASE = st.text(string.ascii_letters + string.digits, min_size=24, max_size=48).map("{}7aZ".format)
ISSUED = st.sampled_from(sorted(TOKENS.values()))
DRAWN = BASE | st.uuids().map(str) | st.binary(min_size=16, max_size=32).map(bytes.hex)
GLUED = st.builds("{}/{}+{}=".format, BASE, BASE, BASE) | BASE.map("ghp_{}".format)


@st.composite
def addresses(draw: st.DrawFn) -> str:
    """Draw an e-mail, a host or an IP address, with a port or without."""
    port = draw(st.sampled_from(["", ":443", ":4566"]))
    ipv6 = str(draw(st.ip_addresses(v=6).filter(int)))  # "::" tells nothing
    forms = [
        f"{draw(NAME)}.{draw(NAME)}@{draw(NAME)}.com",
        f"{draw(NAME)}+{draw(MIXED)}@{draw(NAME)}.co.uk",
        str(draw(st.ip_addresses(v=4))) + port,
        ipv6,
        f"[{ipv6}]{port}",
        f"{draw(NAME)}.{draw(NAME)}.internal{port}",
    ]
    return draw(st.sampled_from(forms))


@st.composite
def names(draw: st.DrawFn) -> str:
    """Draw a resource's name, in marks of some kind or without, also announced by a noun."""
    first, second = draw(NAME), draw(NAME | MIXED)
    forms = [first, f"{first}-{second}", f"{first}_{second}", f"{first.title()}{second.title()}"]
    forms += [f"{first}.{second}", f"{first}7", f"{first}ü{second}", f"{first}\u200b{second}"]
    quoted = " ".join(draw(st.lists(NAME | ONLY_HIDDEN, min_size=1, max_size=3)))
    marks = ["''", '""', "``", "\u201c\u201d", "\u2018\u2019", "\u00ab\u00bb"]
    opening, closing = tuple(draw(st.sampled_from(marks)))
    forms += [f"{opening}{quoted} {first}{closing}", f"b{opening}{first} {quoted}{closing}"]
    forms += [f"{noun}{first}" for noun in ("Table: ", "bucket=", "queue = ", "named ", "role:")]
    forms += [f"{CLAUSE_HEAD}{quoted} {first}", f"Bearer {first}", f"<{first}>"]
    return draw(st.sampled_from(forms))


SECRETS = paths() | arns() | ISSUED | DRAWN | GLUED | addresses() | DIGITS | names()


@st.composite
def secrets(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a secret, shouted at times, alone and with punctuation around it."""
    secret: str = draw(SECRETS)
    secret = secret.upper() if draw(st.integers(0, 9)) == 0 else secret
    before = draw(st.sampled_from(["", "", "(", "[", "{", "<", "" if " " in secret else "id="]))
    after = draw(st.sampled_from(["", "", ".", ",", ")", "]:", "!", ";"]))
    return secret, f"{before}{secret}{after}"


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, list[str], list[str]]:
    """Draw a message of words and secrets in any order: its text, what remains, what goes.

    After a password nothing need remain, and of numbers in a row none.
    """
    parts: list[str] = []
    kept: list[str] = []
    hidden: list[str] = []
    for is_kept in draw(st.lists(st.booleans(), min_size=1, max_size=14)):
        if is_kept:
            word = draw(st.sampled_from(WORDS))
            parts.append(word + draw(st.sampled_from(["", "", "", ".", ",", ":", ";", "!"])))
            is_sure = not any(each.lower().startswith(CLAUSE_HEAD) for each in hidden)
            kept += [word] if is_sure and not word.isdigit() else []
        else:
            secret, whole = draw(secrets())
            parts.append(whole)
            hidden.append(secret)
    return " ".join(parts), kept, hidden


def stripped(text: str) -> str:
    """Return a text without the placeholders."""
    return re.sub(f"<(?:{'|'.join(PLACEHOLDERS)})>", "\0", text)


def leaked(hidden: list[str], text: str) -> list[str]:
    """List the parts of six characters of the secrets that a text still holds."""
    left = stripped(text)
    windows = {each[at : at + 6] for each in hidden for at in range(len(each) - 5)}
    allowed = " ".join([*WORDS, "table bucket queue named role password bearer"]).lower()
    bare = {each: re.sub(r"[^a-z0-9]", "", each.lower()) for each in windows}
    return [each for each in windows if each in left and bare[each] not in allowed]


WRAPPINGS: Mapping[str, Callable[[str], str]] = {
    "none": str,
    "json": lambda text: json.dumps({"__type": "Error", "message": text}),
    "nested": lambda text: json.dumps(json.dumps({"message": text}, ensure_ascii=False)),
    "repr": lambda text: repr(ValueError(text)),
    "lines": lambda text: text.replace(" ", "\r\n\t"),
    "upper": str.upper,
}


@settings(max_examples=EXAMPLES)
@given(messages(), st.sampled_from(["none", "none", *WRAPPINGS]))
def test_nothing_of_a_secret_remains_and_every_word_does(
    message: tuple[str, list[str], list[str]], wrapping: str
) -> None:
    """Words and secrets in any order: the words come out in theirs, of the secrets no part.

    In JSON, in JSON in JSON, in a repr, over lines or shouted, a secret is one too.
    """
    text, kept, hidden = message
    found = scrub(WRAPPINGS[wrapping](text))
    assert leaked([each.upper() for each in hidden] if wrapping == "upper" else hidden, found) == []
    if wrapping == "none" and len(found) < 400:  # Else the end may be cut off.
        words = iter(re.findall(r"[A-Za-z0-9']+", stripped(found)))
        assert all(word in words for word in kept), found


@settings(max_examples=EXAMPLES // 3)
@given(messages() | st.text().map(lambda text: (text, [], [])))
@example(("\ud800 \x00 \u202e\u2066 \x1b[31m \ue000x", [], []))
@example(("x" * 5000, [], []))
@example(("(" * 5000 + "'", [], []))
@example(("&lt;&amp;quot;a\\u0022 \\x5cu0041 <", [], []))
def test_nothing_but_the_vocabulary_comes_out(message: tuple[str, list[str], list[str]]) -> None:
    """Words, placeholders, small numbers, marks; at most 512 characters; a second time the same."""
    found = scrub(message[0])
    assert scrub(found) == found
    assert found.isascii()
    assert scrub_trace(message[0]).isascii()
    assert found.isprintable()
    assert len(found) <= 512
    pieces = re.findall(r"[A-Za-z0-9](?:[\w'./-]*[A-Za-z0-9])?", stripped(found))
    unknown = [each for each in pieces if not is_word(each)]
    assert [each for each in unknown if not re.fullmatch(r"[0-9.]{1,7}|0{12}", each)] == []


def test_a_message_of_the_vocabulary_is_unchanged() -> None:
    """The notice's own example, and what servers say without naming anything."""
    changed = {text: scrub(text) for text in UNCHANGED.splitlines() if scrub(text) != text}
    assert changed == {}


def test_what_remains() -> None:
    """Each kind of thing is replaced by its name; the sentence around it can still be read."""
    odd = {text: found for text, expected in REMAINS if (found := scrub(text)) != expected}
    assert odd == {}


def test_what_sensitive_knows_as_a_secret_goes() -> None:
    """After each name of a secret even ordinary words go; of no known token a part remains."""
    assert [name for name in NAMES if "table" in scrub(f"{name}=open table")] == []
    left = {issuer: scrub(f"the {token} is bad") for issuer, token in TOKENS.items()}
    assert set(left.values()) <= {f"the <{kind}> is bad" for kind in ("token", "name", "host")}
    assert [text for text in PLACED.values() if "canary" in scrub(text).lower()] == []


HEAD = 'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n'


def raise_through_json() -> None:
    """Fail in a module of Python's own library, called from a file of ours."""
    secret = "{'canary': 1}"  # noqa: S105  (of no account anywhere)
    json.loads(secret)


def test_a_real_traceback_keeps_what_helps() -> None:
    """Type, functions, lines and installed files stay; our paths, source and values go."""
    with pytest.raises(ValueError, match="Expecting") as caught:
        raise_through_json()
    found = scrub_trace("".join(traceback.format_exception(caught.value)))
    lines = found.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert re.fullmatch(r'  File "<path>", line \d+, in raise_through_json', lines[2])
    assert re.fullmatch(r'  File "json/decoder.py", line \d+, in \w+', lines[-2])
    assert lines[-1].startswith("json.decoder.JSONDecodeError: Expecting")
    assert "canary" not in found
    assert str(sys.prefix) not in found
    assert "raise_through_json()" not in found


def test_a_made_up_traceback_keeps_no_path() -> None:
    """Windows and POSIX, installed and not; a chained error, and a message of many lines."""
    text = r"""Traceback (most recent call last):
  File "C:\Users\ann\venv\Lib\site-packages\botocore\client.py", line 5, in _make_api_call
    raise error_class(parsed, operation)
  File "/home/ann/site-packages/../secret plans.py", line 7, in secret thing
  File "<frozen importlib._bootstrap>", line 1, in _load
botocore.exceptions.ClientError: The bucket 'photos' is bad
see /home/ann/notes

During handling of the above exception, another exception occurred:

KeyError: 'canary'"""
    assert scrub_trace(text).splitlines() == [
        "Traceback (most recent call last):",
        '  File "botocore\\client.py", line 5, in _make_api_call',
        '  File "<path>", line 7, in <name>',
        '  File "<frozen importlib._bootstrap>", line 1, in _load',
        "botocore.exceptions.ClientError: The bucket <name> is bad",
        "see <path>",
        "During handling of the above exception, another exception occurred:",
        "<name>: <name>",
    ]


def test_a_message_that_is_a_name_alone_goes() -> None:
    """After the type of an error a single word is what it is about."""
    assert scrub_trace(f"{HEAD}app.NoSuchKey: payroll").endswith("app.NoSuchKey: <name>")
    assert scrub_trace(f"{HEAD}app.Error: failed").endswith("app.Error: failed")


def test_of_a_deep_traceback_the_last_fifty_frames_remain() -> None:
    """The frames nearest to the error are the ones that explain it."""
    frames = [f'  File "/a.py", line {number}, in f\n    f()' for number in range(200)]
    found = scrub_trace("\n".join([HEAD.splitlines()[0], *frames, "RecursionError"]))
    assert found.count("  File ") == 50
    assert "line 199," in found
    assert "line 149," not in found


@pytest.mark.parametrize(
    "piece",
    ["<a", "<a>", "token: a ", "Bearer ", "is ", "a", "'", '"', "\\", "\\'", "/", ":", "=", "a,",
     "a, ", ". ", "a:", "(", "1 ", "1.", "<name>", "Table: a, ", "@", "-", "é", "\ud800", "<", "x@",
     "a.", "::", "\n", "http://", "/a A", "&lt;", "token:."],
)  # fmt: skip
def test_a_megabyte_takes_no_longer_than_what_is_read(piece: str) -> None:
    """Of any length 4 KiB are read, so hostile repetition costs what 4 KiB cost.

    Of a traceback more is read, and at most 16 KiB come out.
    """
    whole = piece * (1024 * 1024 // len(piece))
    assert scrub(whole) == scrub(whole[:4096])
    assert len(scrub_trace(whole)) <= 16 * 1024
