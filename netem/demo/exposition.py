"""What an edge says about its lines in /metrics, of which the demo needs one gauge."""

import re

_STANDING = re.compile(r'^farline_line_standing\{line="([^"]+)",standing="([^"]+)"\} 1\.0$', re.MULTILINE)


def standings(text: str) -> dict[str, str]:
    """Line → admitted, ejected or probation."""
    return dict(_STANDING.findall(text))
