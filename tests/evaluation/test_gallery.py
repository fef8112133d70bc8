"""The page of mistakes: the worst first, self-contained, and only in the ignored folder."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.gallery import main, worst_mistakes
from src.evaluation.plan import choice_of, combined
from src.evaluation.scores import as_table, write_scores
from src.utils.errors import ConfigError
from tests.evaluation.conftest import World, synthetic_rows
from tests.support.tiny_model import tiny_card


def test_the_surest_mistakes_come_first() -> None:
    table = as_table(synthetic_rows(signal=0.5)).of_tier("clean")
    card = tiny_card()
    accused = worst_mistakes(table, card, fake=False, count=5)
    missed = worst_mistakes(table, card, fake=True, count=5)
    assert [p for _, p in accused] == sorted((p for _, p in accused), reverse=True)
    assert [p for _, p in missed] == sorted(p for _, p in missed)
    assert min(p for _, p in accused) >= 0.5 > max(p for _, p in missed)
    probability = card.calibration.probability(combined(table, choice_of(card.views)))
    assert accused[0][1] == pytest.approx(np.max(probability[~table.fake]))
    fakes = set(table.photo_id[table.fake].tolist())
    assert fakes.isdisjoint(name for name, _ in accused)
    assert fakes.issuperset(name for name, _ in missed)


def test_the_page_is_self_contained(world: World) -> None:
    rows = synthetic_rows(shops=2, photos=12, tiers=("clean",), signal=0.0)
    ids = [record.photo_id for record in world.records]
    rows = [row.model_copy(update={"photo_id": name}) for row, name in zip(rows, ids, strict=True)]
    scores = world.root / "x.csv"
    write_scores(scores, rows)
    table = as_table(rows)
    mistaken = (combined(table, choice_of(tiny_card().views)) >= 0) != table.fake
    (world.raw / "originals" / f"{table.photo_id[mistaken][0]}.png").unlink()
    out = world.root / "outputs" / "deep" / "gallery.html"
    options = world.options()[:4]  # no splits are needed
    assert main(["--scores", str(scores), *options, "--raw", str(world.raw), "--out", str(out)]) == 0
    page = out.read_text()
    wrong = np.count_nonzero(mistaken)
    assert page.count("<figure>") == wrong
    assert page.count("data:image/jpeg;base64,") == wrong - 1
    assert "http" not in page
    assert str(world.root) not in page


def test_it_is_never_written_beside_committed_files(world: World) -> None:
    with pytest.raises(ConfigError, match="outputs"):
        main(["--scores", "x.csv", "--out", str(world.root / "reports" / "gallery.html")])
