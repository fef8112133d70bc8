"""The report on attribution, and the same as a Markdown page."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from src.evaluation.bootstrap import Figure

_LEAD = """# Attribution: which family of generators made it

Made by `python -m src.evaluation.attribution`; beside the model {version} lies `detector.attribution.npz`
(sha256 `{digest}`).

{photos} AI-generated pictures of {shops} shops that the network was not trained on; each is attributed by
what other shops teach, with rules chosen on those other shops too. Other pictures of most of these shops were
in the network's training, which never knew a family. Method: class-conditional Gaussians with one shared,
shrunk covariance on the network's embedding, reduced to its principal directions (Lee et al. 2018); a picture
is called unknown when it is far from all families, when its calibrated probability is low, or when names like
this one are right less than {floor} of the time.
"""


class AttributionReport(BaseModel):
    """What attribution is worth, on unseen shops.

    Attributes:
        sha256: Of the attributor's file.
        photos: AI-generated pictures judged.
        shops: That they are from.
        floor: Least share of right names that was asked for.
        named_families: That the shipped attributor may name; none when no name is right often enough.
        confusion: True family -> what it was called -> pictures.
        nearest_confusion: The same, if it always had to answer with the nearest family.
        nearest_accuracy: Share whose nearest family is the right one, if it always had to answer.
        even_accuracy: The same, each family counting once.
        chance: `even_accuracy` of a guess.
        majority: `nearest_accuracy` of always answering with the commonest family.
        named: Share of pictures of known families that get a name.
        precision: Share of right names among all given, also to pictures of families that are not known; None
            when no name was given.
        unknown_when_left_out: Family -> share of its pictures called unknown by one that never met it.
        real_named: Share of real photos that the shipped attributor would name a family for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_version: str
    network: str
    sha256: str
    photos: int
    shops: int
    floor: float
    families: list[str]
    named_families: list[str]
    confusion: dict[str, dict[str, int]]
    nearest_confusion: dict[str, dict[str, int]]
    nearest_accuracy: Figure
    even_accuracy: Figure
    chance: float
    majority: float
    named: Figure
    precision: Figure
    unknown_when_left_out: dict[str, float]
    real_named: float | None


def page(report: AttributionReport) -> str:
    """Write the page."""
    lead = _LEAD.format(
        version=report.model_version,
        digest=report.sha256,
        photos=report.photos,
        shops=report.shops,
        floor=_share(report.floor),
    )
    return "\n".join(
        [lead, _verdict(report), "", *_figures(report), "", *_tables(report), *_left_out(report)]
    )


def _verdict(report: AttributionReport) -> str:
    if not report.named_families:
        return (
            f"**No family is named.** No name is right {_share(report.floor)} of the time on unseen shops: "
            "the network was taught to tell AI from photo, not one generator from the next, and its "
            "embedding keeps little of what would tell them apart. The service answers `unknown`."
        )
    return f"**Named are {', '.join(report.named_families)}**; for all others the service answers `unknown`."


def _figures(report: AttributionReport) -> list[str]:
    rows = {
        "nearest family is the right one (if it always had to answer)": _figure(report.nearest_accuracy),
        "the same of always answering with the commonest family": _share(report.majority),
        "nearest family, each family counting once": _figure(report.even_accuracy),
        "the same of a guess": _share(report.chance),
        "pictures of known families that get a name": _figure(report.named),
        "right among the names given": _figure(report.precision),
        "real photos that the shipped attributor would name": _share(report.real_named),
    }
    return [
        "| figure | share (95 % interval over shops) |",
        "|---|---|",
        *(f"| {k} | {v} |" for k, v in rows.items()),
    ]


def _tables(report: AttributionReport) -> list[str]:
    called = _confusion(report, report.confusion, [*report.families, "unknown"], "What pictures were called")
    return called + _confusion(
        report, report.nearest_confusion, report.families, "If it always had to answer"
    )


def _confusion(
    report: AttributionReport, table: dict[str, dict[str, int]], called: list[str], title: str
) -> list[str]:
    lines = [f"## {title}", "", f"| made by | {' | '.join(called)} |"]
    lines.append("|---" * (len(called) + 1) + "|")
    for family, counts in table.items():
        name = family if family in report.families else f"{family} (not among the known)"
        lines.append(f"| {name} | {' | '.join(str(counts[each]) for each in called)} |")
    return [*lines, ""]


def _left_out(report: AttributionReport) -> list[str]:
    if not report.unknown_when_left_out:
        return []
    lines = ["## Families that it never met", "", "| left out | called unknown |", "|---|---|"]
    lines += [f"| {name} | {_share(value)} |" for name, value in report.unknown_when_left_out.items()]
    return [*lines, ""]


def _share(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.1f} %"


def _figure(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return _share(figure.value)
    return f"{_share(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
