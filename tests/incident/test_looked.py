"""What a network saw is looked up, and never taken for what another one saw."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from src.evaluation.card import read_card, write_card
from src.incident import looked
from src.incident.looked import look_once
from src.incident.seen import Seen
from tests.support.tiny_model import tiny_card, write_tiny_model


@pytest.fixture
def looks(monkeypatch) -> list[int]:
    """How many photos each look ran the network on."""
    found: list[int] = []
    real = looked.look

    def counted(model, records, *rest):
        found.append(len(records))
        return real(model, records, *rest)

    monkeypatch.setattr(looked, "look", counted)
    return found


def test_the_second_look_is_the_first_ones(champion, data, tmp_path, looks):
    records = data.part("test")[:6]
    first, again = (look_once(champion, records, data.raw, tmp_path, ("clean", "web")) for _ in range(2))
    assert looks == [6]
    for item in fields(Seen):
        np.testing.assert_array_equal(getattr(first, item.name), getattr(again, item.name))


def test_other_photos_other_damage_and_another_network_are_looked_at(champion, data, tmp_path, looks):
    records = data.part("test")[:4]
    look_once(champion, records, data.raw, tmp_path)
    look_once(champion, records[:3], data.raw, tmp_path)
    look_once(champion, records, data.raw, tmp_path, ("web",))
    views = tiny_card().views.model_copy(update={"global_sizes": (96,)})
    other = write_tiny_model(tmp_path / "other.onnx", tiny_card(views=views))
    look_once(other, records, data.raw, tmp_path)
    assert looks == [4, 3, 4, 4]


def test_a_new_calibration_is_no_new_network(champion, data, tmp_path, looks):
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(champion.read_bytes())
    look_once(copy, data.part("test")[:3], data.raw, tmp_path)
    write_card(copy, read_card(copy).model_copy(update={"version": "9.9.9"}))
    look_once(copy, data.part("test")[:3], data.raw, tmp_path)
    assert looks == [3]


def test_a_damaged_table_is_made_anew(champion, data, tmp_path, looks):
    look_once(champion, data.part("test")[:3], data.raw, tmp_path)
    next(tmp_path.glob("*.npz")).write_bytes(b"half a file")
    assert len(look_once(champion, data.part("test")[:3], data.raw, tmp_path)) == 3
    assert looks == [3, 3]
