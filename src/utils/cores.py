"""How many processor cores this process may use, which in a container may be fewer than the machine has."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return the number of cores that the system lets this process run on; at least one."""
    affinity = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
