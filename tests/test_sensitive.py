"""Tests of what counts as a secret of the environment."""

from __future__ import annotations

import pytest

from usagectl import sensitive


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("LOCALSTACK_AUTH_TOKEN", '"ls-abcdefgh"', "ls-abcdefgh"),
        ("GITHUB_PAT", "abcdefgh1", "abcdefgh1"),
        ("SIGNING_KEY", "abcdefgh1", "abcdefgh1"),
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
    ],
)
def test_secrets_are_what_variables_call_so(name: str, value: str, secret: str) -> None:
    """Names that speak of a token, key or password, and passwords in URLs; no paths, no words."""
    assert sensitive.secrets_of({name: value}) == ((secret,) if secret else ())
