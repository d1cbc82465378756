"""Certificates for one run: an authority of its own, and a certificate for each name."""

from __future__ import annotations

import os
import ssl
import threading
from collections import OrderedDict
from contextlib import suppress

from usagectl.errors import LibraryMissingError

try:
    import trustme
    from idna import IDNAError
except ModuleNotFoundError as error:
    raise LibraryMissingError("trustme") from error

_MOST_CONTEXTS = 256
_UNNAMED = "unnamed.invalid"


class Authority:
    """An authority whose key stays in memory, and the TLS contexts of the names it vouches for.

    The latest 256 contexts are kept. Safe to use from any thread.
    """

    def __init__(self, *, protocols: tuple[str, ...] = ("http/1.1",)) -> None:
        self._ca = trustme.CA(organization_name="usagectl", organization_unit_name="one run")
        self._protocols = protocols
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def pem(self) -> bytes:
        """The authority's certificate, without its key."""
        return self._ca.cert_pem.bytes()

    def context(self, name: str) -> ssl.SSLContext:
        """Return a server's context for a host's name or address, whatever it looks like."""
        with self._lock:
            found = self._contexts.pop(name, None) or self._build(name)
            self._contexts[name] = found
            if len(self._contexts) > _MOST_CONTEXTS:
                self._contexts.popitem(last=False)
            return found

    def _build(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(list(self._protocols))
        _load(context, self._issue(name))
        return context

    def _issue(self, name: str) -> trustme.LeafCert:
        """Issue a certificate; for a name that none can be for, one for its domain, or for none.

        A host such as `a_b.example.com` is no domain name, but `*.example.com` covers it.
        """
        for identity in (name, f"*.{name.partition('.')[2]}"):
            with suppress(ValueError, IDNAError, UnicodeError):
                return self._ca.issue_cert(identity)
        return self._ca.issue_cert(_UNNAMED)


def _load(context: ssl.SSLContext, leaf: trustme.LeafCert) -> None:
    """Load a certificate and its key; `ssl` takes a file alone, so an anonymous one is made."""
    if not hasattr(os, "memfd_create"):
        leaf.configure_cert(context)  # By a temporary file that is removed at once.
        return
    with os.fdopen(os.memfd_create("leaf"), "wb", buffering=0) as stream:
        stream.write(leaf.private_key_and_cert_chain_pem.bytes())
        context.load_cert_chain(f"/proc/self/fd/{stream.fileno()}")
