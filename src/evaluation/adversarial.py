"""What an attacker who has the model file can do: verdicts after projected gradient descent, by strength.

Each picture is attacked towards the other label, and judged without a defence, with one that the attacker
does not know, and with one through which the attack was led.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict
from rich.progress import track

from src.data.manifest import PhotoRecord
from src.evaluation.adversarial_attack import Target, attack, defend
from src.evaluation.bootstrap import REPLICATES, Figure, intervals
from src.evaluation.command import parser, run_command
from src.evaluation.metrics import BoolArray, FloatArray, decision_metrics
from src.evaluation.robustness_sample import (
    Sample,
    Sitting,
    add_sample_options,
    describe,
    open_limited,
    open_sittings,
)
from src.evaluation.score import WORKERS, score_image
from src.evaluation.tables import interval, number, table
from src.evaluation.wording import made
from src.imaging.views import whole
from src.utils.errors import DataError

COMMAND = "python -m src.evaluation.adversarial"
PHOTOS = 30
STEPS = 10
EPSILONS = (0, 1, 2, 3, 4)

Setting = Literal["none", "unaware", "aware"]
SETTINGS: dict[Setting, str] = {
    "none": "no defence",
    "unaware": "defence, attacker does not know it",
    "aware": "defence, attack through it",
}


class AttackRow(BaseModel):
    """Verdicts at one strength in one setting.

    Attributes:
        epsilon: Largest change of a channel, of 255; 0 for untouched pictures.
        setting: Who knows what.
        accuracy: Share of right verdicts.
        specificity: Share of attacked real photos still called real.
        recall: Share of attacked fakes still found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: int
    setting: Setting
    accuracy: Figure
    specificity: Figure
    recall: Figure


class Adversarial(BaseModel):
    """The whole measurement; what `adversarial.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: Sample
    policy: str
    steps: int
    rows: list[AttackRow]


def judge_attacked(
    sitting: Sitting, record: PhotoRecord, raw: Path, epsilons: Sequence[int], steps: int
) -> dict[tuple[int, Setting], bool] | None:
    """(strength, setting) -> whether a photo is called AI-generated; None when it cannot be read."""
    detector, card = sitting.detector, sitting.detector.card
    opened = open_limited(record, raw, card.views.max_side)
    if opened is None:
        return None
    # The attacker uploads a picture of the very size that the network looks at: nothing is lost on the way.
    image = whole(opened, card.views.global_sizes[0])
    target, rule = Target(sitting.model, card), card.policy()[1]

    def accused(picture: Image.Image) -> bool:
        return rule.is_fake(float(card.calibration.probability(score_image(detector, picture).combined)))

    labels: dict[tuple[int, Setting], bool] = {}
    for epsilon in epsilons:
        plain = through = image
        if epsilon:
            seed = int(record.photo_id[:12], 16) + epsilon
            plain, through = (
                attack(
                    image,
                    slope,
                    epsilon=epsilon,
                    steps=steps,
                    raise_logit=record.label == "real",
                    rng=np.random.default_rng(seed),
                )
                for slope in (target.slope, target.slope_through_defence)
            )
        labels[epsilon, "none"] = accused(plain)
        labels[epsilon, "unaware"] = accused(defend(plain))
        labels[epsilon, "aware"] = accused(defend(through))
    return labels


def measure(
    records: Sequence[PhotoRecord],
    labels: Sequence[dict[tuple[int, Setting], bool]],
    *,
    replicates: int = REPLICATES,
) -> list[AttackRow]:
    """Figures of each strength and setting."""
    fake = np.array([record.label == "ai_generated" for record in records])
    source = np.array([record.source for record in records])

    def figures(decided: BoolArray) -> dict[str, Figure]:
        def chosen(weights: FloatArray) -> dict[str, FloatArray]:
            found = decision_metrics(fake, decided, weights)
            return {name: found[name] for name in ("accuracy", "specificity", "recall")}

        return intervals(chosen, source, fake, replicates=replicates)

    return [
        AttackRow(epsilon=key[0], setting=key[1], **figures(np.array([each[key] for each in labels])))
        for key in labels[0]
    ]


def render(found: Adversarial) -> str:
    """The page; the same figures give the same text."""
    rows = [
        (
            f"{row.epsilon}/255" if row.epsilon else "untouched",
            SETTINGS[row.setting],
            interval(row.accuracy, 2),
            interval(row.specificity, 2),
            interval(row.recall, 2),
        )
        for row in found.rows
    ]
    header = ("strength", "setting", "right verdicts", "specificity", "recall")
    return (
        f"# Attacks with the model file in hand\n\n{found.sample.words} Policy `{found.policy}`. Projected "
        f"gradient descent (Madry et al. 2018), {found.steps} steps from a random start, at most the given "
        "change of each channel, each picture towards the other label; the attacker has network and views, "
        "and uploads a lossless file of the size that the network looks at. Defence: the picture is shrunk "
        "to three quarters and sent through JPEG 75 before scoring. An attack *through* it takes the codec's "
        "gradient as that of no change (BPDA, Athalye et al. 2018). In brackets: 95 % intervals over "
        f"shops.\n\n{table(header, rows)}\n\n{_words(found)} The service does not apply the defence.\n\n"
        f"{made(COMMAND)}\n"
    )


def _words(found: Adversarial) -> str:
    """What the figures say, in their own numbers."""
    right = {(row.epsilon, row.setting): number(row.accuracy.value, 2) for row in found.rows}
    weakest, strongest = min(right)[0], max(right)[0]
    untouched = "Untouched" if weakest == 0 else f"At {weakest}/255"
    return (
        f"At {strongest}/255, {right[strongest, 'none']} of the verdicts stay right; with the defence "
        f"{right[strongest, 'unaware']} against an attacker who does not know it and "
        f"{right[strongest, 'aware']} against one who does. {untouched}, the defence takes the share of "
        f"right verdicts from {right[weakest, 'none']} to {right[weakest, 'unaware']}."
    )


def main(argv: Sequence[str]) -> int:
    """Measure and write."""
    args = parser("src.evaluation.adversarial", __doc__)
    add_sample_options(args, PHOTOS)
    args.add_argument("--steps", type=int, default=STEPS)
    args.add_argument("--epsilons", type=int, nargs="+", default=list(EPSILONS), help="of 255")
    args.add_argument("--out", type=Path, default=Path("reports/detector"))
    options = args.parse_args(argv)
    with open_sittings(options) as (sittings, splits):
        tasks = [(sitting, record) for sitting in sittings for record in sitting.records]

        def work(task: tuple[Sitting, PhotoRecord]) -> dict[tuple[int, Setting], bool] | None:
            return judge_attacked(*task, options.raw, options.epsilons, options.steps)

        with ThreadPoolExecutor(WORKERS) as pool:
            labels = list(track(pool.map(work, tasks), "attack photos", total=len(tasks)))
        done = [(record, each) for (_, record), each in zip(tasks, labels, strict=True) if each is not None]
        if not done:
            raise DataError("no photo of the sample could be read")
        records = [record for record, _ in done]
        found = Adversarial(
            sample=describe(options, sittings, splits, records),
            policy=sittings[0].detector.card.default_policy,
            steps=options.steps,
            rows=measure(records, [each for _, each in done]),
        )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "adversarial.json").write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (options.out / "adversarial.md").write_text(render(found), encoding="utf-8")
    for row in found.rows:
        sys.stdout.write(f"{row.epsilon}/255 {row.setting}: {row.accuracy.value or 0:.2f} right\n")
    return 0


if __name__ == "__main__":
    run_command(main)
