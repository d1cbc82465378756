"""Own every socket that usagectl opens; the only importer of httpx.

So far that is one question to a LocalStack that runs on this machine, asked
only by `preview --live`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from datetime import timedelta


class NotAnsweringError(UsagectlError):
    """Tell that nothing useful answered on a loopback address."""

    code = "not-answering"
    exit_status = 1

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"{url} gave no answer: {reason}.", hint="localstack start -d")


def get_json(url: str, timeout: timedelta) -> dict[str, object]:
    """Ask a loopback address for a JSON object, past proxies and redirects.

    Raises:
        NotAnsweringError: nothing listens, it took too long, or the answer is no object.
    """
    import httpx  # costs more than a whole status

    _require_loopback(url)
    try:
        with httpx.Client(trust_env=False, follow_redirects=False) as client:
            response = client.get(url, timeout=timeout.total_seconds())
        response.raise_for_status()
        document = response.json()
    except httpx.TimeoutException as error:
        raise NotAnsweringError(url, reason="it took too long") from error
    except httpx.HTTPStatusError as error:
        reason = f"status {error.response.status_code}"
        raise NotAnsweringError(url, reason=reason) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotAnsweringError(url, reason=type(error).__name__) from error
    except (ValueError, RecursionError) as error:
        raise NotAnsweringError(url, reason="the answer is not JSON") from error
    if not isinstance(document, dict):
        raise NotAnsweringError(url, reason="the answer is no JSON object")
    return document


def _require_loopback(url: str) -> None:
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    if not ipaddress.ip_address(host).is_loopback:
        message = f"{host} is not a loopback address"
        raise ValueError(message)
