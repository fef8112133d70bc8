"""The drift benchmark on a made-up table: a family that looks odd is alarmed, and the bars are computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.drift import judge, main
from src.evaluation.card import network_hash
from src.evaluation.embeddings import EmbeddingTable
from src.utils.errors import DataError
from tests.support.drift import draw
from tests.support.tiny_model import write_tiny_model


def a_table() -> EmbeddingTable:
    kinds = ["real", "fake"] * 400 + ["new"] * 60
    photos = draw(kinds, seed=5)
    n = len(kinds)
    kind = np.array(kinds)
    return EmbeddingTable(
        photo_id=np.array([f"p{place}" for place in range(n)]),
        tier=np.full(n, "clean"),
        fake=photos.fake,
        family=np.where(kind == "real", "camera", np.where(kind == "fake", "openai", "odd")),
        source=photos.source.astype("U8"),
        group=np.arange(n).astype("U8"),
        category=np.where(np.arange(n) % 3 == 0, "food", "home"),
        split=np.full(n, "test"),
        logit=photos.logit,
        embedding=photos.embedding.astype(np.float16),
        format=photos.format,
        width=photos.width,
        height=photos.height,
        bytes_per_pixel=photos.bytes_per_pixel,
        quality=photos.quality,
    )


@pytest.mark.slow
def test_the_benchmark_writes_its_report(tmp_path: Path) -> None:
    model, table = write_tiny_model(tmp_path / "m.onnx"), tmp_path / "t.npz"
    a_table().save(table, network_hash(model))
    common = ["--model", str(model), "--table", str(table), "--out", str(tmp_path / "out")]
    assert main([*common, "--families", "odd", "--runs", "4", "--stable", "2000", "--replicates", "2"]) == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    odd = found["families"]["odd"]
    assert odd["recall"] < 0.2
    assert [change["share"] for change in odd["changes"]] == [0.05, 0.1, 0.25, 0.5]
    assert odd["changes"][3]["alarm"]["within_500"] == 1.0
    assert odd["changes"][3]["labels_say"]["harmful"] == 4
    assert odd["stable"]["content"] == 0
    page = (tmp_path / "out" / "README.md").read_text()
    assert "| odd | 60 |" in page
    assert (tmp_path / "out" / "delay.png").stat().st_size > 1000


def test_a_table_of_another_network_is_refused(tmp_path: Path) -> None:
    model, table = write_tiny_model(tmp_path / "m.onnx"), tmp_path / "t.npz"
    a_table().save(table, "another")
    with pytest.raises(DataError, match="another network"):
        main(["--model", str(model), "--table", str(table)])


def test_bars_are_judged_by_the_worst_family_and_by_all_stable_photos() -> None:
    def family(alarms: int, share: float) -> dict[str, object]:
        return {
            "stable": {"photos": 100_000, "content": alarms, "labels": 0, "inputs": 9},
            "changes": [{"share": 0.25, "alarm": {"within_500": share}}],
        }

    good = judge({"a": family(1, 1.0), "b": family(1, 0.95)})
    assert all(bar["passed"] for bar in good.values())
    bad = judge({"a": family(3, 1.0), "b": family(0, 0.9)})
    assert [bar["passed"] for bar in bad.values()] == [False, False]
    assert bad["new_generator_at_0.25_within_500"]["families_passed"] == ["a"]
