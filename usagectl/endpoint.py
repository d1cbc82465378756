"""Rules for the base URL of an endpoint: may it be used, does it lead to this machine."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from usagectl.settings import is_http_url

Problem = Literal["", "invalid", "plain-http"]


def is_loopback(url: str) -> bool:
    """True if a URL leads to this machine: `localhost`, 127.0.0.0/8 or ::1."""
    import ipaddress  # 7 ms that a `status` without plain http does not wait for

    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def problem_of(url: str, *, allow_http: bool = False) -> Problem:
    """Return why nothing may be sent to a base URL; empty if it may be used.

    Plain http is for this machine alone, unless the user wants it otherwise.
    """
    if not is_http_url(url) or "?" in url or "#" in url:  # `/events` is put behind it.
        return "invalid"
    is_plain = url.lower().startswith("http:")
    return "plain-http" if is_plain and not allow_http and not is_loopback(url) else ""


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, without credentials, path and query."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an invalid address"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def port_of(url: str) -> int:
    """Return the port of a usable URL, or that of its scheme."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
