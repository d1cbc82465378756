"""Tests of what remains of error texts, tracebacks and user agents."""

from __future__ import annotations

import json
import re
import string
import sys
import traceback
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from usagectl.events.scrubbing import clean_user_agent, scrub, scrub_trace
from usagectl.events.scrubbing.credentials import SECRETS as SECRET_WORDS
from usagectl.events.scrubbing.words import CLOSED, FOLLOWERS, HEADS, NOUNS, PLACEHOLDERS, VERBS

WORDS = """the specified value is invalid because it was too long and cannot be used here please
try again later request failed while reading response from remote after several attempts
unexpected Internal error Missing required Access denied connection refused timed out doesn't
can't operation not permitted limit exceeded retry slowly bananas yesterday XML API HTTP
400 17""".split()  # noqa: SIM905  (a list of words reads best so)

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
timed out"""

LETTERS = string.ascii_lowercase
NAMES = st.text(LETTERS, min_size=7, max_size=12).filter(lambda text: text not in FOLLOWERS)
MIXED = st.text(string.ascii_letters + string.digits, min_size=6, max_size=16)
DIGITS = st.text(string.digits, min_size=12, max_size=12).filter(lambda text: text != "0" * 12)

TOKENS = """AKIA{upper} ASIA{upper} ghp_{base} glpat-{base} xoxb-{base} ls-{name}-{name}-{name}
sk-{base} eyJ{base}.eyJ{base}.{base} {uuid} {hex} {base}== {base}/{base}+{base}= npm_{base}
hvs.{base} {base}""".split()  # noqa: SIM905


@st.composite
def paths(draw: st.DrawFn) -> str:
    """Draw a path of any system."""
    parts = draw(st.lists(NAMES | MIXED, min_size=2, max_size=4))
    root, mark = draw(
        st.sampled_from(
            [
                ("/", "/"),
                ("~/", "/"),
                ("./", "/"),
                ("../", "/"),
                ("file:///", "/"),
                ("C:\\", "\\"),
                ("D:/", "/"),
                ("\\\\", "\\"),
                ("s3://", "/"),
                ("https://", "/"),
            ]
        )
    )
    return root + mark.join(parts) + draw(st.sampled_from(["", ".txt", ".tar.gz", "?q=1"]))


@st.composite
def arns(draw: st.DrawFn) -> str:
    """Draw an ARN of any partition."""
    partition = draw(st.sampled_from(["aws", "aws-cn", "aws-us-gov"]))
    mark = draw(st.sampled_from([":", "/"]))
    head = f"arn:{partition}:{draw(st.sampled_from(['sqs', 's3', 'lambda']))}:us-east-1"
    return f"{head}:{draw(DIGITS)}:{draw(NAMES)}{mark}{draw(NAMES | MIXED)}"


@st.composite
def tokens(draw: st.DrawFn) -> str:
    """Draw a token as the known issuers make them."""
    base = st.text(string.ascii_letters + string.digits, min_size=24, max_size=48)
    form = draw(st.sampled_from(TOKENS))
    upper = st.text(string.ascii_uppercase + "234567", min_size=16, max_size=16)
    return form.format(
        upper=draw(upper),
        base=f"{draw(base)}7aZ",
        name=draw(MIXED),
        uuid=draw(st.uuids()),
        hex=draw(st.binary(min_size=16, max_size=32)).hex() + "0f1",
    )


@st.composite
def addresses(draw: st.DrawFn) -> str:
    """Draw an e-mail, a host or an IP address, with a port or without."""
    port = draw(st.sampled_from(["", ":443", ":4566"]))
    ipv6 = str(draw(st.ip_addresses(v=6).filter(int)))  # "::" tells nothing
    return draw(
        st.sampled_from(
            [
                f"{draw(NAMES)}.{draw(NAMES)}@{draw(NAMES)}.com",
                f"{draw(NAMES)}+{draw(MIXED)}@{draw(NAMES)}.co.uk",
                str(draw(st.ip_addresses(v=4))) + port,
                ipv6,
                f"[{ipv6}]{port}",
                f"{draw(NAMES)}.{draw(NAMES)}.internal{port}",
            ]
        )
    )


@st.composite
def names(draw: st.DrawFn) -> str:
    """Draw a resource's name that is no ordinary word."""
    first, second = draw(NAMES), draw(NAMES | MIXED)
    forms = [f"{first}-{second}", f"{first}_{second}", f"{first.title()}{second.title()}"]
    forms += [f"{first}.{second}", f"{first}7", f"{first}ü{second}", f"{first}\u200b{second}"]
    return draw(st.sampled_from(forms))


