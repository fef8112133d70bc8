"""How long the fold networks were trained against the released one: said beside every `unseen` figure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from src.evaluation.origin import ScoreMeta
from src.utils.errors import DataError
from src.utils.model_card import ModelCard


class Lengths(BaseModel):
    """Optimiser steps, from the cards.

    Attributes:
        released: Of the released network.
        folds: Of each fold network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    released: int
    folds: dict[int, int]

    @classmethod
    def of(cls, card: ModelCard, metas: Sequence[ScoreMeta]) -> Lengths:
        """Gather them.

        Raises:
            DataError: A card does not say.
        """
        folds = {
            meta.held_out_fold: meta.steps
            for meta in metas
            if meta.held_out_fold is not None and meta.steps is not None
        }
        if card.training is None or len(folds) != len(metas):
            raise DataError("a card does not say how long its network was trained")
        return cls(released=card.training.steps, folds=folds)

    @property
    def of_folds(self) -> str:
        """`550 steps`, or from the least to the most."""
        least, most = min(self.folds.values()), max(self.folds.values())
        return f"{most} steps" if least == most else f"{least} to {most} steps"

    @property
    def words(self) -> str:
        """For the side of a figure."""
        return f"fold networks of {self.of_folds}; the released one: {self.released}"

    @property
    def origin(self) -> str:
        """For a policy's description."""
        return (
            f"Fitted on shops unseen by fold networks of {self.of_folds}; this network was trained for "
            f"{self.released}."
        )
