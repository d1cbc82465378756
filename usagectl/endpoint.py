"""Own what can be told of an endpoint from its URL alone; nothing is looked up."""

from __future__ import annotations

import re
from typing import Literal

from usagectl import settings

Problem = Literal["", "invalid", "plain-http"]

USUAL = (
    r"(?:https://[a-z0-9.-]+|http://(?:localhost|127\.0\.0\.1))"
    r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?(?:/[A-Za-z0-9._~-]*)*"
)
"""Base URLs in which nothing can be wrong; `problem_of` looks closely at all others."""


def is_loopback(url: str) -> bool:
    """Tell whether a URL names this machine: `localhost`, 127.0.0.0/8 or ::1."""
    import ipaddress  # few commands ask, and status is not to wait for it
    from urllib.parse import urlsplit

    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def looks_usable(url: str) -> bool:
    """Tell at a glance whether `problem_of` may find nothing wrong with a base URL.

    A command asks so before it starts the process that then looks closely.
    """
    return url.lower().startswith(("https://", "http://127.", "http://localhost", "http://[::1]"))


def problem_of(url: str, *, allow_http: bool = False) -> Problem:
    """Say why nothing may be sent to a base URL; empty when it may.

    Plain http is for this machine alone, unless the user wants it otherwise.
    """
    if re.fullmatch(USUAL, url):  # Each command asks this; to take a URL apart costs it 5 %.
        return ""
    if not settings.is_http_url(url) or "?" in url or "#" in url:  # `/events` is put behind it.
        return "invalid"
    is_plain = url.lower().startswith("http:")
    return "plain-http" if is_plain and not allow_http and not is_loopback(url) else ""


def origin_of(url: str) -> str:
    """Name scheme, host and port of a URL: no credentials, no path, no query."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def port_of(url: str) -> int:
    """Name the port of a usable URL, the usual one where it names none."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
