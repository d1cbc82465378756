"""Tests of what names a secret, what looks like one, and how it is masked."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.support.audit_cases import failed, other, run
from tests.support.commands import ANSWERING, example, furnish, run_inside
from tests.support.secrets import NAMES, NOT_NAMES, NOT_TOKENS, PLACED, TOKENS
from usagectl import audit, sensitive
from usagectl.capture.masking import mask_json, mask_text
from usagectl.events.text_rules import RULES
from usagectl.events.user_agents import clean_user_agent
from usagectl.events.vocabulary import scrub, scrub_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.machine import Machine

NOTHING = audit.Context()


def audited(event: object) -> str:
    """Show what an audit of an event says."""
    return repr(run(NOTHING, event))


def kept(rule: str) -> Callable[[str], str]:
    """Apply a rule of texts; nothing is left of a refused one."""
    return lambda text: RULES[rule](text) or ""


CALLERS: Mapping[str, Callable[[str], str]] = {
    "mask_secrets": sensitive.mask_secrets,
    "capture, value": lambda text: mask_json(json.dumps({"a": text}).encode(), ()).text.decode(),
    "capture, name": lambda text: mask_json(json.dumps({text: 1}).encode(), ()).text.decode(),
    "capture, path": lambda text: mask_text(text, ()),
    "audit, value": lambda text: audited(failed(text)),
    "audit, name": lambda text: audited(other("x", **{text: "jo@corp.io"})),
    "audit, event": lambda text: audited(other(text)),
    "scrubbing": scrub,
    "traceback": lambda text: scrub_trace(f"ValueError: {text}"),
    "user agent": lambda text: clean_user_agent(f"Boto3/1.34.0 {text}"),
    # The rule `token` is for the field that the notice has for a token.
    **{f"rule {rule}": kept(rule) for rule in RULES if rule != "token"},
}
"""Everything that shows, keeps or sends a text that may hold a credential."""

NAMED: Mapping[str, Callable[[str, str], str]] = {
    "capture": lambda name, value: mask_json(json.dumps({name: value}).encode(), ()).text.decode(),
    "capture, text": lambda name, value: mask_text(f"{name}={value}", ()),
    "audit": lambda name, value: audited(other("x", **{name: value})),
    "scrubbing": lambda name, value: scrub(f"{name}=open {value}"),
}
"""Everything that judges a value by its name."""


def test_names_say_what_is_secret() -> None:
    """Each known name of a credential counts in any spelling; what only looks alike does not."""
    assert [name for name in NAMES if not sensitive.names_secret(name)] == []
    assert [name for name in NOT_NAMES if sensitive.names_secret(name)] == []


def test_tokens_of_known_issuers_are_found_whole() -> None:
    """In a sentence, in quotes and alone each token is found and masked from end to end."""
    odd = {
        issuer: masked
        for issuer, token in TOKENS.items()
        for form in ("{}", "it is {}.", '"{}"', "a/{}/b", "({})", "é{}")
        if (masked := sensitive.mask_secrets(form.format(token))) != form.format("*" * len(token))
    }
    assert odd == {}
    assert [name for name, each in TOKENS.items() if not sensitive.looks_like_secret(each)] == []


def test_no_caller_lets_a_credential_through() -> None:
    """Whoever shows, keeps or sends a text leaves no known token and nothing at a telling place."""
    texts = [(token, f"x {token} y") for token in TOKENS.values()]
    texts += [(token, token) for token in TOKENS.values()]
    texts += [(shown, text) for text in PLACED.values() for shown in ("canary", "Y2Fu")]
    odd = [
        (caller, text)
        for (caller, show), (secret, text) in product(CALLERS.items(), texts)
        if secret in show(text)
    ]
    assert odd == []


def test_no_caller_shows_a_value_that_is_named_like_a_credential() -> None:
    """A field, parameter or assignment of such a name hides whatever value it has."""
    odd = [
        (caller, name)
        for (caller, show), name in product(NAMED.items(), NAMES)
        if "connection" in show(name, "connection")
    ]
    assert odd == []


def test_no_answer_shows_a_credential_of_an_address(machine: Machine) -> None:
    """Addresses with a login or a query are shown without them, also in errors."""
    furnish(machine)
    url = f"https://canary:{TOKENS['npm token']}@host.example/v1?sig={TOKENS['GitHub token']}"
    file = machine.config_dir / "settings.toml"
    file.write_text(f'[telemetry]\nendpoint = "{url}"\n')
    machine.variables |= dict.fromkeys(("ANALYTICS_API", "LOCALSTACK_API_ENDPOINT"), url)
    lines = [example(path, *more) for path in ANSWERING for more in ((), ("--json",))]
    lines += [("settings", "set", "telemetry.endpoint", url), ("replay", "--to", url, "--yes")]
    odd, masked = [], set()
    for words in lines:
        outcome = run_inside(machine.environment(), *words)
        shown = outcome.stdout + outcome.stderr
        if any(each in shown for each in ("canary", TOKENS["npm token"], TOKENS["GitHub token"])):
            odd.append((words, shown))
        if "********@host.example" in shown:
            masked.add(words[0])
    assert odd == []
    assert masked >= {"status", "settings"}


def test_credentials_are_found_by_their_place() -> None:
    """What follows a secret's name, a scheme or a user is masked; the length and the rest stay."""
    masked = {name: sensitive.mask_secrets(text) for name, text in PLACED.items()}
    assert {name for name, text in masked.items() if "canary" in text or "Y2Fu" in text} == set()
    assert {name for name, text in masked.items() if len(text) != len(PLACED[name])} == set()
    assert masked["form"] == "a=1&password=*******&b=2"
    assert masked["login"] == "postgres://*************@db/x"
    # A value of this machine's environment goes, although nothing in its form tells it.
    assert sensitive.mask_secrets("say canary, canary", ("canary",)) == "say ******, ******"


