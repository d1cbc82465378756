"""Tests of the rules for a base URL: what may be used, and what may be said of it."""

from __future__ import annotations

import pytest

from usagectl import endpoint
from usagectl.errors import InvalidValueError


def test_what_may_be_sent_to() -> None:
    """Plain http is for this machine alone; a path has to fit behind a base URL."""
    table = {
        "https://analytics.localstack.cloud/v1": "",
        "https://h": "",
        "https://h:8443/a/b/": "",
        "https://me:secret@h/v1": "",
        "http://localhost:4566/v1": "",
        "http://127.0.0.1/v1": "",
        "http://127.9.9.9/v1": "",
        "http://[::1]:80/v1": "",
        "HTTP://LOCALHOST/v1": "",
        "http://example.org/v1": "plain-http",
        "http://127.evil.example/v1": "plain-http",
        "http://192.0.2.1/v1": "plain-http",
        "http://[2001:db8::1]/v1": "plain-http",
        "https://h/v1?x=1": "invalid",
        "http://127.0.0.1:1/v1?x=1": "invalid",
        "http://127.0.0.1:1/v1#f": "invalid",
        "https://h:0/v1": "invalid",
        "https://h:99999/v1": "invalid",
        "https:///v1": "invalid",
        "ftp://h/v1": "invalid",
        "http://[bad/v1": "invalid",
        "nonsense": "invalid",
        " https://h/v1": "invalid",
        "https://h/v 1": "invalid",
        "https://h/\nv1": "invalid",
        "": "invalid",
    }
    assert {url: endpoint.problem_of(url) for url in table} == table
    allowed = {url: endpoint.problem_of(url, allow_http=True) for url in table}
    assert allowed == {url: each.replace("plain-http", "") for url, each in table.items()}


def test_what_an_author_may_declare() -> None:
    """What delivery would use, or nothing; no credentials, and those are not repeated."""
    for url in ("", "https://h/v1", "http://127.0.0.1:1/v1", "http://localhost/"):
        endpoint.check_declared(url)
    table: dict[object, str] = {
        "ftp://h/v1": "use a base URL",
        "https://h/v1?x=1": "use a base URL",
        "https://": "use a base URL",
        "http://example.org/v1": "plain http is for this machine alone",
        "https://me:canary@h/v1": "without credentials",
        "https://canary@h/v1": "without credentials",
        f"https://h/{'x' * 400}": "400 characters at most",
        None: "use a base URL",
        b"https://h": "use a base URL",
    }
    for odd, reason in table.items():
        with pytest.raises(InvalidValueError, match=reason) as caught:
            endpoint.check_declared(odd)
        assert "canary" not in str(caught.value)


def test_what_is_said_of_an_address() -> None:
    """Scheme, host and port; no credentials, no path, no query."""
    table = {
        "https://me:secret@h:8443/v1?x=1": ("https://h:8443", 8443),
        "http://[::1]/v1": ("http://[::1]", 80),
        "https://h": ("https://h", 443),
    }
    assert {url: (endpoint.origin_of(url), endpoint.port_of(url)) for url in table} == table
    assert endpoint.origin_of("http://h:99999") == "an invalid address"
