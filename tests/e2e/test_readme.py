"""Does what the README's first screen says, with the shipped model in the environment of `make serve`."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.photos import procedural_photo
from bench.server import Server, free_port, running, uvicorn_command
from src.utils.model_card import ModelCard
from tests.support.patience import eventually

REPO = Path(__file__).parents[2]
SERVE_BIN = REPO / ".venv-serve" / "bin"
# A bare machine installs the serving environment on the first call.
INSTALL_SECONDS = 600

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    port = free_port()
    with running(["make", "serve", f"PORT={port}"], port=port, timeout=INSTALL_SECONDS) as server:
        yield server


@pytest.fixture(scope="module")
def readme() -> str:
    return (REPO / "README.md").read_text()


@pytest.fixture(scope="module")
def shown_verdict(readme: str) -> dict[str, object]:
    """The verdict in JSON that the README shows."""
    block = re.search(r"```json\n(.*?)```", readme, flags=re.DOTALL)
    assert block is not None
    return dict(json.loads(block[1]))


def post(url: str, photo: bytes, *, path: str = "/predict", field: str = "file") -> httpx.Response:
    files = {field: ("photo.jpg", photo, "image/jpeg")}
    return httpx.post(f"{url}{path}", files=files, timeout=60, trust_env=False)


def test_the_readme_curl_gets_the_verdict_that_the_readme_shows(service, readme, shown_verdict):
    call = re.search(r"curl .*-F (\w+)=@\S+ http://127\.0\.0\.1:8000(/\S*)", readme)
    assert call is not None
    reply = post(service.url, procedural_photo(), path=call[2], field=call[1])
    assert reply.status_code == httpx.codes.OK, reply.text
    verdict = reply.json()
    assert set(verdict) == set(shown_verdict)
    assert set(verdict["timings_ms"]) == set(shown_verdict["timings_ms"])
    assert verdict["label"] == ("ai_generated" if verdict["probability"] >= verdict["threshold"] else "real")
    fake = verdict["label"] == "ai_generated"
    given = verdict["probability"] if fake else 1 - verdict["probability"]
    assert verdict["confidence"] == pytest.approx(given)


def test_health_names_the_model_that_judges(service):
    health = httpx.get(f"{service.url}/health", timeout=60, trust_env=False).json()
    verdict = post(service.url, procedural_photo()).json()
    assert health["status"] == "ok"
    assert health["model_version"] == verdict["model_version"]


def test_text_with_a_picture_name_is_refused_with_a_code(service):
    reply = post(service.url, b"this is no picture " * 40)
    assert reply.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    assert reply.json()["code"] == "unsupported_format"


def test_the_command_line_agrees_with_the_service(service, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(procedural_photo(seed=3))
    done = subprocess.run(
        [SERVE_BIN / "detector", "detect", photo, "--json"],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    served = post(service.url, photo.read_bytes()).json()
    printed = json.loads(done.stdout)
    assert printed["label"] == served["label"]
    assert printed["probability"] == pytest.approx(served["probability"], abs=1e-5)


def test_the_serving_environment_holds_no_training_library(service):
    names = {path.name for path in SERVE_BIN.parent.glob("lib/python*/site-packages/*")}
    assert {"onnxruntime", "fastapi"} <= names
    assert names.isdisjoint({"torch", "mlflow", "ray", "streamlit", "pandas", "sklearn", "matplotlib"})


def test_the_shipped_model_carries_its_card(service):
    load = "Detector.from_file('models/detector.onnx')"
    code = f"from src.inference.detector import Detector; print({load}.card.to_json())"
    done = subprocess.run(
        [SERVE_BIN / "python", "-c", code], cwd=REPO, capture_output=True, text=True, check=True, timeout=120
    )
    card = ModelCard.from_json(done.stdout)
    assert {"balanced", "low_false_positive", "high_recall"} <= set(card.policies)


def held(url: str) -> float:
    """Bytes of uploads that the server holds."""
    page = httpx.get(f"{url}/metrics", timeout=60, trust_env=False).text
    found = re.search(r"^detector_upload_bytes (\S+)$", page, flags=re.MULTILINE)
    assert found is not None
    return float(found[1])


def draining(url: str) -> bool:
    """Whether the server is not ready any more, or has stopped listening."""
    try:
        return httpx.get(f"{url}/readyz", timeout=60, trust_env=False).status_code != httpx.codes.OK
    except httpx.TransportError:
        return True


def test_sigterm_answers_what_is_in_flight_and_ends(service):
    port = free_port()
    photo = procedural_photo()
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    body = head + photo + b"\r\n--cut--\r\n"
    with running(uvicorn_command(str(SERVE_BIN / "python"), port), port=port) as server:

        def half_then_sigterm() -> Iterator[bytes]:
            yield body[: len(body) // 2]
            eventually(lambda: held(server.url) > 0, "the server did not read the first half")
            server.process.terminate()
            eventually(lambda: draining(server.url), "the server did not hear the signal")
            yield body[len(body) // 2 :]

        headers = {"content-type": "multipart/form-data; boundary=cut", "content-length": str(len(body))}
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
            reply = client.post("/predict", content=half_then_sigterm(), headers=headers)
        assert reply.status_code == httpx.codes.OK, reply.text
        assert server.process.wait(timeout=60) in (0, -15)