CLAUSE_HEAD = "password: "


@st.composite
def quoted(draw: st.DrawFn) -> str:
    """Draw a name of ordinary letters in marks of some kind, or announced by a noun."""
    name = " ".join(draw(st.lists(NAMES, min_size=1, max_size=3)))
    marks = ["''", '""', "``", "\u201c\u201d", "\u2018\u2019", "\u00ab\u00bb"]
    opening, closing = tuple(draw(st.sampled_from(marks)))
    forms = [f"{opening}{name}{closing}", f"b{opening}{name}{closing}"]
    word = name.split(maxsplit=1)[0]
    forms += [f"{noun}{word}" for noun in ("Table: ", "bucket=", "queue = ", "named ", "role:")]
    forms += [f"{CLAUSE_HEAD}{name}", f"Bearer {word}", f"<{name}>"]
    return draw(st.sampled_from(forms))


NOUN_AS_ONE = re.compile("[A-Za-z][a-z]+(?:[A-Z][a-z]+){1,6}")
SECRETS = paths() | arns() | tokens() | addresses() | DIGITS | names() | quoted()


class Part(NamedTuple):
    """Hold one part of a message: a word, or a secret, and the punctuation around it."""

    before: str
    text: str
    after: str
    is_word: bool


@st.composite
def words(draw: st.DrawFn) -> Part:
    """Draw an ordinary word; after `value:` or `API:` a name is expected, whatever it is."""
    word = draw(st.sampled_from(WORDS))
    mark = draw(st.sampled_from(["", "", "", ".", ",", ":", ";", "!"]))
    return Part("", word, mark if word.lower() not in HEADS else mark.strip(":"), is_word=True)


@st.composite
def secrets(draw: st.DrawFn) -> Part:
    """Draw a secret, shouted at times, glued to punctuation."""
    secret: str = draw(SECRETS)
    secret = secret.upper() if draw(st.integers(0, 9)) == 0 else secret
    before = draw(st.sampled_from(["", "", "(", "[", "{", "<", "" if " " in secret else "id="]))
    after = draw(st.sampled_from(["", "", ".", ",", ")", "]:", "!", ";"]))
    return Part(before, secret, after, is_word=False)


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, list[str], list[str]]:
    """Draw a message of words and secrets in any order: its text, what remains, what goes."""
    drawn = draw(st.lists(st.booleans(), min_size=1, max_size=14))
    parts = [draw(words() if is_word else secrets()) for is_word in drawn]
    text = " ".join(f"{part.before}{part.text}{part.after}" for part in parts)
    kept = [
        part.text
        for index, part in enumerate(parts)
        if part.is_word and not is_name_expected(parts, index)
    ]
    return text, kept, [part.text for part in parts if not part.is_word]


def is_name_expected(parts: list[Part], index: int) -> bool:
    """Tell whether a word stands where the scrubber takes even an ordinary one for a name.

    That is between a noun and a verb (`operation long is`), after words that are written as
    one (`RoleName retry`), where no noun can follow; in the rest of a clause that tells a
    password; and among more than two numbers.
    """
    word = parts[index].text
    if is_in_secret(parts, index):
        return True
    if word.isdigit():
        return is_one_of_many(parts, index)
    before = parts[index - 1] if index else None
    if before is None or before.after or word.lower() in FOLLOWERS or word.endswith("ed"):
        return False
    after = parts[index + 1] if index + 1 < len(parts) else None
    is_verb_next = after is not None and not parts[index].after and after.text.lower() in VERBS
    if before.is_word:
        return before.text.lower() in NOUNS and is_verb_next
    is_end_next = after is None or bool(parts[index].after.strip(":"))
    is_noun = NOUN_AS_ONE.fullmatch(before.text) is not None
    return is_noun and (is_verb_next or is_end_next)


