"""Which kinds of probes this machine can send over a line, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable

from health.aio.datagrams import open_icmp
from health.probe import ProbeKind
from health.probing import PULSES
from transport.eyeballs import is_v6
from transport.path import Line


def inabilities(line: Line, kinds: Iterable[ProbeKind], *, lasting: bool = False) -> dict[ProbeKind, str]:
    """The kinds that can't be sent over the line, each with the reason. Opens and closes a socket, sends nothing.

    `lasting`: without what may pass, such as an address or device that isn't there now.
    """
    if line.proxy is not None:
        return {kind: "the line is a proxy" for kind in kinds if kind in PULSES}
    if ProbeKind.ICMP not in kinds:
        return {}
    try:
        open_icmp(line, six=line.source is not None and is_v6(line.source)).close()
    except OSError as error:
        return {} if lasting and not isinstance(error, PermissionError) else {ProbeKind.ICMP: str(error)}
    return {}
