"""The calls around kept predictions: read, judge, queue, photo, deletion, and who may see whose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.inference.access.keys import Scope, issue_key
from src.store.records import new_id
from src.utils.settings import Settings
from tests.support.pictures import photo_bytes
from tests.support.service import Client, quiet_settings, running
from tests.support.tiny_model import tiny_card, write_tiny_model

PHOTO = photo_bytes(1)


@pytest.fixture(scope="module")
def unsure_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose every answer lies in the review band."""
    card = tiny_card()
    unsure = {
        name: policy.model_copy(update={"review_low": 0.0, "review_high": 1.0})
        for name, policy in card.policies.items()
    }
    path = tmp_path_factory.mktemp("unsure") / "tiny.onnx"
    return write_tiny_model(path, card.model_copy(update={"policies": unsure}))


def settings_for(model: Path, folder: Path, **changes: Any) -> Settings:
    fields = {
        "store_url": f"sqlite:///{folder}/detector.db",
        "spool_dir": folder / "spool",
        "store_images": folder / "images",
    }
    return quiet_settings(model, **(fields | changes))


@pytest.fixture
def client(unsure_model: Path, tmp_path: Path) -> Iterator[Client]:
    with running(settings_for(unsure_model, tmp_path)) as client:
        yield client


def predicted(client: Client, photo: bytes = PHOTO, **options: Any) -> str:
    reply = client.predict(photo, **options)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


def problem(reply: httpx.Response) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/problem+json"
    return reply.status_code, reply.json()["code"]


GIVEN = {"true_label": "real", "reviewer": " ana ", "reason": "seller sent the raw file"}


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_feedback_is_kept_with_its_prediction(client: Client, prefix: str) -> None:
    name = predicted(client)
    reply = client.post(f"{prefix}/predictions/{name}/feedback", json=GIVEN)
    assert reply.status_code == 201
    kept = reply.json()
    assert kept | GIVEN | {"reviewer": "ana"} == kept
    assert kept["prediction_id"] == name
    body = client.get(f"{prefix}/predictions/{name}").json()
    assert body["feedback"] == [kept]
    assert body["prediction"]["sha256"] == hashlib.sha256(PHOTO).hexdigest()
    assert {"api_key_id", "embedding"}.isdisjoint(body["prediction"])


def test_queue_is_paged_and_empties_by_feedback(client: Client) -> None:
    names = {predicted(client, photo_bytes(seed)) for seed in range(5)}
    first = client.get("/review?limit=3").json()
    second = client.get("/review", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert second["next_cursor"] is None
    items = first["items"] + second["items"]
    assert {item["id"] for item in items} == names
    doubt = [abs(item["probability"] - item["threshold"]) for item in items]
    assert doubt == sorted(doubt)
    for name in names:
        client.post(f"/predictions/{name}/feedback", json=GIVEN)
    assert client.get("/review").json() == {"items": [], "next_cursor": None}


def test_photo_can_be_fetched_and_only_as_a_download(client: Client) -> None:
    name = predicted(client)
    reply = client.get(f"/predictions/{name}/image")
    assert (reply.status_code, reply.content) == (200, PHOTO)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("fmt", "kind"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
)
def test_photo_is_shown_to_reviewers_under_the_type_of_its_bytes(client: Client, fmt: str, kind: str) -> None:
    photo = photo_bytes(3, fmt=fmt)
    name = predicted(client, photo)
    reply = client.get(f"/v1/predictions/{name}/photo")
    assert (reply.status_code, reply.content) == (200, photo)
    assert reply.headers["content-type"] == kind
    assert reply.headers["content-disposition"].startswith(f'attachment; filename="{name}.')
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "private, no-store"
    assert "sandbox" in reply.headers["content-security-policy"]


def test_photo_that_is_not_kept_has_a_code_of_its_own(
    client: Client, unsure_model: Path, tmp_path: Path
) -> None:
    name = predicted(client)
    client.request("DELETE", f"/predictions/{name}")
    assert problem(client.get(f"/predictions/{name}/photo")) == (404, "photo_not_kept")
    assert problem(client.get("/predictions/x/photo")) == (422, "invalid_request")
    with running(settings_for(unsure_model, tmp_path / "other", store_images=None)) as keeps_none:
        name = predicted(keeps_none)
        assert problem(keeps_none.get(f"/predictions/{name}/photo")) == (404, "photo_not_kept")


def test_photo_in_a_bucket_is_shown_and_deleted(unsure_model: Path, tmp_path: Path) -> None:
    with running(settings_for(unsure_model, tmp_path, store_images="memory://review/photos")) as client:
        name = predicted(client)
        assert client.get(f"/predictions/{name}/photo").content == PHOTO
        assert client.request("DELETE", f"/predictions/{name}").status_code == 204
        assert problem(client.get(f"/predictions/{name}/photo")) == (404, "photo_not_kept")


def test_deletion_leaves_nothing(client: Client) -> None:
    name = predicted(client)
    reply = client.request("DELETE", f"/predictions/{name}")
    assert (reply.status_code, reply.content) == (204, b"")
    for gone in (
        client.get(f"/predictions/{name}"),
        client.get(f"/predictions/{name}/image"),
        client.post(f"/predictions/{name}/feedback", json=GIVEN),
        client.request("DELETE", f"/predictions/{name}"),
    ):
        assert problem(gone) == (404, "not_found")
    assert client.get("/review").json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        GIVEN | {"true_label": "fake"},
        GIVEN | {"reviewer": "   "},
        GIVEN | {"reviewer": "x" * 201},
        GIVEN | {"reason": "x" * 2001},
        GIVEN | {"extra": 1},
    ],
)
def test_wrong_feedback_is_refused(client: Client, body: Any) -> None:
    reply = client.post(f"/predictions/{new_id()}/feedback", json=body)
    assert problem(reply) == (422, "invalid_request")


