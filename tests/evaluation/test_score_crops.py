"""Crops that a card does not count can be scored all the same, so that fitting may weigh them."""

from __future__ import annotations

import pytest

from src.evaluation.origin import read_meta
from src.evaluation.score import main
from src.evaluation.scores import read_scores
from src.utils.errors import DataError
from tests.evaluation.conftest import World
from tests.support.tiny_model import write_tiny_model


def test_more_crops_than_the_card_counts(world: World) -> None:
    card = world.card()
    bare = card.model_copy(update={"views": card.views.model_copy(update={"crops": 0})})
    write_tiny_model(world.model, bare)
    few, many = world.root / "few.csv", world.root / "many.csv"
    arguments = [*world.options(), "--select", "test", "--tiers", "clean", "--out"]
    assert main([*arguments, str(few)]) == 0
    assert main([*arguments, str(many), "--crops", "3"]) == 0
    assert (read_meta(few).crops, read_meta(many).crops) == (0, 3)
    assert all(row.crop_logits == () for row in read_scores(few))
    assert all(len(row.crop_logits) == 3 for row in read_scores(many))
    logits = [{row.photo_id: row.global_logit for row in read_scores(path)} for path in (few, many)]
    assert logits[0] == pytest.approx(logits[1], abs=1e-4)
    # A table is not filled up with crops it was not begun with.
    with pytest.raises(DataError, match="another model"):
        main([*arguments, str(few), "--crops", "3"])
