"""Programs that post: one line of shell a client, each with a body of its own."""

from __future__ import annotations

import shutil
import sys
from typing import NamedTuple
from urllib.parse import urlsplit


class Client(NamedTuple):
    """A client that posts its name to a URL."""

    name: str
    url: str
    program: str
    code: str  # A shell line; {url} and {body} are filled in.

    @property
    def body(self) -> str:
        """What it posts."""
        return f'{{"client": "{self.name}"}}'

    @property
    def line(self) -> str:
        """The shell line that posts."""
        filled = self.code.replace("{url}", self.url).replace("{body}", self.body)
        return filled.replace("{python}", sys.executable)

    @property
    def place(self) -> tuple[str, int]:
        """Host and port that it posts to."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]

    @property
    def is_here(self) -> bool:
        """True if its program is on this machine."""
        return shutil.which(self.program) is not None


_CURL = "curl -s -m 20 -o /dev/null -H 'content-type: application/json' -d '{body}' '{url}'"
_PYTHON = "{python} -c 'import sys, {module}; {call}' '{body}'"


def _python(module: str, call: str) -> str:
    return _PYTHON.replace("{module}", module).replace("{call}", call)


_URLOPEN = _python(
    "urllib.request", 'urllib.request.urlopen("{url}", sys.argv[1].encode(), 20).read()'
)
_REQUESTS = _python("requests", 'requests.post("{url}", sys.argv[1], timeout=20)')
_HTTPX = _python("httpx", 'httpx.post("{url}", content=sys.argv[1].encode(), timeout=20)')
_FETCH = """node -e 'fetch("{url}", {method: "POST", body: process.argv[1]})' '{body}'"""
_NODE = """node -e 'require("https").request("{url}", {method: "POST"}).end(process.argv[1])' \
'{body}'"""

CLIENTS = (
    Client("curl", "http://plain.example/a", "curl", _CURL),
    Client("curl-tls", "https://tls.example/b?x=1", "curl", _CURL),
    Client("urllib", "https://urllib.example/c", sys.executable, _URLOPEN),
    Client("requests", "https://requests.example/d", sys.executable, _REQUESTS),
    Client("httpx", "https://httpx.example/e", sys.executable, _HTTPX),
    Client("fetch", "https://fetch.example/f", "node", _FETCH),
    Client("node-https", "https://node.example/g", "node", _NODE),
)
"""Clients of many kinds that post to names, at the ports of HTTP and HTTPS."""

LITERAL = (
    Client("literal-4", "http://203.0.113.9/h", "curl", _CURL),
    Client("literal-4-tls", "https://203.0.113.9/i", "curl", _CURL),
    Client("literal-6", "http://[2001:db8::9]/j", "curl", _CURL),
    Client("literal-6-tls", "https://[2001:db8::9]/k", "curl", _CURL),
)
"""Clients that post to literal addresses."""

ODD_PORTS = (
    Client("odd-port", "http://odd.example:8080/l", "curl", _CURL),
    Client("odd-port-tls", "https://odd.example:8443/m", "curl", _CURL),
    Client("odd-literal", "https://203.0.113.9:9443/n", "curl", _CURL),
    Client("odd-literal-6", "https://[2001:db8::9]:9443/o", "curl", _CURL),
)
"""Clients that post to other ports, which are recorded only where nft redirects them."""
