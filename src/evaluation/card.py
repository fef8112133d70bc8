"""Reads and rewrites the model card inside an ONNX file, and names the network in it by a hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from src.utils.errors import ModelError
from src.utils.model_card import METADATA_KEY, ModelCard


def read_card(path: Path) -> ModelCard:
    """The card of a model file.

    Raises:
        ModelError: No such file, no ONNX, or no valid card in it.
    """
    return _card_of(_load(path), path)


def write_card(path: Path, card: ModelCard) -> None:
    """Replace the card of a model file; graph, weights and other metadata stay as they are.

    The file is replaced in one step: whoever reads it meanwhile sees the old or the new model, never half of
    one.

    Raises:
        ModelError: No such file, or no ONNX.
    """
    model = _load(path)
    others = {entry.key: entry.value for entry in model.metadata_props if entry.key != METADATA_KEY}
    onnx.helper.set_model_props(model, {**others, METADATA_KEY: card.to_json()})
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(model.SerializeToString())
        os.replace(draft, path)  # noqa: PTH105 - the call that is atomic on every system
    finally:
        draft.unlink(missing_ok=True)


def network_hash(path: Path) -> str:
    """First 16 hex digits of the sha256 of what raw logits depend on: graph, view sizes, normalisation.

    Calibration, policies, figures, the weight of the views and how many crops count do not: scores keep the
    logit of each view, so they stay valid when the card learns from them.

    Raises:
        ModelError: No such file, no ONNX, or no valid card in it.
    """
    model = _load(path)
    card = _card_of(model, path)
    del model.metadata_props[:]
    digest = hashlib.sha256(model.SerializeToString(deterministic=True))
    sizes = card.views.model_dump_json(include={"max_side", "global_sizes", "crop_size"})
    digest.update(sizes.encode())
    digest.update(repr((card.mean, card.std)).encode())
    return digest.hexdigest()[:16]


def _load(path: Path) -> Any:  # noqa: ANN401 - onnx ships no types
    try:
        return onnx.load_model(str(path))
    except FileNotFoundError as error:
        raise ModelError(f"no model file {path.name}") from error
    except DecodeError as error:
        raise ModelError(f"{path.name} is no ONNX file") from error


def _card_of(model: Any, path: Path) -> ModelCard:  # noqa: ANN401 - onnx ships no types
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        raise ModelError(f"{path.name} carries no model card")
    return ModelCard.from_json(text)
