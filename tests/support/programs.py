"""The servers that tests run for real, the Debian package of each, and a skip that says what is missing."""

from __future__ import annotations

import shutil

import pytest

from tests.support import postgres

POSTGRES = "initdb"
REDIS = "redis-server"
NGINX = "nginx"

PACKAGES = {
    POSTGRES: "postgresql",
    REDIS: "redis-server",
    NGINX: "nginx",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
}
"""Program: the package that `.ci/run` installs it from."""


def installed(program: str) -> bool:
    """Whether a test that runs this program can run here."""
    if program == POSTGRES:  # Debian keeps it off the path, and it does not run as root
        return postgres.binaries() is not None
    return shutil.which(program) is not None


def needs(program: str) -> None:
    """Skip the test, and say why, where a program is missing."""
    if not installed(program):
        pytest.skip(f"needs {program}: apt-get install {PACKAGES[program]}")
