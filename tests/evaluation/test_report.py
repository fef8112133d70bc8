"""The report folder: from score tables to JSON, Markdown and plots, and anew from its own inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.manifest import read_manifest, write_manifest
from src.evaluation.archive import INPUTS, SCORES, read_archive
from src.evaluation.bars import hold_bars
from src.evaluation.bootstrap import Figure
from src.evaluation.card import network_hash, read_card, write_card
from src.evaluation.counterfactual import Counterfactual
from src.evaluation.crossfit import cross_fit
from src.evaluation.factcheck import FactRow
from src.evaluation.figures import Report, read_report
from src.evaluation.fit import main as fit_main
from src.evaluation.latency import Latency
from src.evaluation.markdown import render_report
from src.evaluation.metrics import auroc
from src.evaluation.origin import read_meta
from src.evaluation.plan import choice_of, combined
from src.evaluation.plots import PLOTS
from src.evaluation.readme import render_block
from src.evaluation.report import main
from src.evaluation.scores import ScoreRow, as_table, read_scores
from src.evaluation.shortcut import FactSet, ShortcutReport
from src.evaluation.thresholds import FILE
from src.utils.errors import DataError
from tests.evaluation.conftest import make_record, released_card, synthetic_rows, write_folds, write_table
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
        network=network,
        facts=[
            FactSet(
                scores=scores,
                networks=[network],
                rows=[
                    FactRow(
                        fact="quality",
                        label="real",
                        photos=99,
                        spearman=figure(spearman),
                        within_source=None,
                    )
                ],
            )
            for scores in ("test", "unseen")
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
        self.model = write_tiny_model(root / "detector.onnx", released_card())
        self.network = network_hash(self.model)
        rows = real_rows()
        self.test, self.unseen = root / "test.csv", [root / f"fold{fold}.csv" for fold in range(5)]
        self.manifest = root / "manifest.csv"
        write_manifest(self.manifest, list({row.photo_id: record_of(row) for row in rows}.values()))
        test = [row.model_copy(update={"split": "test"}) for row in rows[::4]]
        write_table(self.test, test, missing=2, network=self.network)
        write_folds(root, rows)
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

    def retable(self, path: Path, **changes: object) -> None:
        """The same rows with another meta."""
        write_table(path, read_scores(path), **(read_meta(path).model_dump() | changes))

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
    assert names == {"report.json", "report.md", FILE, SCORES, INPUTS, *PLOTS}
    first = {name: (release.out / name).read_bytes() for name in names}
    for name in ("report.json", "report.md", FILE, *PLOTS):
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
        judged = cross_fit(unseen)[0].of_tier(tier).table
        assert block.figures["auroc"].value == pytest.approx(auroc(part.fake, judged.logit))
        assert (block.photos, block.fakes, block.sources) == (240, 120, 20)
        low, high = block.figures["auroc"].low, block.figures["auroc"].high
        assert low is not None
        assert high is not None
        assert low < (block.figures["auroc"].value or 0) < high
    # On known shops the card is applied as it is.
    card, test = read_card(release.model), as_table(read_scores(release.test)).of_tier("clean")
    logit = combined(test, choice_of(card.views))
    decided = card.calibration.probability(logit) >= card.policies["high_recall"].threshold
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
        "## `unseen` (fold networks of 550 steps; the released one: 1500): 240 photos",
        "## Policies",
        "## Real photos by style",
        "## Real photos by the size of the original",
        "## Real photos by product",
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
    assert "people, countries and cameras are not known" in page
    # Lengths and qualities of the originals lie beside the manifest; here is no such table.
    assert "by the compression of the original" not in page
    tables = page.count("| --- |")
    assert page.count("Made by `python -m src.evaluation.") >= 10
    assert tables >= 15
    assert "`test`: 60 photos as uploaded" in page or "stored 512-px form, 2 could not be had" in page
    assert "`unseen`: 220 photos as uploaded, 20 from their stored 512-px form" in page
    # Wherever a heading names unseen shops, it says how long their networks were trained.
    titles = [line for line in page.splitlines() if line.startswith("#") and "unseen" in line]
    assert titles
    assert all("550 steps" in line for line in titles)
    bars = [line for line in page.splitlines() if line.startswith("| ") and ", unseen" in line]
    assert bars
    assert all("550 steps" in line for line in bars)
    assert "held against the bar of 2" in page
    assert "| crops | weight 0 |" in page
    assert str(release.root) not in page
    assert page == render_report(read_report(release.out / "report.json"))


def test_hardest_shops_are_listed_where_shops_are_large_enough(release: Release) -> None:
    rows = real_rows(photos=16, shops=10)
    write_folds(release.root, rows)
    assert fit_main(["--unseen", *map(str, release.unseen), "--model", str(release.model)]) == 0
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
    assert header == "dataset,photo_id,split,fold,tier,form,logit,global_logit,crop_logits"
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
    views = card.views.model_copy(update={"global_sizes": (96,)})
    write_card(release.model, card.model_copy(update={"views": views}))
    with pytest.raises(DataError, match="another network"):
        release.report()
    with pytest.raises(DataError, match="another network"):
        release.again()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held_out_fold": None, "select": "all"}, "not out of fold"),
        ({"held_out_fold": None}, "not out of fold"),
        ({"select": "test"}, "not out of fold"),
        ({"network": "n1"}, "network of its own"),
        ({"splits_hash": "other"}, "splits_hash"),
        ({"forms": None}, "not finished"),
    ],
)
def test_unseen_scores_of_a_network_that_knows_the_shops_are_refused(
    release: Release, changes: dict[str, object], message: str
) -> None:
    release.retable(release.unseen[0], **changes)
    with pytest.raises(DataError, match=message):
        release.report()
    assert not release.out.exists()


def test_the_released_network_cannot_be_a_fold(release: Release) -> None:
    release.retable(release.unseen[0], network=release.network)
    with pytest.raises(DataError, match="trained on all folds"):
        release.report()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits_hash": "other"}, "splits_hash"),
        ({"select": "all"}, "--select test"),
        ({"held_out_fold": 1}, "without fold 1"),
        ({"network": "stranger"}, "another network"),
        ({"crops": 0}, "fewer crops"),
        ({"forms": {"original": 45, "stored": 15, "missing": 40}}, "more than 5%"),
    ],
)
def test_a_test_table_that_is_none_is_refused(
    release: Release, changes: dict[str, object], message: str
) -> None:
    release.retable(release.test, **changes)
    with pytest.raises(DataError, match=message):
        release.report()


def test_a_card_that_these_scores_did_not_teach_is_refused(release: Release) -> None:
    release.report()
    card = read_card(release.model)
    for change in (
        {"calibration": card.calibration.model_copy(update={"bias": card.calibration.bias + 0.1})},
        {"views": card.views.model_copy(update={"global_weight": 0.05})},
        {"training": None},
    ):
        write_card(release.model, card.model_copy(update=change))
        with pytest.raises(DataError, match=r"not fitted on these|by its card"):
            release.again()


def test_an_archive_that_was_tampered_with_is_refused(release: Release) -> None:
    release.report()
    inputs = release.out / INPUTS
    whole = inputs.read_text()
    for old, new in (
        ('"held_out_fold": 2', '"held_out_fold": 7'),
        ('"select": "test"', '"select": "all"'),
        ('"splits_hash": "s"', '"splits_hash": "t"'),
    ):
        inputs.write_text(whole.replace(old, new, 1))
        with pytest.raises(DataError):
            release.again()


def test_held_out_generators_have_figures_of_their_own(release: Release) -> None:
    heldout = release.root / "heldout.csv"
    assert release.report("--heldout", str(heldout)) == 0  # there are none
    report = read_report(release.out / "report.json")
    assert report.datasets == ["test", "unseen"]
    assert "heldout" not in render_block(report)
    strangers = [
        row.model_copy(update={"split": "heldout", "photo_id": f"f{row.photo_id[:15]}", "generator": "new"})
        for row in read_scores(release.test)
        if row.label == "ai_generated"
    ]
    write_manifest(
        release.manifest,
        [
            *read_manifest(release.manifest),
            *(
                record_of(row).model_copy(update={"sha256": f"{row.photo_id:0<64}", "path": row.photo_id})
                for row in strangers
                if row.tier == "clean"
            ),
        ],
    )
    write_table(heldout, strangers, network=release.network, select="heldout")
    assert release.report("--heldout", str(heldout)) == 0
    report = read_report(release.out / "report.json")
    assert report.datasets == ["test", "unseen", "heldout"]
    test, block = report.block("test"), report.block("heldout")
    # The pictures are those of `test` by another name, so their figures must be too.
    assert block.figures["recall"].value == test.figures["recall"].value
    assert block.figures["specificity"].value == test.figures["specificity"].value
    assert [row.name for row in report.slice_rows("heldout", "clean", "generator")] == ["new"]
    assert "generators never seen (`heldout`, 30 fakes)" in render_block(report)
    assert "## `heldout`: 60 photos" in (release.out / "report.md").read_text()
    release.retable(heldout, select="test")
    with pytest.raises(DataError, match="--select heldout"):
        release.report("--heldout", str(heldout))


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
    met = {(bar.name, bar.value): bar.met for bar in hold_bars(blocks, checks, report.lengths)}
    unseen = f"unseen ({report.lengths.words})"
    assert met["AUROC, test, clean", 0.95] is False
    assert met[f"AUROC, {unseen}, clean", 0.95] is True
    assert met["largest Spearman of a file fact, test", 0.3] is False
    assert met[f"largest Spearman of a file fact, {unseen}", 0.2] is True
    # The bar is the whole cost: what the control costs excuses nothing.
    assert met["points lost to re-encoding, test", 3.5] is False
    assert met["points lost to re-encoding, test", 1.5] is True
    nothing = [
        block.model_copy(update={"figures": dict.fromkeys(block.figures, Figure(value=None))})
        for block in blocks
    ]
    assert not any(bar.met for bar in hold_bars(nothing, [], report.lengths))
