"""A whole training on the known photos and on labelled ones, judged on the splits that the champion was.

New photos only ever join `train`: every known photo stays where it was, so that the new model's figures are
of the same photos as the old one's, and the two can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from src.data.facts import open_facts
from src.data.layout import ORIGINALS, STORED, original_path
from src.data.manifest import CAMERA, PHOTO_ID_LENGTH, PhotoRecord, read_manifest, write_manifest
from src.data.splits import Split, read_splits, splits_hash, write_splits
from src.evaluation import fit, reference, report, score, shortcut
from src.evaluation.card import read_card, write_card
from src.evaluation.figures import read_report
from src.utils.errors import ConfigError, DataError, DetectorError

log = structlog.get_logger(__name__)

FEEDBACK = "feedback"
_FOLD = 0


@dataclass(frozen=True, slots=True)
class FullPlan:
    """How a training is done.

    Attributes:
        config: The run, as YAML.
        overrides: `section.key=value` for it.
        fold_steps: Steps of each fold network; as many as the run itself without it.
        replicates: Bootstrap draws of the report.
    """

    config: Path = Path("configs/train_config.yaml")
    overrides: tuple[str, ...] = ()
    fold_steps: int | None = 550
    replicates: int = 1000


def feedback_record(sha256: str, data: bytes, *, fake: bool, generator: str = FEEDBACK) -> PhotoRecord:
    """A labelled photo as a row of the manifest; each is a group of its own.

    Raises:
        ImageError: The bytes are no photo.
    """
    facts = open_facts(data)
    return PhotoRecord(
        path=f"images/{sha256[:PHOTO_ID_LENGTH]}.jpg",
        label="ai_generated" if fake else "real",
        generator=generator if fake else CAMERA,
        source=FEEDBACK,
        group=f"{FEEDBACK}:{sha256[:PHOTO_ID_LENGTH]}",
        category="other",
        product_like="unknown",
        style="",
        year=None,
        licence="none",
        repo="local/feedback",
        commit="0" * 40,
        repo_path=f"{sha256}.{facts.format.lower()}",
        sha256=sha256,
        original_format=facts.format,
        original_width=facts.width,
        original_height=facts.height,
        width=facts.width,
        height=facts.height,
    )


def of_feedback(record: PhotoRecord) -> PhotoRecord:
    """A photo that lies under `raw` already, as a row that tells no more than feedback does."""
    generator = FEEDBACK if record.is_fake else CAMERA
    return record.model_copy(update={"generator": generator, "source": FEEDBACK, "style": ""})


def grow(
    records: Sequence[PhotoRecord], splits: Mapping[str, Split], more: Sequence[PhotoRecord]
) -> tuple[list[PhotoRecord], list[Split]]:
    """Known photos as they are divided, and more of them in `train`; a known photo stays what it is."""
    known = {record.photo_id for record in records}
    fresh = [record for record in more if record.photo_id not in known]
    added = [Split(photo_id=record.photo_id, split="train", fold=_FOLD) for record in fresh]
    return [*records, *fresh], [*(splits[record.photo_id] for record in records), *added]


def claim_splits(model: Path, base: Mapping[str, Split], grown: Sequence[Split]) -> None:
    """Say in a model's card that it was trained by the base splits, once that is shown to be so.

    Raises:
        DataError: A base photo was moved, a new one is not in `train`, or the model is of other splits.
    """
    card = read_card(model)
    for split in grown:
        before = base.get(split.photo_id)
        if (before is not None and before != split) or (before is None and split.split != "train"):
            raise DataError("the grown splits are not the base splits with more photos in `train`")
    facts = card.training
    if len(grown) < len(base) or facts is None:
        raise DataError("the grown splits lack photos of the base splits, or the card says nothing of them")
    mine = splits_hash(base.values())
    if facts.splits_hash not in {mine, splits_hash(grown)}:
        raise DataError("the model was trained by other splits")
    write_card(model, card.model_copy(update={"training": facts.model_copy(update={"splits_hash": mine})}))


def train_on(
    photos: Mapping[str, tuple[bool, bytes | None]],
    plan: FullPlan,
    *,
    manifest: Path,
    splits: Path,
    raw: Path,
    out: Path,
) -> tuple[Path, Path, str]:
    """Train on known photos and on labelled ones, fold networks too, and judge the result in full.

    Args:
        photos: Sha256 -> whether it is AI-generated, and its bytes where they were kept.
        plan: How.
        manifest: Of the known photos.
        splits: Of the known photos.
        raw: Where they lie.
        out: Folder for everything that is made.

    Returns:
        The model, its report, and the name of its drift reference or why there is none.

    Raises:
        ConfigError: Of no labelled photo the bytes were kept.
        DataError: Manifest, splits or photos are missing or contradict each other.
    """
    usable = {sha256: (fake, data) for sha256, (fake, data) in photos.items() if data is not None}
    log.info("photos_kept", labelled=len(photos), kept=len(usable))
    if not usable:
        raise ConfigError(
            "of no labelled photo the bytes were kept: set DETECTOR_STORE_IMAGES, or refit the head"
        )
    # Training needs torch; whoever only refits a head does not.
    from src.training.config import load_config  # noqa: PLC0415
    from src.training.folds import train_folds  # noqa: PLC0415
    from src.training.train import train  # noqa: PLC0415

    records, base = read_manifest(manifest), read_splits(splits)
    more = [feedback_record(sha256, data, fake=fake) for sha256, (fake, data) in usable.items()]
    everything, grown = grow(records, base, more)
    place = out / "data"
    lay_out(place / "raw", raw, records, {r.sha256: (r, usable[r.sha256][1]) for r in more})
    write_manifest(place / "manifest.csv", everything)
    write_splits(place / "splits.csv", grown)
    config = load_config(plan.config, list(plan.overrides))
    data = config.data.model_copy(
        update={"manifest": place / "manifest.csv", "splits": place / "splits.csv", "raw": place / "raw"}
    )
    # A number of its own: training data that grow are another model.
    version = f"{config.version}+feedback.{len(everything)}"
    config = config.model_copy(update={"data": data, "output": out / "train", "version": version})
    model = train(config)
    networks = train_folds(config, plan.fold_steps)
    for network in (model, *networks):
        claim_splits(network, base, grown)
    return model, *_judge(model, networks, plan, (manifest, splits, raw), out)


def lay_out(
    place: Path, raw: Path, records: Sequence[PhotoRecord], more: Mapping[str, tuple[PhotoRecord, bytes]]
) -> None:
    """A folder of photos that holds links to the known ones and the bytes of the others."""
    for name in (ORIGINALS, STORED):
        (place / name).mkdir(parents=True, exist_ok=True)
        wanted = {record.photo_id for record in records}
        for file in sorted((raw / name).glob("*")):
            link = place / name / file.name
            if file.stem in wanted and not link.is_symlink():
                link.symlink_to(file.resolve())
    for record, data in more.values():
        original_path(record, place).write_bytes(data)


def _judge(
    model: Path, networks: Sequence[Path], plan: FullPlan, data: tuple[Path, Path, Path], out: Path
) -> tuple[Path, str]:
    """What `make evaluate` does, on the base splits; returns the report and the drift reference's name."""
    manifest, splits, raw = (str(each) for each in data)
    photos = ["--manifest", manifest, "--splits", splits, "--raw", raw]
    scores = out / "scores"
    folds = [str(scores / f"fold{network.parent.name}.csv") for network in networks]
    for network, table in zip(networks, folds, strict=True):
        wanted = f"fold:{network.parent.name}"
        _run(score.main, ["--model", str(network), *photos, "--select", wanted, "--out", table])
    test, check = str(scores / "test.csv"), str(scores / "shortcut.json")
    of_model = ["--model", str(model)]
    _run(score.main, [*of_model, *photos, "--select", "test", "--out", test])
    _run(fit.main, [*of_model, "--unseen", *folds])
    made = "none"
    try:
        _run(
            reference.main,
            [*of_model, *photos, "--table", str(scores / "embeddings.npz"), "--tiers", "clean"],
        )
        made = model.with_suffix(".reference.npz").name
    except DetectorError as error:
        made = f"none: {error.message}"
        log.warning("no_drift_reference", reason=error.message)
    shortcut.main([*of_model, *photos, "--scores", test, "--scores", *folds, "--out", check])
    options = ["--test", test, "--unseen", *folds, "--shortcut", check, "--manifest", manifest]
    folder = out / "report"
    replicates = ["--replicates", str(plan.replicates)]
    _run(report.main, [*of_model, *options, *replicates, "--out", str(folder)])
    read_report(folder / "report.json")
    return folder / "report.json", made


def _run(main: Callable[[Sequence[str]], int], arguments: list[str]) -> None:
    if main(arguments) != 0:
        raise DataError(f"a step of the evaluation failed: {' '.join(arguments[:2])}")
