"""The report folder: from score tables to JSON, Markdown and plots, and anew from its own inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.manifest import write_manifest
from src.evaluation.archive import INPUTS, SCORES, read_archive
from src.evaluation.bars import hold_bars
from src.evaluation.bootstrap import Figure
from src.evaluation.card import network_hash, read_card, write_card
from src.evaluation.counterfactual import Counterfactual
from src.evaluation.factcheck import FactRow
from src.evaluation.figures import Report, read_report
from src.evaluation.fit import main as fit_main
from src.evaluation.latency import Latency
from src.evaluation.markdown import render_report
from src.evaluation.metrics import auroc
from src.evaluation.plots import PLOTS
from src.evaluation.report import main
from src.evaluation.score import ScoreMeta, meta_path
from src.evaluation.scores import ScoreRow, as_table, read_scores, write_scores
from src.evaluation.shortcut import ShortcutReport
from src.utils.errors import DataError
from src.utils.model_card import ViewPlan
from tests.evaluation.conftest import make_record, synthetic_rows
from tests.support.tiny_model import write_tiny_model

REPLICATES = "40"


def real_rows(**options: object) -> list[ScoreRow]:
    """Synthetic rows with the ids that a manifest would give them."""
    rows = synthetic_rows(**options)  # type: ignore[arg-type]
    return [row.model_copy(update={"photo_id": record_of(row).photo_id}) for row in rows]


def record_of(row: ScoreRow):  # type: ignore[no-untyped-def]
    return make_record(
        row.group,
        fake=row.label == "ai_generated",
        source=row.source,
        size=(100, 80),
        group=row.group,
        generator=row.generator,
        category=row.category,
        style=row.style,
    )


def figure(value: float) -> Figure:
    return Figure(value=value, low=value - 0.1, high=value + 0.1)


def shortcut_report(network: str, *, net: float = 0.5, spearman: float = -0.1) -> ShortcutReport:
    return ShortcutReport(
        name="test",
        facts_from="test",
        network=network,
        facts=[
            FactRow(fact="quality", label="real", photos=99, spearman=figure(spearman), within_source=None)
        ],
        counterfactual=Counterfactual(
            photos=99,
            balanced_accuracy={"untouched": 95.0, "own": 94.0, "other": 94.0 - net},
            cost=figure(1 + net),
            control=figure(1.0),
            net=figure(net),
        ),
    )


class Release:
    """The files of a release: tables with their makers, a fitted model, measurements."""

    def __init__(self, root: Path) -> None:
        self.root, self.out = root, root / "reports" / "detector"
        self.model = write_tiny_model(root / "detector.onnx")
        self.network = network_hash(self.model)
        rows = real_rows()
        self.test, self.unseen = root / "test.csv", [root / f"fold{fold}.csv" for fold in range(5)]
        self.manifest = root / "manifest.csv"
        write_manifest(self.manifest, list({row.photo_id: record_of(row) for row in rows}.values()))
        test = [row.model_copy(update={"logit": row.logit * 1.5, "split": "test"}) for row in rows[::4]]
        self.table(self.test, test, network=self.network, select="test")
        for fold, path in enumerate(self.unseen):
            mine = [row for row in rows if row.fold == fold]
            self.table(path, mine, network=f"fold-{fold}", select=f"fold:{fold}")
        assert fit_main(["--unseen", *map(str, self.unseen), "--model", str(self.model)]) == 0
        (root / "shortcut.json").write_text(shortcut_report(self.network).model_dump_json())
        latency = Latency(
            photos=9,
            threads=1,
            median_ms=81.25,
            p95_ms=120.0,
            stages_ms={"decode": 10.0, "views": 5.0, "inference": 66.0},
            cpu="Some CPU",
            cores=2,
        )
        (root / "latency.json").write_text(latency.model_dump_json())

    @staticmethod
    def table(path: Path, rows: list[ScoreRow], *, network: str, select: str) -> None:
        write_scores(path, rows)
        meta = ScoreMeta(network=network, model_version="1", select=select, manifest_hash="m")
        meta_path(path).write_text(meta.model_dump_json())

    def report(self, *extra: str) -> int:
        files = ["--test", str(self.test), "--unseen", *map(str, self.unseen)]
        measured = ["--shortcut", f"{self.root}/shortcut.json", "--latency", f"{self.root}/latency.json"]
        return main([*files, *measured, *self.common(), *extra])

    def again(self) -> int:
        return main(self.common())

    def common(self) -> list[str]:
        return [
            *("--model", str(self.model), "--manifest", str(self.manifest)),
            *("--out", str(self.out), "--replicates", REPLICATES),
        ]


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path)


def test_the_folder_holds_everything_and_can_be_made_anew_from_itself(release: Release) -> None:
    assert release.report() == 0
    names = {path.name for path in release.out.iterdir()}
    assert names == {"report.json", "report.md", SCORES, INPUTS, *PLOTS}
    first = {name: (release.out / name).read_bytes() for name in names}
    for name in ("report.json", "report.md", *PLOTS):
        (release.out / name).unlink()
    assert release.again() == 0
    for name in names:
        assert (release.out / name).read_bytes() == first[name], name


def test_figures_are_those_of_the_tables(release: Release) -> None:
    release.report()
    report = read_report(release.out / "report.json")
    unseen = as_table([row for path in release.unseen for row in read_scores(path)])
    for tier in ("clean", "web", "hard"):
        block = report.block("unseen", tier)
        part = unseen.of_tier(tier)
        assert block.figures["auroc"].value == pytest.approx(auroc(part.fake, part.logit))
        assert (block.photos, block.fakes, block.sources) == (240, 120, 20)
        low, high = block.figures["auroc"].low, block.figures["auroc"].high
        assert low is not None
        assert high is not None
        assert low < (block.figures["auroc"].value or 0) < high
    # On known shops the card is applied as it is.
    card, test = read_card(release.model), as_table(read_scores(release.test)).of_tier("clean")
    decided = card.calibration.probability(test.logit) >= card.policies["high_recall"].threshold
    assert report.block("test", "clean", "high_recall").figures["recall"].value == pytest.approx(
        np.mean(decided[test.fake])
    )
    assert report.calibration == card.calibration
    assert set(report.fold_calibrations) == {0, 1, 2, 3, 4}
    with pytest.raises(DataError, match="no figures"):
        report.block("test", "foggy")


def test_the_review_band_is_worth_something(release: Release) -> None:
    release.report()
    block = read_report(release.out / "report.json").block("unseen")
    assert 0 < block.review_share < 0.6
    assert block.error_in_review is not None
    assert block.error_outside is not None
    assert block.error_in_review > 2 * block.error_outside


def test_the_page_shows_all_that_was_measured(release: Release) -> None:
    release.report()
    page = (release.out / "report.md").read_text()
    for title in (
        "## Bars",
        "## `test`: 60 photos",
        "## `unseen`: 240 photos",
        "## Policies",
        "## Real photos by style",
        "## AI-generated pictures by generator family",
        "## Generators",
        "## Categories",
        "## Calibration",
        "## What the views are worth",
        "## Shortcut check",
        "## Latency",
        "## Plots",
        "## How it was made",
    ):
        assert title in page, title
    assert "median 81.2 ms" in page or "median 81.3 ms" in page
    tables = page.count("| --- |")
    assert page.count("Made by `python -m src.evaluation.") >= 10
    assert tables >= 15
    assert str(release.root) not in page
    assert page == render_report(read_report(release.out / "report.json"))


def test_hardest_shops_are_listed_where_shops_are_large_enough(release: Release) -> None:
    rows = real_rows(photos=16, shops=10)
    for fold, path in enumerate(release.unseen):
        release.table(path, [r for r in rows if r.fold == fold], network=f"f{fold}", select=f"fold:{fold}")
    write_manifest(release.manifest, list({row.photo_id: record_of(row) for row in rows}.values()))
    release.report()
    page = (release.out / "report.md").read_text()
    assert "### Hardest real shops" in page
    assert "| shop-0 | 16 | 1 |" in page


def test_plots_are_small_pictures(release: Release) -> None:
    release.report()
    for name in PLOTS:
        path = release.out / name
        assert path.stat().st_size < 60_000
        with Image.open(path) as image:
            assert image.width >= 400


def test_the_committed_scores_hold_ids_and_numbers_alone(release: Release) -> None:
    import gzip

    release.report()
    header, *lines = gzip.decompress((release.out / SCORES).read_bytes()).decode().splitlines()
    assert header == "dataset,photo_id,split,fold,tier,logit,global_logit,crop_logit"
    assert len(lines) == 720 + 180
    assert "shop-" not in "".join(lines)


def test_without_measurements_the_report_leaves_them_out(release: Release) -> None:
    arguments = ["--test", str(release.test), "--unseen", *map(str, release.unseen), *release.common()]
    assert main(arguments) == 0
    page = (release.out / "report.md").read_text()
    assert "## Latency" not in page
    assert "## Shortcut check" not in page


def test_scores_of_another_network_are_refused(release: Release) -> None:
    release.report()
    card = read_card(release.model)
    write_card(release.model, card.model_copy(update={"views": ViewPlan(crops=1)}))
    with pytest.raises(DataError, match="another network"):
        release.report()
    with pytest.raises(DataError, match="another network"):
        release.again()


@pytest.mark.parametrize(
    ("network", "select", "message"),
    [
        (None, "fold:0", "left fold K out"),  # scored by the released network: it knows these shops
        ("fold-0", "test", "left fold K out"),
        ("fold-1", "fold:0", "network of its own"),
    ],
)
def test_unseen_scores_of_a_network_that_knows_the_shops_are_refused(
    release: Release, network: str | None, select: str, message: str
) -> None:
    rows = read_scores(release.unseen[0])
    release.table(release.unseen[0], rows, network=network or release.network, select=select)
    with pytest.raises(DataError, match=message):
        release.report()


def test_a_shortcut_check_of_another_network_is_refused(release: Release) -> None:
    (release.root / "shortcut.json").write_text(shortcut_report("stranger").model_dump_json())
    with pytest.raises(DataError, match="not of this release"):
        release.report()


def test_wrong_calls_are_refused(release: Release) -> None:
    with pytest.raises(DataError, match="both"):
        main(["--test", str(release.test), *release.common()])
    (release.root / "latency.json").write_text("{}")
    with pytest.raises(DataError, match="latency"):
        release.report()
    with pytest.raises(DataError, match="no inputs"):
        release.again()


def test_a_damaged_archive_is_refused(release: Release) -> None:
    release.report()
    write_manifest(release.manifest, [record_of(real_rows(shops=1, photos=1)[0])])
    with pytest.raises(DataError, match="do not fit"):
        release.again()
    whole = (release.out / SCORES).read_bytes()
    (release.out / SCORES).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        read_archive(release.out, [record_of(row) for row in real_rows()])
    (release.out / SCORES).unlink()
    with pytest.raises(DataError, match="no scores"):
        release.again()


def test_a_report_file_is_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make the report"):
        read_report(tmp_path / "report.json")
    (tmp_path / "report.json").write_text(json.dumps({"blocks": []}))
    with pytest.raises(DataError, match="no report"):
        read_report(tmp_path / "report.json")


def test_bars_are_met_or_missed(release: Release) -> None:
    release.report()
    report: Report = read_report(release.out / "report.json")
    blocks = [
        block.model_copy(update={"figures": {**block.figures, "auroc": Figure(value=0.95)}})
        for block in report.blocks
    ]
    checks = [shortcut_report("n", net=2.5, spearman=-0.3), shortcut_report("n", net=0.5, spearman=0.2)]
    met = {(bar.name, bar.value): bar.met for bar in hold_bars(blocks, checks)}
    assert met["AUROC, test, clean", 0.95] is False
    assert met["AUROC, unseen, clean", 0.95] is True
    assert met["largest Spearman of a file fact, test", 0.3] is False
    assert met["largest Spearman of a file fact, test", 0.2] is True
    assert met["points lost to re-encoding, beyond the control, test", 2.5] is False
    assert met["points lost to re-encoding, against untouched, test", 1.5] is True
    nothing = [
        block.model_copy(update={"figures": dict.fromkeys(block.figures, Figure(value=None))})
        for block in blocks
    ]
    assert not any(bar.met for bar in hold_bars(nothing, []))
