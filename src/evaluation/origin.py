"""Where scores come from, and whether they are what they are called: out of fold, or of known shops.

A table without this proof is worth nothing: a network that knows a shop is sure of it, and thresholds
fitted on such scores accuse strangers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.evaluation.scores import ScoreRow
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

MAX_MISSING = 0.05
_FOLD = "fold:"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Forms(_Frozen):
    """How many of the selected photos were scored from what.

    Attributes:
        original: From the upload as it was.
        stored: From the stored 512-px form.
        missing: Not at all: no file, or none that can be read.
    """

    original: int = Field(ge=0)
    stored: int = Field(ge=0)
    missing: int = Field(ge=0)

    @property
    def missing_share(self) -> float:
        """Share of the selected photos that were not scored."""
        return self.missing / max(1, self.original + self.stored + self.missing)

    def __add__(self, other: Forms) -> Forms:
        return Forms(
            original=self.original + other.original,
            stored=self.stored + other.stored,
            missing=self.missing + other.missing,
        )


class ScoreMeta(_Frozen):
    """Which network made a score table, from which photos; lies beside the table as `<table>.json`.

    Attributes:
        network: Hash of the network.
        model_version: As its card says.
        select: Which photos, as `src.evaluation.score --select` takes it.
        manifest_hash: Identity of the manifest.
        splits_hash: Identity of the splits that the photos were selected by.
        held_out_fold: The fold that the network never saw, by its card.
        steps: How long it was trained, by its card; None when that says nothing.
        crops: How many crops of a photo were scored.
        limit: At most so many photos were taken, spread over shops; None for all.
        forms: What was scored from what; None until all of it is.
    """

    network: str
    model_version: str
    select: str
    manifest_hash: str
    splits_hash: str
    held_out_fold: int | None
    steps: int | None
    crops: int = Field(ge=0)
    limit: int | None = None
    forms: Forms | None = None


def check_selection(card: ModelCard, wanted: str, splits: str) -> None:
    """Refuse to score photos that a network was, or may have been, trained on as if it were not.

    `train` and `all` may be scored by any network: no report takes such a table.

    Raises:
        DataError: The card does not prove that the network never trained on what is selected.
    """
    if wanted in ("train", "all"):
        return
    facts = card.training
    if facts is None:
        raise DataError(
            f"the card does not say what the network was trained on: {wanted!r} may be known to it"
        )
    if facts.splits_hash != splits:
        raise DataError(
            f"the network was trained by splits {facts.splits_hash}, not {splits}: it may know {wanted!r}"
        )
    expected = int(wanted.removeprefix(_FOLD)) if wanted.startswith(_FOLD) else None
    if facts.held_out_fold != expected:
        left_out = "no fold" if facts.held_out_fold is None else f"fold {facts.held_out_fold}"
        raise DataError(f"{wanted!r} cannot be scored by a network whose training left out {left_out}")


def count_forms(rows: Iterable[ScoreRow], selected: int) -> Forms:
    """Count each photo once, by the form of its first row."""
    form_of: dict[str, str] = {}
    for row in rows:
        form_of.setdefault(row.photo_id, row.form)
    counts = Counter(form_of.values())
    return Forms(
        original=counts["original"], stored=counts["stored"], missing=max(0, selected - len(form_of))
    )


def meta_path(table: Path) -> Path:
    """Where the `ScoreMeta` of a table lies."""
    return table.with_name(table.name + ".json")


def write_meta(table: Path, meta: ScoreMeta) -> None:
    """Write the `ScoreMeta` of a table."""
    meta_path(table).write_text(meta.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_meta(table: Path) -> ScoreMeta:
    """Which network made a table.

    Raises:
        DataError: Nothing valid beside the table says so.
    """
    try:
        return ScoreMeta.model_validate_json(meta_path(table).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError) as error:
        raise DataError(
            f"{meta_path(table).name} is missing or invalid: which model made {table.name}?"
        ) from error


def check_unseen(metas: Sequence[ScoreMeta], rows: Sequence[Sequence[ScoreRow]]) -> None:
    """Refuse tables that are not out of fold.

    Args:
        metas: Of each table.
        rows: The rows of each table.

    Raises:
        DataError: A table is not of `fold:K` by a network that left fold K out, holds photos of another fold
            or of held-out generators, is unfinished, or does not belong to the others.
    """
    for meta, part in zip(metas, rows, strict=True):
        fold = meta.held_out_fold
        if fold is None or meta.select != f"{_FOLD}{fold}":
            raise DataError(
                f"a table of {meta.select!r} by a network without fold {fold} is not out of fold: `unseen` "
                "needs fold:K by the network that left fold K out"
            )
        if any(row.fold != fold or row.split == "heldout" for row in part):
            raise DataError(f"the table of fold {fold} holds photos that are not of this fold")
        _check_finished(meta, part)
    _same(metas, "splits_hash")
    _same(metas, "manifest_hash")
    if len({meta.held_out_fold for meta in metas}) != len(metas):
        raise DataError("two tables are of one and the same fold")
    if len({meta.network for meta in metas}) != len(metas):
        raise DataError("each fold needs a network of its own")


def check_known(meta: ScoreMeta, rows: Sequence[ScoreRow], select: str, unseen: Sequence[ScoreMeta]) -> None:
    """Refuse a table of the released network that is not of `select`, or not of the fold tables' splits.

    Raises:
        DataError: As said.
    """
    if meta.select != select or meta.held_out_fold is not None:
        raise DataError(
            f"`{select}` needs a table of --select {select} by the network that left no fold out, this is of "
            f"{meta.select!r} by one without fold {meta.held_out_fold}"
        )
    if any(row.split != select for row in rows):
        raise DataError(f"the table of `{select}` holds photos of another split")
    _check_finished(meta, rows)
    _same([meta, *unseen], "splits_hash")
    _same([meta, *unseen], "manifest_hash")
    if meta.network in {each.network for each in unseen}:
        raise DataError("one network scored known shops and unseen ones: it cannot be both")


def check_release(card: ModelCard, network: str, unseen: Sequence[ScoreMeta]) -> None:
    """Refuse to give a model what fold tables teach when it is not the one that they are the folds of.

    Raises:
        DataError: The card is of a fold network, or of other splits, or says nothing.
    """
    facts = card.training
    if facts is None or facts.held_out_fold is not None or network in {meta.network for meta in unseen}:
        raise DataError("the model must be the one trained on all folds, by its card")
    if any(meta.splits_hash != facts.splits_hash for meta in unseen):
        raise DataError("the model was trained by other splits than the fold networks")


def _check_finished(meta: ScoreMeta, rows: Sequence[ScoreRow]) -> None:
    if meta.forms is None:
        raise DataError(f"the scoring of {meta.select!r} was not finished: run it again")
    if meta.forms.missing_share > MAX_MISSING:
        raise DataError(
            f"{meta.forms.missing} photos of {meta.select!r} were not scored, more than {MAX_MISSING:.0%}"
        )
    if len({row.photo_id for row in rows}) != meta.forms.original + meta.forms.stored:
        raise DataError(f"the table of {meta.select!r} holds another number of photos than were scored")


def _same(metas: Sequence[ScoreMeta], name: str) -> None:
    found = sorted({str(getattr(meta, name)) for meta in metas})
    if len(found) > 1:
        raise DataError(f"the score tables differ in {name}: {', '.join(found)}")