def is_in_secret(parts: list[Part], index: int) -> bool:
    """Tell whether a place belongs to the clause of a password that stands before it."""
    for part in reversed(parts[:index]):
        text = part.text.lower()
        if not part.is_word and any(
            word in text.removeprefix(CLAUSE_HEAD) for word in SECRET_WORDS
        ):
            return True  # `TABLE: PASSCODE]: the` happens to be drawn, too.
        if part.after not in ("", ":"):
            return False
        if not part.is_word and text.startswith(CLAUSE_HEAD):
            return True
    return False


def is_one_of_many(parts: list[Part], index: int) -> bool:
    """Tell whether more than two numbers follow each other around a place."""
    run, is_within = 0, False
    for at, part in enumerate(parts):
        run = run + 1 if part.is_word and part.text.isdigit() else 0
        is_within = run > 0 and (is_within or at == index)
        if is_within and run > 2:
            return True
        if part.after in (";", "!"):
            run, is_within = 0, False
    return False


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


@settings(max_examples=600)
@given(messages())
def test_nothing_of_a_secret_remains_and_every_word_does(
    message: tuple[str, list[str], list[str]],
) -> None:
    """Words and secrets in any order: the words come out in theirs, of the secrets no part."""
    text, kept, hidden = message
    found = scrub(text)
    assert leaked(hidden, found) == []
    if len(found) < 400:  # Else the end may be cut off.
        words = iter(re.findall(r"[A-Za-z0-9']+", stripped(found)))
        assert all(word in words for word in kept), found


@settings(max_examples=250)
@given(messages(), st.sampled_from(["json", "repr", "nested", "lines", "upper"]))
def test_nothing_of_a_secret_remains_in_any_wrapping(
    message: tuple[str, list[str], list[str]], wrapping: str
) -> None:
    """In JSON, in JSON in JSON, in a repr, over lines or shouted, a secret is one too."""
    text, _, hidden = message
    wrapped = {
        "json": json.dumps({"__type": "Error", "message": text}),
        "nested": json.dumps(json.dumps({"message": text}, ensure_ascii=False)),
        "repr": repr(ValueError(text)),
        "lines": text.replace(" ", "\r\n\t"),
        "upper": text.upper(),
    }[wrapping]
    hidden = [each.upper() for each in hidden] if wrapping == "upper" else hidden
    assert leaked(hidden, scrub(wrapped)) == []


@settings(max_examples=250)
@given(messages() | st.text().map(lambda text: (text, [], [])))
@example(("\ud800 \x00 \u202e\u2066 \x1b[31m", [], []))
@example(("x" * 5000, [], []))
@example(("(" * 5000 + "'", [], []))
@example(("queue \u2603 orders is", [], []))
def test_scrubbing_twice_changes_nothing(message: tuple[str, list[str], list[str]]) -> None:
    """What came out goes through again as it is; it is ASCII, and of 512 characters at most."""
    found = scrub(message[0])
    assert scrub(found) == found
    assert found.isascii()
    assert found.isprintable()
    assert len(found) <= 512


