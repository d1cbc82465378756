"""Rules for the base URL of an endpoint: may it be used, does it lead to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from usagectl.errors import InvalidValueError
from usagectl.settings import is_http_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from usagectl.settings import DeliveryFormat

Problem = Literal["", "invalid", "plain-http"]

MOST_CHARACTERS = 400
"""How long a declared endpoint may be: a registration with a longer one is not understood."""

_BASE = "a base URL such as https://example.org/v1"
WANTED: dict[Problem, str] = {
    "invalid": f"use {_BASE}",
    "plain-http": "plain http is for this machine alone; use https",
}


def is_loopback(url: str) -> bool:
    """True if a URL leads to this machine: `localhost`, 127.0.0.0/8 or ::1."""
    import ipaddress  # 7 ms that a `status` without plain http does not wait for

    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


OTLP_FILES = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
"""Options of OpenTelemetry that name a file: to trust, to show, its key."""


def otlp_variables(option: str) -> tuple[str, str]:
    """Name OpenTelemetry's variables of an option: that for logs alone, which goes before, and it.

    Its specification: opentelemetry.io/docs/specs/otel/protocol/exporter.
    """
    return f"OTEL_EXPORTER_OTLP_LOGS_{option}", f"OTEL_EXPORTER_OTLP_{option}"


OTLP_VARIABLES = otlp_variables("ENDPOINT")

_LOGS_PATH = "/v1/logs"


def otlp_of(variables: Mapping[str, str]) -> tuple[str, str]:
    """Return the URL that OpenTelemetry's variables name for logs, and which of them does so.

    Both are empty without one. That for logs alone is taken as it is; to the other one the path
    is put (opentelemetry.io/docs/specs/otel/protocol/exporter).
    """
    for_logs, for_all = OTLP_VARIABLES
    if url := variables.get(for_logs, "").strip():
        return url, for_logs
    url = variables.get(for_all, "").strip()
    return (url.rstrip("/") + _LOGS_PATH, for_all) if url else ("", "")


def complete(base: str, delivery_format: DeliveryFormat) -> str:
    """Turn what somebody named into the base URL of a format's deliveries.

    That of OTLP is the whole URL. Some type its path, or a part of it; and `capture` leads events
    to a base that ends in `/v1`.
    """
    base = base.rstrip("/")
    if delivery_format == "events" or not base:
        return base
    return base.removesuffix(_LOGS_PATH).removesuffix("/v1") + _LOGS_PATH


def problem_of(url: str, *, allow_http: bool = False) -> Problem:
    """Return why nothing may be sent to a base URL; empty if it may be used.

    Plain http is for this machine alone, unless the user wants it otherwise.
    """
    if not is_http_url(url) or "?" in url or "#" in url:  # `/events` is put behind it.
        return "invalid"
    if not url.isprintable() or " " in url:  # urlsplit passes over what no client would take.
        return "invalid"
    is_plain = url.lower().startswith("http:")
    return "plain-http" if is_plain and not allow_http and not is_loopback(url) else ""


def check_declared(url: object) -> None:
    """Refuse an endpoint that an author declares and delivery would not use; empty: none.

    Credentials are refused too: whoever has the program could read them.

    Raises:
        InvalidValueError: the sentence says what can be taken, and shows no credentials.
    """
    text = url if isinstance(url, str) else ""
    if text == url == "":
        return
    wanted = WANTED.get(problem_of(text), "")
    if len(text) > MOST_CHARACTERS:
        wanted = f"use {MOST_CHARACTERS} characters at most"
    elif "@" in text.partition("//")[2].partition("/")[0]:
        wanted = f"use {_BASE}, without credentials"
    if wanted:
        shown = "the text given" if "@" in text else str(url)[:MOST_CHARACTERS]
        raise InvalidValueError("endpoint", shown, wanted=wanted)


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