def test_hostile_text_is_kept_harmless(client: Client) -> None:
    name = predicted(client)
    reply = client.post(f"/predictions/{name}/feedback", json=GIVEN | {"reason": "a\0b'); DROP TABLE x"})
    assert reply.status_code == 201
    (kept,) = client.get(f"/predictions/{name}").json()["feedback"]
    assert kept["reason"] == "a\ufffdb'); DROP TABLE x"


@pytest.mark.parametrize(
    "path",
    [
        "/predictions/x",
        f"/predictions/{'G' * 32}",
        "/review?limit=0",
        "/review?limit=201",
        "/review?cursor=x",
    ],
)
def test_wrong_ids_limits_and_cursors_are_refused(client: Client, path: str) -> None:
    assert problem(client.get(path)) == (422, "invalid_request")


def test_service_without_a_store_says_so(unsure_model: Path) -> None:
    with running(quiet_settings(unsure_model)) as client:
        for reply in (client.get(f"/predictions/{new_id()}"), client.get("/review")):
            assert problem(reply) == (503, "store_unavailable")
            assert "retry-after" in reply.headers


def test_store_that_is_away_is_503_and_predictions_are_answered(unsure_model: Path, tmp_path: Path) -> None:
    place = tmp_path / "detector.db"
    place.mkdir()
    with running(settings_for(unsure_model, tmp_path)) as client:
        reply = client.predict(PHOTO)
        assert (reply.status_code, reply.json()["stored"]) == (200, False)
        name = reply.json()["id"]
        for away in (
            client.get(f"/predictions/{name}"),
            client.post(f"/predictions/{name}/feedback", json=GIVEN),
            client.request("DELETE", f"/predictions/{name}"),
            client.get("/review"),
        ):
            assert problem(away) == (503, "store_unavailable")


class Caller:
    """One API key."""

    def __init__(self, keys: Path, *scopes: Scope) -> None:
        _, secret = issue_key(keys, "test", frozenset(scopes))
        self.headers = {"Authorization": f"Bearer {secret}"}


def test_a_key_sees_its_own_predictions_and_a_reviewer_all(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    mine, theirs = Caller(keys, "predict"), Caller(keys, "predict")
    reviewer, admin = Caller(keys, "review"), Caller(keys, "admin")
    model = write_tiny_model(tmp_path / "tiny.onnx")
    with running(settings_for(model, tmp_path, keys_file=keys)) as client:
        name = predicted(client, headers=mine.headers)

        def read(caller: Caller) -> int:
            return client.get(f"/predictions/{name}", headers=caller.headers).status_code

        assert [read(caller) for caller in (mine, reviewer, admin)] == [200] * 3
        reply = client.get(f"/predictions/{name}", headers=theirs.headers)
        absent = client.get(f"/predictions/{new_id()}", headers=theirs.headers)
        # Nothing tells another's prediction from one that is not there.
        assert problem(reply) == problem(absent) == (404, "not_found")
        assert reply.json()["detail"] == absent.json()["detail"]


def test_feedback_needs_review_and_deletion_needs_admin(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    owner, reviewer, admin = Caller(keys, "predict"), Caller(keys, "review"), Caller(keys, "admin")
    model = write_tiny_model(tmp_path / "tiny.onnx")
    with running(settings_for(model, tmp_path, keys_file=keys)) as client:
        name = predicted(client, headers=owner.headers)

        def status(method: str, path: str, caller: Caller, **options: Any) -> int:
            return client.request(method, path, headers=caller.headers, **options).status_code

        feedback = f"/predictions/{name}/feedback"
        assert status("POST", feedback, owner, json=GIVEN) == 403
        assert status("GET", "/review", owner) == 403
        assert status("GET", f"/predictions/{name}/image", owner) == 403
        assert status("GET", f"/predictions/{name}/photo", owner) == 403
        assert status("POST", feedback, reviewer, json=GIVEN) == 201
        assert status("DELETE", f"/predictions/{name}", reviewer) == 403
        assert status("DELETE", f"/predictions/{name}", admin) == 204
