"""The sections of the model card (Mitchell et al. 2019), from a model file's card and the reports on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from src.data.manifest import PhotoRecord
from src.evaluation.model_card_facts import REPORTS, STYLES, Facts
from src.evaluation.model_card_results import failures, fairness, performance, robust
from src.evaluation.tables import table
from src.evaluation.wording import forms_words


def render(facts: Facts) -> str:
    """The whole page; the same facts give the same text."""
    sections = (
        _details(facts),
        _use(facts),
        _data(facts),
        performance(facts),
        fairness(facts),
        robust(facts),
        failures(facts),
        _limits(facts),
        _licence(facts),
        (
            "Made by `python -m src.evaluation.model_card` from the shipped file, the manifest and the files "
            f"of [reports/detector]({REPORTS}/report.md)."
        ),
    )
    return "\n\n".join(sections) + "\n"


def _details(facts: Facts) -> str:
    card, report = facts.card, facts.report
    views, training = card.views, card.training
    steps = "" if training is None else f" Trained on {training.photos} photos in {training.steps} steps."
    sizes = ", ".join(f"{size}" for size in views.global_sizes)
    crops = f", {views.crops} crops of {views.crop_size} px" if views.crops else ""
    policies = table(
        ("policy", "threshold", "review band", "what for"),
        [
            (
                f"`{name}`",
                f"{policy.threshold:.3f}",
                f"{policy.review_low:.3f} to {policy.review_high:.3f}",
                policy.description,
            )
            for name, policy in card.policies.items()
        ],
    )
    return (
        f"# Model card: {card.name} {card.version}\n\n- Task: is a product photo camera-made or "
        f"AI-generated; a "
        "calibrated probability, a label by policy, a heatmap.\n"
        f"- Network: `{card.architecture}`, one ONNX file that holds its own preprocessing.{steps}\n"
        f"- Looks at: the whole photo at about {sizes} px squared{crops}; photos are first brought to at "
        f"most "
        f"{views.max_side} px.\n"
        f"- Calibration: temperature {card.calibration.temperature:.3f}, bias {card.calibration.bias:.3f}.\n"
        f"- Network `{report.network}`, data `{card.data_hash[:16]}`, splits "
        f"`{report.splits_hash}`.\n\n{policies}"
    )


def _use(facts: Facts) -> str:
    return (
        "## Intended use\n\nA first look at photos that sellers upload to a marketplace, so that people "
        "look at "
        "the right ones. Where an accusation costs a seller something, use `low_false_positive`, and send "
        "`needs_review` to a person.\n\nNot for: proof against a person; portraits, documents, news "
        "pictures or "
        "art; telling which parts of a photo were edited; decisions that nobody can contest. The label is "
        "binary "
        f"by the default policy (`{facts.card.default_policy}`); what a file claims of its own origin is "
        f"reported "
        "beside it ([EVIDENCE.md](EVIDENCE.md))."
    )


def _data(facts: Facts) -> str:
    real = [record for record in facts.records if record.label == "real"]
    fakes = [record for record in facts.records if record.label != "real"]
    styles = Counter(str(record.style) for record in real)
    years = sorted(record.year for record in real if record.year is not None)
    dated = f" Of {len(years)} the year is known: {years[0]} to {years[-1]}." if years else ""
    parts = ", ".join(f"{styles[name]} {words}" for name, words in STYLES.items())
    generators = Counter(record.generator for record in fakes)
    common = ", ".join(f"{name} ({count})" for name, count in generators.most_common(6))
    return (
        f"## Data\n\n{len(real)} real photos of {_sources(real)} shops and data sets ({parts}) and "
        f"{len(fakes)} "
        f"AI-generated pictures of {_sources(fakes)} sources by {len(generators)} generators, most of "
        f"them {common}."
        f"{dated} Public repositories; the manifest tells where each file is. Labels come from what the "
        f"sources "
        "say of themselves. Products of one seller, prompt or page never straddle a split, and shops are "
        "sampled "
        f"evenly. Scored: "
        f"{', '.join(f'`{name}` {forms_words(forms)}' for name, forms in facts.report.forms.items())}."
    )


def _sources(records: Sequence[PhotoRecord]) -> int:
    return len({record.source for record in records})


def _limits(facts: Facts) -> str:
    del facts
    return (
        "## Limits\n\n- Generators and shops change: watch drift ([MONITORING.md](MONITORING.md)) and "
        "label photos "
        "drawn by chance.\n- Public shops and portfolios are not the traffic of a marketplace: thresholds "
        "should be "
        "held against own photos first.\n- Facts of files tell the labels of this data set apart; a check "
        "in the "
        f"[report]({REPORTS}/report.md) looks whether the network uses them, and says so where it fails.\n"
        "- The heatmap shows where the network's logit comes from, not what was edited."
    )


def _licence(facts: Facts) -> str:
    none = sum(record.licence.startswith("none") for record in facts.records)
    return (
        "## Licence\n\nCode and model file: [MIT](../LICENSE). The start weights are Google's "
        "EfficientNet-Lite "
        f"(Apache-2.0). The photos belong to their sources and are not distributed; {none} of "
        f"{len(facts.records)} "
        "come from repositories without a licence file, the others under the terms that the manifest names."
    )
