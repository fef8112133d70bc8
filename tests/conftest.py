"""What holds for all tests: no time limit on a drawn example, and loopback is never asked of a proxy."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A busy machine may stop for longer than any limit on one example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

for name in ("no_proxy", "NO_PROXY"):
    others = [part for part in os.environ.get(name, "").split(",") if part]
    os.environ[name] = ",".join([*others, "127.0.0.1", "localhost", "::1"])
