"""Hypothesis profiles: `ci` draws the same examples in every run, `dev` looks for new ones."""

import os

from hypothesis import HealthCheck, settings

# What is printed is laid out for a pipe, also where somebody watches.
os.environ["COLUMNS"] = "80"

# A drawn network costs from a millisecond to a second, so no time limit holds for all of them.
settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)
