"""Which scope each call needs: one table, read before anything of a request's body is.

What the table does not name needs `admin`, so that a route that was forgotten here is closed, not open.
"""

from __future__ import annotations

import re
from typing import Literal

from src.inference.access.keys import Scope

Need = Scope | Literal["nothing", "any"]
"""`nothing`: open to all. `any`: any live key."""

_TABLE: tuple[tuple[str, str, Need], ...] = (
    (r"GET|HEAD", r"/(livez|readyz|health)", "nothing"),
    (r"GET|HEAD", r"/(openapi\.json|docs(/[a-z.-]+)?)?", "nothing"),
    (r"POST", r"/predict(/batch|/url|/jobs)?", "predict"),
    (r"GET", r"/predict/jobs/[^/]+", "any"),
    (r"POST", r"/explain", "predict"),
    (r"GET", r"/model(/report)?", "any"),
    (r"GET", r"/predictions/[^/]+", "any"),
    (r"POST", r"/predictions/[^/]+/feedback", "review"),
    (r"GET", r"/predictions/[^/]+/(photo|image)", "review"),
    (r"GET", r"/review", "review"),
    (r"GET", r"/drift", "review"),
)
_RULES = tuple((re.compile(methods), re.compile(paths), need) for methods, paths, need in _TABLE)


def need_of(method: str, path: str) -> Need:
    """Return what a call needs; versioned paths need what their like at the root does."""
    plain = path[3:] if path.startswith("/v1/") else path
    for methods, paths, need in _RULES:
        if methods.fullmatch(method) and paths.fullmatch(plain):
            return need
    return "admin"
