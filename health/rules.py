"""Every number of the health board in one place: the `[health]` section of the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from health.standing import StandingRules
from health.suspicion import SuspicionRules


@dataclass(frozen=True, slots=True)
class QualityRules:
    """When a line that works is too bad to be used; ratios 0 to 1, seconds.

    `most_ejected` bounds the share of lines that may be out for their quality: a bad line is better than none.
    """

    least_success: float = 0.95
    success_window: float = 300.0
    least_answered: float = 0.5  # of a far end's replies: its 5xx may be its callers' doing
    least_volume: int = 50  # observations; fewer prove nothing
    highest_rtt: float = 2.0
    most_ejected: float = 0.5


@dataclass(frozen=True, slots=True)
class HealthRules:
    """[health], as the file says it. docs/health.md tells why each default is what it is."""

    consecutive_failures: int = 3
    base_ejection_seconds: float = 1.0
    longest_ejection_seconds: float = 60.0
    forgiveness_seconds: float = 120.0
    probation_successes: int = 2
    flap_window_seconds: float = 600.0
    least_success_ratio: float = 0.95
    least_volume: int = 50
    highest_rtt_ms: float = 2000.0
    most_ejected_ratio: float = 0.5
    suspicion_margin_ms: float = 100.0
    false_alarms_per_hour: float = 0.01
    longest_silence_ms: float = 4500.0

    @property
    def standing(self) -> StandingRules:
        return StandingRules(
            self.consecutive_failures,
            self.base_ejection_seconds,
            self.longest_ejection_seconds,
            self.forgiveness_seconds,
            self.probation_successes,
            self.flap_window_seconds,
        )

    @property
    def quality(self) -> QualityRules:
        return QualityRules(
            self.least_success_ratio,
            least_volume=self.least_volume,
            highest_rtt=self.highest_rtt_ms / 1000.0,
            most_ejected=self.most_ejected_ratio,
        )

    @property
    def suspicion(self) -> SuspicionRules:
        return SuspicionRules(
            margin=self.suspicion_margin_ms / 1000.0,
            false_alarms_per_hour=self.false_alarms_per_hour,
            longest_silence=self.longest_silence_ms / 1000.0,
        )
