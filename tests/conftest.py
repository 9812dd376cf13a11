"""Settings for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# Deadlines measure the machine, not the code. In continuous integration the same examples run every time: a failure
# there must be of the change, not of the dice; new examples are found wherever developers run the tests.
settings.register_profile("farline", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("farline")
