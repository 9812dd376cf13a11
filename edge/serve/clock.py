"""The node's own clock: what operators' schedules and maintenance go by."""

from __future__ import annotations

from datetime import datetime
from time import time

from edge.config.schedule import zone
from edge.routing.ask import Moment


class LocalClock:
    """Gives the same Moment for the length of a second, so that what was derived from it can be kept."""

    def __init__(self, timezone: str) -> None:
        self._zone = zone(timezone)
        self._second = -1
        self._moment = Moment()

    def moment(self) -> Moment:
        second = int(time())
        if second != self._second:
            local = datetime.fromtimestamp(second, self._zone)
            self._second = second
            self._moment = Moment(float(second), local.weekday(), local.hour * 60 + local.minute)
        return self._moment
