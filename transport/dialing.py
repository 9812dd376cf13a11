"""What a failed dial means: from an errno to blame and code. Every dial failure is SAFE: no request byte has left.

A dead source address or an unreachable network is the line's fault, so is silence, because lines are lossy; a refusal
comes from the far end. Behind a line's proxy everything up to the tunnel is the line's.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from transport.failure import Code, Failure, Origin, Verdict

_LINE_CODES = {
    errno.EADDRNOTAVAIL: Code.DESTINATION_IP_UNROUTABLE,
    errno.ENETUNREACH: Code.DESTINATION_IP_UNROUTABLE,
    errno.EHOSTUNREACH: Code.DESTINATION_IP_UNROUTABLE,
    errno.ENETDOWN: Code.DESTINATION_IP_UNROUTABLE,
    errno.ENODEV: Code.DESTINATION_IP_UNROUTABLE,
    errno.EACCES: Code.DESTINATION_IP_UNROUTABLE,
    errno.EPERM: Code.DESTINATION_IP_UNROUTABLE,
    errno.ETIMEDOUT: Code.CONNECTION_TIMEOUT,
}
DEAD_LINE_ERRNOS = frozenset((errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN))
"""With these the kernel gives up a connection whose packets are not answered any more, or have no way to go."""
_EDGE_ERRNOS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

# How far an attempt got, when several addresses failed: the farthest tells most.
_TELLING = (
    Code.DESTINATION_IP_UNROUTABLE,
    Code.CONNECTION_TIMEOUT,
    Code.CONNECTION_TERMINATED,
    Code.CONNECTION_REFUSED,
)


def line_fault(code: str, detail: str) -> Failure:
    """A dial failure that counts against the line."""
    return Failure(Origin.LINE, Verdict.SAFE, code, detail)


def endpoint_fault(code: str, detail: str) -> Failure:
    """A dial failure that counts against the endpoint."""
    return Failure(Origin.ENDPOINT, Verdict.SAFE, code, detail)


def proxy_fault(detail: str) -> Failure:
    """The line's own proxy failed or refused."""
    return line_fault(Code.LINE_PROXY_ERROR, detail)


def errno_fault(number: int | None, detail: str) -> Failure:
    """The failure of a direct connect, handshake or tunnel with this errno (None: none was given)."""
    if number in _EDGE_ERRNOS:
        return Failure(Origin.EDGE, Verdict.SAFE, Code.PROXY_INTERNAL_ERROR, detail)
    if number == errno.ECONNREFUSED:
        return endpoint_fault(Code.CONNECTION_REFUSED, detail)
    code = _LINE_CODES.get(number, Code.CONNECTION_TERMINATED) if number else Code.CONNECTION_TERMINATED
    return line_fault(code, detail)


def most_telling(failures: Sequence[Failure]) -> Failure:
    """The one failure to report of a race in which every address failed (at least one is given)."""
    return max(
        failures, key=lambda failure: _TELLING.index(failure.code) if failure.code in _TELLING else len(_TELLING)
    )
