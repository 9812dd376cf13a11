"""TLS client contexts that resume sessions (RFC 8446 §2.2), and what a failed handshake means.

asyncio and uvloop make their SSL objects with `SSLContext.wrap_bio` and have no parameter for a saved session. So the
session travels in a context variable that the dialing task sets. That allows one context per trust store and ALPN list
for the whole node (loading a trust store costs 50 ms), while sessions are kept per (line, target).

Early data is never sent: Python's ssl has none, and a request that may not be replayed must not use it.
"""

from __future__ import annotations

import asyncio
import ssl
from contextvars import ContextVar
from pathlib import Path as FilePath
from typing import Any

import certifi

from transport.dialing import endpoint_fault, errno_fault, line_fault
from transport.failure import Code, Failure
from transport.path import Protocol

_resume: ContextVar[ssl.SSLSession | None] = ContextVar("farline_tls_session", default=None)


class ResumingContext(ssl.SSLContext):
    """A client context whose connections offer the session that `offer_session` set in the current task."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session or _resume.get())


def offer_session(session: ssl.SSLSession | None) -> None:
    """The TLS handshakes that this task begins from now on offer `session`; it must come from the same context."""
    _resume.set(session)


def saved_session(connection: ssl.SSLObject) -> ssl.SSLSession | None:
    """The session that a later handshake can resume, or None. With TLS 1.3 the ticket comes after the handshake."""
    session = connection.session
    if session is None or not (session.has_ticket or connection.version() == "TLSv1.2"):
        return None
    return session


class Contexts:
    """One context per (trust store, ALPN list), loaded off the event loop when first needed."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str | None, tuple[Protocol, ...]], ResumingContext] = {}
        self._lock = asyncio.Lock()

    async def get(self, ca_file: str | None, offer: tuple[Protocol, ...]) -> ResumingContext:
        """The context for this trust store and ALPN list.

        Raises:
            OSError: the file is missing or holds no certificates.
        """
        key = (ca_file, offer)
        context = self._contexts.get(key)
        if context is None:
            async with self._lock:
                context = self._contexts.get(key)
                if context is None:
                    context = await asyncio.to_thread(client_context, ca_file, offer)
                    self._contexts[key] = context
        return context


def client_context(ca_file: str | None, offer: tuple[Protocol, ...]) -> ResumingContext:
    """TLS 1.2 or later, host names checked. Trust: `ca_file`, else the system's store, else certifi's."""
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol.value for protocol in offer])
    paths = ssl.get_default_verify_paths()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    elif paths.cafile is not None and FilePath(paths.cafile).is_file():
        context.load_default_certs()
    else:
        context.load_verify_locations(certifi.where())
    return context


def handshake_fault(error: OSError) -> Failure:
    """The failure of a TLS handshake. A peer that answers with TLS is to blame; one that goes away, the line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return endpoint_fault(Code.TLS_CERTIFICATE_ERROR, error.verify_message)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return line_fault(Code.CONNECTION_TERMINATED, "the peer closed during the TLS handshake")
    if isinstance(error, ssl.SSLError):
        reason = error.reason or str(error)
        code = Code.TLS_ALERT_RECEIVED if "ALERT" in reason else Code.TLS_PROTOCOL_ERROR
        return endpoint_fault(code, reason)
    return errno_fault(error.errno, f"during the TLS handshake: {error}")


def ssl_object(transport: asyncio.BaseTransport) -> ssl.SSLObject | None:
    """The transport's TLS state, None on plain TCP."""
    found: Any = transport.get_extra_info("ssl_object")
    return found if isinstance(found, ssl.SSLObject) else None


def said_goodbye(tls: ssl.SSLObject) -> bool:
    """At EOF: did the peer close in order, with close_notify (RFC 8446 §6.1)? Event loops tell of both ends alike."""
    try:
        return not tls.read(1)
    except ssl.SSLError:
        return False
