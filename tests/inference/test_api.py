"""The service's replies, one test for each status, and its promises about request ids and probes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from src.inference.api import create_app
from src.inference.problem import STATUS
from src.inference.scorer import Judge
from src.utils.errors import ConfigError, DetectorError, ImageError
from src.utils.settings import Settings
from tests.support.pictures import encode, photo_bytes, picture
from tests.support.service import Client, quiet_settings, running

RED = encode(Image.new("RGB", (80, 60), (230, 90, 40)), "PNG")
BLUE = encode(Image.new("RGB", (80, 60), (40, 90, 230)), "JPEG")
BOUNDARY = "multipart/form-data; boundary=xyz"


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["type"].endswith(code)
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("url", ["/predict", "/v1/predict"])
@pytest.mark.parametrize(("photo", "label"), [(RED, "ai_generated"), (BLUE, "real")])
def test_verdict(client: Client, url: str, photo: bytes, label: str) -> None:
    response = client.predict(photo, url)
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {
        "id", "stored", "label", "probability", "confidence", "needs_review", "threshold", "policy",
        "model_version", "timings_ms", "provenance", "request_id",
    }  # fmt: skip
    assert body["label"] == label
    assert body["confidence"] == pytest.approx(max(body["probability"], 1 - body["probability"]))
    assert (body["threshold"], body["policy"], body["model_version"]) == (0.5, "balanced", "0.0.1")
    assert body["request_id"] == response.headers["x-request-id"]


def test_evidence_only_when_asked_for(client: Client) -> None:
    grid = client.predict(RED, "/predict?explain=true").json()["evidence"]["heatmap"]
    assert len(grid) == 8
    assert all(len(row) == 8 and all(value is None or 0 <= value <= 1 for value in row) for row in grid)


def test_policy_by_query_or_form_and_the_query_wins(client: Client) -> None:
    def policy(url: str, **options: Any) -> str:
        return str(client.predict(RED, url, **options).json()["policy"])

    assert policy("/predict?policy=high_recall") == "high_recall"
    assert policy("/predict", data={"policy": "low_false_positive"}) == "low_false_positive"
    assert policy("/predict?policy=high_recall", data={"policy": "low_false_positive"}) == "high_recall"
    assert policy("/predict", data={"policy": ""}) == "balanced"


def test_declared_type_and_name_mean_nothing(client: Client) -> None:
    files = {"file": ("../../etc/passwd\x00.exe", RED, "text/html")}
    assert client.post("/predict", files=files).json()["label"] == "ai_generated"
    named_well = {"file": ("photo.jpg", b"<script>", "image/jpeg")}
    assert_problem(client.post("/predict", files=named_well), 415, "unsupported_format")


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (b"plain text", 415, "unsupported_format"),
        (BLUE[:300], 422, "corrupt_image"),
        (photo_bytes(1, (15, 40)), 422, "image_too_small"),
        (encode(Image.new("L", (400, 2)), "PNG"), 422, "image_too_small"),
        (encode(Image.new("1", (301, 20)), "PNG"), 422, "side_too_long"),
        (encode(Image.new("1", (299, 299)), "PNG"), 422, "too_many_pixels"),
        (encode(Image.new("RGB", (20, 20)), "BMP") + b"\0" * 70_000, 413, "file_too_large"),
    ],
)
def test_bad_photos(model_path: Path, photo: bytes, status: int, code: str) -> None:
    settings = quiet_settings(model_path, max_bytes=70_000, max_side=300, max_pixels=80_000)
    if code == "image_too_small":
        settings = quiet_settings(model_path)
    with running(settings) as client:
        assert_problem(client.predict(photo), status, code)


def test_too_many_frames(model_path: Path) -> None:
    frames = [picture(number, (40, 30)).convert("P") for number in range(4)]
    photo = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with running(quiet_settings(model_path, max_frames=3)) as client:
        assert_problem(client.predict(photo), 422, "too_many_frames")


def test_unknown_policy_and_wrong_query(client: Client) -> None:
    problem = assert_problem(client.predict(RED, "/predict?policy=lenient"), 422, "unknown_policy")
    assert "balanced" in problem["detail"]
    problem = assert_problem(client.predict(RED, "/predict?explain=perhaps"), 422, "invalid_request")
    assert problem["detail"].startswith("query.explain")
    assert_problem(client.predict(RED, f"/predict?policy={'x' * 65}"), 422, "invalid_request")


def test_routes_that_are_not_there(client: Client) -> None:
    assert_problem(client.get("/nowhere"), 404, "not_found")
    response = client.get("/predict")
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


class Broken:
    """A detector whose every photo ends in the given error."""

    def __init__(self, good: Judge, error: Exception) -> None:
        self.card, self._error = good.card, error

    def prepare(self, photo: bytes) -> Any:
        raise self._error

    def judge(self, items: Any, policies: Any) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("secret detail"), 500, "internal_error"),
        (DetectorError("secret detail"), 500, "internal_error"),
        (ImageError("new_kind_of_damage", "The photo is odd."), 422, "corrupt_image"),
    ],
)
def test_bugs_are_500_without_details(
    model_path: Path, detector: Judge, error: Exception, status: int, code: str
) -> None:
    with running(quiet_settings(model_path), lambda _: Broken(detector, error)) as client:
        response = client.predict(RED)
    assert_problem(response, status, code)
    assert "secret" not in response.text


def test_sane_request_id_is_kept_and_any_other_replaced(client: Client) -> None:
    def reply(offered: str) -> str:
        response = client.get("/livez", headers={"X-Request-ID": offered.encode()})
        return str(response.headers["x-request-id"])

    assert reply("order-2024.0001_a") == "order-2024.0001_a"
    for odd in ("short", "x" * 65, 'a"b\\c{}defgh', "naïve-requests-id", ""):
        assert re.fullmatch(r"[0-9a-f]{32}", reply(odd))
    assert reply("") != reply("")


def test_probes_of_a_ready_service(client: Client) -> None:
    assert client.get("/livez").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}
    health = client.get("/health")
    assert health.status_code == 200
    body = health.json()
    assert (body["status"], body["model_name"], body["model_version"]) == ("ok", "tiny", "0.0.1")
    assert body["uptime_s"] >= 0


def test_a_model_that_does_not_load_leaves_a_live_service_that_is_not_ready(tmp_path: Path) -> None:
    with running(quiet_settings(tmp_path / "gone.onnx")) as client:
        assert client.get("/livez").status_code == 200
        problem = assert_problem(client.get("/readyz"), 503, "model_not_ready")
        assert problem["detail"].endswith("failed")
        response = client.predict(RED)
        assert_problem(response, 503, "model_not_ready")
        assert int(response.headers["retry-after"]) >= 1
        health = client.get("/health")
        assert health.status_code == 503
        assert health.json()["status"] == "failed"


def test_description_has_examples_for_success_and_each_problem(client: Client) -> None:
    document = client.get("/openapi.json").json()
    for path in ("/predict", "/v1/predict"):
        operation = document["paths"][path]["post"]
        assert operation["requestBody"]["content"]["multipart/form-data"]["schema"]["required"] == ["file"]
        shown: dict[str, int] = {}
        for status, response in operation["responses"].items():
            for code, example in (
                response["content"].get("application/problem+json", {}).get("examples", {}).items()
            ):
                shown[code] = int(status)
                assert example["value"]["status"] == int(status)
        assert {code: STATUS[code] for code in shown} == shown
    prediction = document["components"]["schemas"]["Prediction"]
    assert prediction["examples"][0]["label"] == "ai_generated"
    assert set(prediction["examples"][0]) <= set(prediction["properties"])


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTOR_QUEUE_SIZE", "5")
    assert create_app().state.service.settings.queue_size == 5
    monkeypatch.setenv("DETECTOR_QUEUE_SIZE", "many")
    with pytest.raises(ConfigError, match="DETECTOR_QUEUE_SIZE"):
        create_app()
    assert create_app(Settings(queue_size=1)).state.service.settings.queue_size == 1


def test_every_fault_of_a_photo_is_told_by_its_own_code(client: Client) -> None:
    codes = {cls.code for cls in ImageError.__subclasses__() if "code" in vars(cls)}
    assert codes <= set(STATUS)
    reply = client.post("/predict", files={"file": encode(picture(1, (1700, 100)))})
    assert (reply.status_code, reply.json()["code"]) == (422, "too_elongated")