@pytest.mark.parametrize("text", UNCHANGED.splitlines())
def test_a_message_of_ordinary_words_is_unchanged(text: str) -> None:
    """The notice's own example, and what servers say without naming anything."""
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Table: orders not found", "Table: <name> not found"),
        ("Tables: orders, customers.", "Tables: <name>, <name>."),
        ("found: Table: orders, please retry", "found: Table: <name>, please retry"),
        ("User alice is not authorized", "User <name> is not authorized"),
        (
            "The role with name admin2x cannot be found.",
            "The role with name <name> cannot be found.",
        ),
        ("bucket photos already exists", "bucket <name> already exists"),
        ("Function not found: canary", "Function not found: <name>"),
        ("No such bucket my-photos", "No such bucket <name>"),
        ("Value 'a b' at 'bucketName' failed", "Value <name> at <name> failed"),
        ('{"message":"Table \\"my orders queue\\" bad"}', "{<name>:<name>}"),
        ('the "a "orders" b" thing', "the <name> thing"),
        ('the "a "my orders queue" b" thing', "the <name> thing"),
        ("it\u2019s \u2018my orders\u2019, \u201emy orders\u201c", "it's <name>, <name>"),
        ("the &quot;my orders queue&quot; or &#39;my own one&#39;", "the <name> or <name>"),
        ("the \\u201cmy orders queue\\u201d or \\x27my own one\\x27", "the <name> or <name>"),
        ("on /home/al/My Secret Plans/x.txt now", "on <path> now"),
        ("mv /home/al/x to photos/cat", "mv <path> to <path>"),
        ("C:\\Users\\Al Smith\\x and \\\\host\\share", "<path> and <path>"),
        ("at s3://photos/cat.png, https://u:p@h/x?y=1", "at <url>, <url>"),
        ("Ann Smith <ann@corp.example> failed", "<email> failed"),
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
        ("the password is hunter two", "the password is <name>"),
        ("the password is not valid", "the password is not valid"),
        ("The access token is expired", "The access token is expired"),
        ("Authorization: Bearer abc", "Authorization: Bearer <name>"),
        ("bearer open is bad", "bearer <name> is bad"),
        ("BEARER ABC", "BEARER <name>"),
        ("PASSWORD: ABC DEF", "<name>: <name>"),
        ("Bearer token missing", "Bearer token missing"),
        ("Authorization: basic hunter", "Authorization: basic <name>"),
        ("Basic aGk", "Basic <name>"),
        ("basic usage", "basic usage"),
        ("bucket <payroll> is gone", "bucket <name> is gone"),
        ("<payroll>", "<name>"),
        ("at (<my payroll>).", "at (<name>)."),
        ("<Al's payroll-x>", "<name>"),
        ("<my\r\n\tpayroll, the 2.>", "<name>"),
        ("the <bucket> or <number> of <name>", "the <bucket> or <number> of <name>"),
        ("one < two and three > two", "one < two and three > two"),
        ("NoSuchEntity: payroll", "<name>: <name>"),
        ("HTTPError: payroll", "<name>: <name>"),
        ("AccessDenied: User is not authorized", "AccessDenied: User is not authorized"),
        ("NoSuchKey: The specified key is bad", "NoSuchKey: The specified key is bad"),
        (
            "ExpiredToken: The provided token has expired",
            "<name>: The provided token has expired",
        ),
        ("myFunction raised", "<name> raised"),
        ("state [pending zebra]", "state [pending zebra]"),
        ("state [zebra]", "state [<name>]"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_what_remains(text: str, expected: str) -> None:
    """Each kind of thing is replaced by its name; the sentence around it can still be read."""
    assert scrub(text) == expected


WRITTEN_AS_ONE = sorted(
    word
    for word in CLOSED
    if re.fullmatch(".*[a-z].*", word[1:]) and re.fullmatch("[A-Z].*[A-Z].*", word)
)


def test_there_are_words_written_as_one() -> None:
    """Else the next test would show nothing."""
    assert {"NoSuchBucket", "NoSuchKey", "AccessDenied", "LocalStack"} < set(WRITTEN_AS_ONE)


@pytest.mark.parametrize("code", WRITTEN_AS_ONE)
def test_a_name_is_expected_after_each_word_that_is_written_as_one(code: str) -> None:
    """`NoSuchKey: payroll` tells a name, though the scrubber knows the code as a word."""
    assert scrub(f"{code}: payroll") == f"{code}: <name>"
    assert scrub(f"Error: {code}: payroll is gone") == f"Error: {code}: <name> is gone"
    assert scrub(f"{code}: The request has failed") == f"{code}: The request has failed"


@pytest.mark.parametrize(
    "piece",
    ["<a", "<a>", "token: a ", "Bearer ", "is ",
     "a", "'", '"', "\\", "\\'", "/", ":", "=", "a,", "a, ", ". ", "a:", "(", "1 ", "1.", "<name>",
     "Table: a, ", "@", "-", "é", "\ud800", "<", "x@", "a.", "::", "http://"],
)  # fmt: skip
def test_a_megabyte_takes_no_longer_than_what_is_read(piece: str) -> None:
    """Of any length 4 KiB are read, so hostile repetition costs what 4 KiB cost."""
    whole = piece * (1024 * 1024 // len(piece))
    assert scrub(whole) == scrub(whole[:4096])
    assert clean_user_agent(whole) == clean_user_agent(whole[:2048])
    assert len(scrub_trace(whole)) <= 16 * 1024


def raise_through_json() -> None:
    """Fail in a module of Python's own library, called from a file of ours."""
    secret = "{'canary': 1}"  # noqa: S105
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
    frame = 'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n'
    assert scrub_trace(f"{frame}app.NoSuchKey: payroll").endswith("app.NoSuchKey: <name>")
    assert scrub_trace(f"{frame}app.Error: failed").endswith("app.Error: failed")


def test_of_a_deep_traceback_the_last_fifty_frames_remain() -> None:
    """The frames nearest to the error are the ones that explain it."""
    frames = [f'  File "/a.py", line {number}, in f\n    f()' for number in range(200)]
    found = scrub_trace(
        "\n".join(["Traceback (most recent call last):", *frames, "RecursionError"])
    )
    assert found.count("  File ") == 50
    assert "line 199," in found
    assert "line 149," not in found


@given(st.text())
def test_no_text_breaks_a_trace_or_a_user_agent(text: str) -> None:
    """Whatever a server or a user puts there, a text comes out, of plain characters."""
    assert scrub_trace(text).isascii()
    assert clean_user_agent(text).isascii()


AGENTS = """aws-cli/1.25.52 Python/3.10.4 Linux/5.13.0-28-generic awscrt/0.14.0 botocore/1.27.52
Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0 os/linux#5.15.0-1057-aws md/arch#x86_64 lang/python#3.11.4 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.0
Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/macos#23.6.0 md/arch#arm64 lang/python#3.13.0 md/pyimpl#CPython m/Z,b,e cfg/retry-mode#standard Botocore/1.44.5 Resource
aws-cli/2.15.30 md/awscrt#0.19.19 ua/2.0 os/linux#5.15.167.4-microsoft-standard-WSL2 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/distrib#ubuntu.22 md/prompt#off
APN/1.0 HashiCorp/1.0 Terraform/1.5.7 terraform-provider-aws/5.17.0 aws-sdk-go-v2/1.21.0 os/linux lang/go#1.20.8 md/GOOS#linux md/GOARCH#amd64 api/s3#1.38.5"""  # noqa: E501


@pytest.mark.parametrize("text", AGENTS.splitlines())
def test_what_programs_send_by_themselves_is_unchanged(text: str) -> None:
    """The notice's own example, and what boto3, the AWS CLI and Terraform send."""
    assert clean_user_agent(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Boto3/1.34.0 app/canary-app", "Boto3/1.34.0"),
        ("canary/1.0 Boto3/1.34.0 canary", "Boto3/1.34.0"),
        ("Terraform/1.5.7 (+https://canary.example) x", "Terraform/1.5.7"),
        ("Linux/6.8.0-canary-custom", "Linux/6.8.0"),
        ("os/linux#6.8.0-canary md/canary#1 md/arch#canary", "os/linux#6.8.0"),
        ("exec-env/AWS_Lambda_python3.11 exec-env/canary", "exec-env/AWS_Lambda_python3.11"),
        ("lang/canary#1 cfg/retry-mode#canary api/s3#canary", ""),
        ("Python/canary Boto3/1.0canary", "Boto3/1.0"),
        ("api/canary-secret api/canary#1.0 api/s3-canary Boto3/1.0", "Boto3/1.0"),
        (
            "api/dynamodb#1.2.3 api/CloudWatch_Logs api/s3",
            "api/dynamodb#1.2.3 api/CloudWatch_Logs api/s3",
        ),
        (
            "exec-env/AWS_CodeBuildCanary exec-env/AWS_Lambda_canary exec-env/AWS_CodeBuild",
            "exec-env/AWS_CodeBuild",
        ),
        ("exec-env/AWS_Lambda_provided.al2023", "exec-env/AWS_Lambda_provided.al2023"),
        (
            "aws-cli/192.168.0.1 ua/10.0.0.5 os/linux#10.0.0.5 Boto3/v10.0.0.5x Linux/10-0-0-5-aws",
            "",
        ),
        ("Boto3/1.10.0.0.5 Linux/10.0.0.5-aws curl/8.5.0", "curl/8.5.0"),
        (
            "Terraform/256.1.2.3 Linux/5.4.0-28-generic",
            "Terraform/256.1.2.3 Linux/5.4.0-28-generic",
        ),
        ("", ""),
    ],
)
def test_what_a_user_puts_into_a_user_agent_goes(text: str, expected: str) -> None:
    """An application ID, an extra of boto's configuration, a kernel's name of one's own."""
    assert clean_user_agent(text) == expected
