"""How many processor cores this process may use, which in a container may be fewer than the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""Where a container on Linux finds its own limits."""


def usable_cores() -> int:
    """Return the number of cores that the system lets this process run on; at least one.

    A container's limit (`--cpus`, `limits.cpu`) hides no core, but stops all threads when their time is used
    up: as many threads as the machine has cores would then mostly stand still.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not everywhere
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(cores, math.ceil(_cores_of_time(cores))))


def _cores_of_time(most: int) -> float:
    """How many cores the limit is worth (Linux, control groups 2 and 1); `most` where there is none."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = " ".join((CGROUP / name).read_text(encoding="ascii") for name in names).split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):
            continue  # not there, or `max`: no limit
        if quota > 0 and period > 0:
            return quota / period
    return float(most)