def test_harmless_texts_are_left_as_they_are() -> None:
    """No ordinary name, sentence, version, path or mask is taken for a credential."""
    assert [text for text in NOT_TOKENS if list(sensitive.find_secrets(text))] == []
    names = [text for text in NOT_TOKENS if " " not in text and "=" not in text]
    assert [text for text in names if sensitive.looks_like_secret(text)] == []


CLOSEST = {
    "token=AKIAIOSFODNN7EXAMPLE": ["cloud-key"],
    f"password=x-{TOKENS['emulator token']}": ["emulator-token"],
    f"{TOKENS['npm token']} and {TOKENS['Slack token']}": ["token", "token"],
    "https://me:password=canary1@h": ["login"],
    "token=canary1&secret=canary2": ["assigned", "assigned"],
}


def test_each_secret_is_found_once_by_its_closest_kind() -> None:
    """Where several forms overlap, one secret is found: a known issuer's before a mere place."""
    found = {text: [each.kind for each in sensitive.find_secrets(text)] for text in CLOSEST}
    assert found == CLOSEST


@given(
    st.text()
    | st.sampled_from(sorted(TOKENS.values())).flatmap(
        lambda token: st.text(max_size=20).map(lambda text: f"{text} {token}")
    )
)
def test_masking_keeps_the_length_and_needs_no_second_round(text: str) -> None:
    """Whatever the text, what comes out is as long, and holds nothing more to mask."""
    masked = sensitive.mask_secrets(text)
    assert len(masked) == len(text)
    assert sensitive.mask_secrets(masked) == masked
    assert not any(token in masked for token in TOKENS.values())


def test_secrets_of_the_environment_are_what_variables_call_so() -> None:
    """Names that speak of a credential, and passwords in URLs; no paths, no plain words."""
    cases = [
        ("LOCALSTACK_AUTH_TOKEN", '"ls-abcdefgh"', "ls-abcdefgh"),
        ("GITHUB_PAT", "abcdefgh1", "abcdefgh1"),
        ("GITHUB_TOKEN", "abcdefgh1", "abcdefgh1"),
        ("AWS_SECRET_ACCESS_KEY", "x/y+z0123", "x/y+z0123"),
        ("DB_PASSWORD", "hunter2!!", "hunter2!!"),
        ("SIGNING_KEY", "abcdefgh1", "abcdefgh1"),
        ("KEY", "abcdefgh1", "abcdefgh1"),
        ("KEY_PROD", "abcdefgh1", "abcdefgh1"),
        ("AWS_SECRET_ACCESS_KEY", "/abcDEF+ghi/JKL", "/abcDEF+ghi/JKL"),
        ("DB_PASSWORD", "correct horse", "correct horse"),
        ("DATABASE_URL", "postgres://u:geheim-pw@h/db", "geheim-pw"),
        ("SENTRY_DSN", "https://geheim@h/1", ""),
        ("MY_TOKEN", "\udcff\udcfe12345678", "\udcff\udcfe12345678"),
        ("GITHUB_TOKEN", "1234567", ""),
        ("CREDENTIAL_HELPER", "localstack", ""),
        ("SSH_KEY", "/home/alice/.ssh/id_rsa", ""),
        ("TLS_KEY", "/certs/server.pem", ""),
        ("API_KEY_PATH", "/etc/keys/api", ""),
        ("KEYBOARD", "abcdefghij", ""),
        ("AWS_SECRET_ACCESS_KEY", "test", ""),
        ("SSH_AUTH_SOCK", "/run/agent/sock", ""),
        ("TOKEN_FILE", "abcdefgh1", ""),
        ("GREETING", "abcdefgh1", ""),
        ("PATH", "/usr/bin:/bin", ""),
        ("PWD", "/projects/moonshot", ""),
    ]
    odd = {
        (name, value): found
        for name, value, secret in cases
        if (found := sensitive.secrets_of({name: value})) != ((secret,) if secret else ())
    }
    assert odd == {}


URLS = [
    ("https://h/x", "https://h/x", "https://h/x"),
    ("https://me:pw@h:1/x?a=b", "https://********@h:1/x?********", "https://h:1/x?a=b"),
    ("HTTP://me@h", "HTTP://********@h", "HTTP://h"),
    ("me:p@w@h/x", "********@h/x", "me:p@w@h/x"),
    ("/v1/a@b", "********@b", "/v1/a@b"),
    ("", "", ""),
]


def test_urls_lose_user_and_password() -> None:
    """Shown, a URL has a mask for its login and its query; recorded, it has no login at all."""
    found = [
        (url, sensitive.mask_url_credentials(url), sensitive.without_user(url)) for url, *_ in URLS
    ]
    assert found == URLS


def test_values_are_named_and_not_shown() -> None:
    """Of an ID its kind stays, of a long text two letters, of anything else its type."""
    ids = ("gen_1a55233f-ee4", "1234", "secret", "", None, 5, ["gen_x"], "ab\x1b_c")
    assert [sensitive.redact(each) for each in ids] == [
        *("gen_********", *["********"] * 6, "ab\x1b_********"),
    ]
    texts = ("tell-nobody", "secret", "é-tell-nobody", "")
    assert [*map(sensitive.summarize, texts)] == ["te******", "******", "******", "empty text"]
    values: tuple[object, ...] = (1, 1.5, True, None, [1], {"a": 1}, b"x")
    assert [*map(sensitive.summarize, values)] == [
        *("number", "number", "boolean", "null", "list", "object", "value"),
    ]
