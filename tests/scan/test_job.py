"""What is sent to the machines of a cluster: enough to judge photos, and no secret."""

from __future__ import annotations

import pickle
from pathlib import Path

from src.inference.photo import limits_of
from src.scan.places import Folder
from src.scan.run import _job
from tests.scan.catalogue import order_for, settings_for


def test_passwords_and_keys_are_not_sent(catalogue: Path, model_path: Path, tmp_path: Path) -> None:
    settings = settings_for(
        model_path,
        store_url="postgresql+psycopg://detector:hunter2@db/detector",
        rate_limit_url="redis://:hunter2@redis:6379",
        registry_uri="https://user:hunter2@registry",
        otlp_endpoint="https://hunter2@collector",
        webhook_secret="whsec_hunter2",
        url_hosts=("shop.example",),
        max_bytes=123_456,
        trust_anchors=Path("anchors.pem"),
    )
    assert b"hunter2" in pickle.dumps(settings)
    job = _job(order_for(catalogue, tmp_path / "out"), settings, Folder(tmp_path / "out"))
    assert b"hunter2" not in pickle.dumps(job)
    assert limits_of(job.settings) == limits_of(settings)
    assert (job.settings.url_hosts, job.settings.trust_anchors) == (("shop.example",), Path("anchors.pem"))
