"""Tests of what names a secret, what looks like one, and how it is masked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.secrets import NAMES, NOT_NAMES, NOT_TOKENS, PLACED, TOKENS
from usagectl import sensitive


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
    assert [
        issuer for issuer, token in TOKENS.items() if not sensitive.looks_like_secret(token)
    ] == []


def test_credentials_are_found_by_their_place() -> None:
    """What follows a secret's name, a scheme or a user is masked; the length and the rest stay."""
    masked = {name: sensitive.mask_secrets(text) for name, text in PLACED.items()}
    assert {name for name, text in masked.items() if "canary" in text or "Y2Fu" in text} == set()
    assert {name for name, text in masked.items() if len(text) != len(PLACED[name])} == set()
    assert masked["form"] == "a=1&password=*******&b=2"
    assert masked["login"] == "postgres://*************@db/x"


def test_harmless_texts_are_left_as_they_are() -> None:
    """No ordinary name, sentence, version, path or mask is taken for a credential."""
    assert [text for text in NOT_TOKENS if list(sensitive.find_secrets(text))] == []
    assert [
        text
        for text in NOT_TOKENS
        if " " not in text and "=" not in text and sensitive.looks_like_secret(text)
    ] == []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("token=AKIAIOSFODNN7EXAMPLE", ["cloud-key"]),
        (f"password=x-{TOKENS['emulator token']}", ["emulator-token"]),
        (f"{TOKENS['npm token']} and {TOKENS['Slack token']}", ["token", "token"]),
        ("https://me:password=canary1@h", ["login"]),
        ("token=canary1&secret=canary2", ["assigned", "assigned"]),
    ],
)
def test_each_secret_is_found_once_by_its_closest_kind(text: str, kinds: list[str]) -> None:
    """Where several forms overlap, one secret is found: a known issuer's before a mere place."""
    assert [each.kind for each in sensitive.find_secrets(text)] == kinds


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


def test_known_values_are_masked_wherever_they_stand() -> None:
    """A value of this machine's environment goes, although nothing in its form tells it."""
    assert sensitive.mask_secrets("say canary, canary", ("canary",)) == "say ******, ******"


def test_secrets_of_the_environment_are_what_variables_call_so() -> None:
    """Names that speak of a credential, and passwords in URLs; no paths, no plain words."""
    cases = [
        ("LOCALSTACK_AUTH_TOKEN", '"ls-abcdefgh"', "ls-abcdefgh"),
        ("GITHUB_PAT", "abcdefgh1", "abcdefgh1"),
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
        ("PATH", "/usr/bin:/bin", ""),
        ("PWD", "/projects/moonshot", ""),
    ]
    odd = {
        name: found
        for name, value, secret in cases
        if (found := sensitive.secrets_of({name: value})) != ((secret,) if secret else ())
    }
    assert odd == {}


@pytest.mark.parametrize(
    ("url", "masked", "bare"),
    [
        ("https://h/x", "https://h/x", "https://h/x"),
        ("https://me:pw@h:1/x?a=b", "https://********@h:1/x?********", "https://h:1/x?a=b"),
        ("HTTP://me@h", "HTTP://********@h", "HTTP://h"),
        ("me:p@w@h/x", "********@h/x", "me:p@w@h/x"),
        ("/v1/a@b", "********@b", "/v1/a@b"),
        ("", "", ""),
    ],
)
def test_urls_lose_user_and_password(url: str, masked: str, bare: str) -> None:
    """Shown, a URL has a mask for its login and its query; recorded, it has no login at all."""
    assert sensitive.mask_url_credentials(url) == masked
    assert sensitive.without_user(url) == bare


def test_values_are_named_and_not_shown() -> None:
    """Of an ID its kind stays, of a long text two letters, of anything else its type."""
    assert [sensitive.redact(each) for each in ("gen_1234-abc", "1234", None)] == [
        "gen_********",
        "********",
        "********",
    ]
    values: tuple[object, ...] = (
        "tell-nobody",
        "secret",
        "é-tell-nobody",
        "",
        1,
        1.5,
        True,
        None,
        [1],
        {"a": 1},
        b"x",
    )
    assert [sensitive.summarize(each) for each in values] == [
        *("te******", "******", "******", "empty text", "number", "number", "boolean", "null"),
        *("list", "object", "value"),
    ]
