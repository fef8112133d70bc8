"""The compose file's first service, docker/setup.py, as a module: a script in a folder that is no package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

PATH = Path(__file__).parents[2] / "docker" / "setup.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compose_setup", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


setup = _load()
alert_config = setup.alert_config
