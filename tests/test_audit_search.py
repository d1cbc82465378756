"""What an audit looks for: values of a machine and a command line, and telling patterns."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.audit_cases import example, failed, other, rules_in, run
from tests.support.homes import ADDRESSES, VERSIONS
from tests.support.secrets import NAMES, NOT_NAMES, NOT_TOKENS, PLACED, TOKENS
from usagectl.audit import Context
from usagectl.audit.search import PATTERNS, Pattern, find_patterns, values_typed

if TYPE_CHECKING:
    from tests.support.machine import Machine


def values_of(machine: Machine, rule: str, **variables: str) -> tuple[str, ...]:
    """List what a rule looks for on a machine with such variables."""
    environment = machine.environment()._replace(variables=variables, host_name="box")
    return Context.from_environment(environment).values[rule]


def test_values_typed() -> None:
    """Values count, options and the program do not; nor do short words and plain ones."""
    expected: dict[tuple[str, ...], tuple[str, ...]] = {
        ("localstack", "config", "show"): ("config", "show"),
        ("localstack", "pod", "save", "--name=my-pod"): ("save", "my-pod"),
        ("localstack", "start", "-e", "KEY=value"): ("start", "KEY=value", "value"),
        ("localstack", "wait", "-t", "30", "--debug"): ("wait",),
        ("localstack", "x", "123456", "12345"): ("123456",),
        ("localstack", "--format", "json", "true"): (),
        ("my-own-program",): (),
        (): (),
    }
    assert {words: values_typed(words) for words in expected} == expected


def test_names_of_anybody(machine: Machine) -> None:
    """A name that half of all machines have is not looked for; one's own is."""
    names = {"USER": "root", "HOME": "/root", "HOSTNAME": "localhost"}
    environment = machine.environment()._replace(variables=names, account_home=None, host_name="")
    values = Context.from_environment(environment).values
    assert (values["UC403"], values["UC404"], values["UC405"]) == ((), (), ("/root",))
    assert "jodoe" in values_of(machine, "UC403", USER="jodoe")


def test_machine_id(machine: Machine) -> None:
    """The operating system's own ID is looked for, with and without hyphens."""
    file = machine.root / "etc" / "machine-id"
    file.parent.mkdir()
    file.write_text("0123456789abcdef0123456789abcdef\n")
    assert "01234567-89ab-cdef-0123-456789abcdef" in values_of(machine, "UC406")
    context = Context.from_environment(machine.environment())
    assert {each.partition("_")[0] for each in context.derived_ids if "_" in each} == {"sys", "dkr"}
    rules = [
        run(context, example("session", machine_id=each)).findings[0].rule
        for each in sorted(context.derived_ids)
    ]
    assert rules == ["UC303"] * 5
    file.write_bytes(b"\xff\n")
    assert values_of(machine, "UC406") == ()


def test_values_in_disguise(machine: Machine) -> None:
    """A value that was hashed or coded breaks the rule of the value; a word of the CLI none."""
    environment = machine.environment()._replace(
        variables={"USER": "jodoe", "MY_TOKEN": "not-for-anybody"},
        account_home=Path("/home/jodoe"),
        host_name="tall-tower.lan",
    )
    context = Context.from_environment(environment, ["tool", "my-own-bucket"])
    wanted = {"jodoe": "UC403", "/home/jodoe": "UC405", "tall-tower.lan": "UC404"}
    wanted |= {"not-for-anybody": "UC402", "my-own-bucket": "UC401"}
    wrong = []
    for text, rule in wanted.items():
        data = text.encode()
        digest = hashlib.sha256(data).hexdigest()
        coded = [base64.b64encode(b'{"a": "' + data + b'"}').decode(), f"0x{data.hex().upper()}"]
        forms = [digest, f"x-{digest}", digest[:12], hashlib.sha1(data).hexdigest()]  # noqa: S324
        forms += coded if len(data) > 8 else []  # Letters of a short one come by chance.
        for form in forms:
            found = {hit.rule for hit in context.search(form)}
            wrong += [] if rule in found else [(text, form, found)]
    assert wrong == []
    (hit,) = context.search(hashlib.md5(b"my-own-bucket").hexdigest())  # noqa: S324
    assert (hit.match, hit.part) == ("as its md5 hash", "my-own-bucket")
    for harmless in ("am9kb2U", "0123456789abcdef0123456789abcdef", "QueueDoesNotExistAnywhere"):
        assert context.search(harmless) == []


NOTHING = Context()
SECRETS = {"UC302", "UC503", "UC504"}


@pytest.mark.parametrize(
    "pattern", PATTERNS, ids=lambda pattern: f"{pattern.rule}{pattern.marks!r}"
)
@settings(max_examples=60)
@given(data=st.data())
def test_marks_miss_no_form_of_a_pattern(pattern: Pattern, data: st.DataObject) -> None:
    """Whatever a pattern matches, and however short, holds one of its marks."""
    text = data.draw(st.from_regex(pattern.pattern, fullmatch=True))
    assert max(map(text.count, pattern.marks)) >= pattern.times


def test_every_credential_is_found() -> None:
    """Tokens of each issuer, and what stands where a credential does, are found in an error."""
    texts = {**TOKENS, **PLACED}
    missed = [
        what
        for what, text in texts.items()
        if not rules_in(run(NOTHING, failed(f"x {text} y"))) & SECRETS
    ]
    assert missed == []
    harmless = [text for text in NOT_TOKENS if {rule for rule, _ in find_patterns(text)} & SECRETS]
    assert harmless == []


def test_every_name_of_a_secret_is_known() -> None:
    """A field that nobody documented and that is named like a credential holds a token."""
    wrong = [
        payload
        for name in (*NAMES, *NOT_NAMES)
        for payload in ({name: "v"}, {"a": {name: "v"}})
        if ("UC302" in rules_in(run(NOTHING, other("x", **payload)))) is not (name in NAMES)
    ]
    assert wrong == []


def test_addresses() -> None:
    """An address of a machine tells on it; a version, a name and a loopback address do not."""
    harmless = (
        "0.0.0.0",  # noqa: S104  (nothing listens)
        *("127.0.0.1", "::1", "a::b:c", "1.2.3", "1.2.3.4.5", "1.2.3.400", *VERSIONS),
    )
    found = [
        text
        for text in (*ADDRESSES, *harmless)
        if "UC502" in rules_in(run(NOTHING, failed(f"it says: {text}")))
    ]
    assert found == [*ADDRESSES]


def test_four_numbers_are_a_version_where_one_is_expected() -> None:
    """A field of that name holds a version, whatever event it stands in; another an address."""
    fields = {"version": [], "kernelVersion": [], "os_release": [], "version_host": ["UC502"]}
    found = {
        name: [
            rule
            for rule in rules_in(run(NOTHING, other("x", **{name: "10.20.30.40"})))
            if rule == "UC502"
        ]
        for name in fields
    }
    assert found == fields
    assert "UC502" not in rules_in(run(NOTHING, other("x", versions={"a": "10.20.30.40"})))
