"""Redis is tested where its server is installed."""

from __future__ import annotations

import shutil

collect_ignore = [] if shutil.which("redis-server") else ["test_limiter_redis.py"]
