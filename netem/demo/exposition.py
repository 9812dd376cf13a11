"""What an edge says about its lines in /metrics, of which the demo needs two gauges."""

import re

_STANDING = re.compile(r'^farline_line_standing\{line="([^"]+)",standing="([^"]+)"\} 1\.0$', re.MULTILINE)
_ROUND_TRIP = re.compile(r'^farline_line_rtt_seconds\{line="([^"]+)"\} (\S+)$', re.MULTILINE)


def standings(text: str) -> dict[str, str]:
    """Line → admitted, ejected or probation."""
    return dict(_STANDING.findall(text))


def round_trips(text: str) -> dict[str, float]:
    """Line → its last measured round trip, in seconds."""
    return {line: float(value) for line, value in _ROUND_TRIP.findall(text)}
