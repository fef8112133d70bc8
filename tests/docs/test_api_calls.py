"""Runs the shell blocks of docs/API.md as they stand, with bash and curl, against the real service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from src.inference.access.keys import issue_key, parse_scopes
from tests.docs.markdown import SHELLS, blocks, text_of
from tests.support.live import live
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings
from tests.support.tiny_model import tiny_card, write_tiny_model

# Errors end a block, but where the document itself says that the call needs what is not there.
_CURL = 'curl() { command curl --silent --show-error --fail-with-body --noproxy "*" --max-time 300 "$@"; }\n'
# Without a network: no shop can be asked for a photo, and no shop is told of a job.
_REFUSED = {"/v1/predict/url": "url_disabled", "callback_url=": "webhooks_disabled"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl"),
]


@dataclass(frozen=True)
class Place:
    """A folder with photos, a service, and the variables that the document has set by then."""

    folder: Path
    variables: dict[str, str]

    def bash(self, script: str, *, fails: bool = False) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _CURL + script],
            cwd=self.folder,
            env=os.environ | self.variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("api")
    for number, name in enumerate(("photo.jpg", "a.jpg", "b.jpg")):
        (folder / name).write_bytes(photo_bytes(number))
    # Unsure of everything, so that photos wait for review and are kept.
    card = tiny_card()
    unsure = {
        name: policy.model_copy(update={"review_low": 0.0, "review_high": 1.0})
        for name, policy in card.policies.items()
    }
    model = write_tiny_model(folder / "tiny.onnx", card.model_copy(update={"policies": unsure}))
    scopes = parse_scopes(["predict", "review", "admin"])
    _, secret = issue_key(folder / "keys.json", "reader", scopes)
    settings = quiet_settings(
        model,
        keys_file=folder / "keys.json",
        store_url=f"sqlite:///{folder}/detector.db",
        spool_dir=folder / "spool",
        store_images=folder / "images",
    )
    with live(settings) as url:
        files = {"files": ("a.jpg", photo_bytes(1), "image/jpeg")}
        headers = {"X-API-Key": secret}
        job = httpx.post(f"{url}/v1/predict/jobs", files=files, headers=headers, timeout=120, trust_env=False)
        assert job.status_code == httpx.codes.ACCEPTED, job.text
        yield Place(folder, {"URL": url, "KEY": secret, "JOB": job.json()["id"]})


def calls() -> list[str]:
    """Shell blocks of the document that call the service."""
    return [
        text for language, text in blocks(text_of("docs/API.md")) if language in SHELLS and "curl" in text
    ]


def refused(line: str) -> str | None:
    return next((code for part, code in _REFUSED.items() if part in line), None)


@pytest.mark.parametrize("block", calls(), ids=lambda block: block.split("$URL", 1)[-1].split('"', 1)[0])
def test_a_block_of_calls_works_as_it_stands(place, block):
    lines = [line for line in block.splitlines() if "detector keys" not in line]
    place.bash("\n".join(line for line in lines if refused(line) is None))
    for line in lines:
        if (code := refused(line)) is not None:
            assert json.loads(place.bash(line, fails=True))["code"] == code


def test_each_call_of_the_table_is_one_of_the_service(place):
    paths = httpx.get(f"{place.variables['URL']}/openapi.json", timeout=120, trust_env=False).json()["paths"]
    known = {
        f"{method.upper()} {re.sub('{.*?}', '{id}', path)}" for path, ways in paths.items() for method in ways
    }
    rows = re.findall(r"^\| (`(?:GET|POST|DELETE) [^|]+`) \|", text_of("docs/API.md"), flags=re.MULTILINE)
    named = set()
    for row in rows:
        method = re.findall(r"GET|POST|DELETE", row)[0]
        named |= {f"{method} {path}" for path in re.findall(r"(/[\w/{}.-]*)[`,]?", row)}
    pages = {"GET /", "GET /docs", "GET /openapi.json"}
    assert len(rows) > 10
    assert named - known - pages == set()
