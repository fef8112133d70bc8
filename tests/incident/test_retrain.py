"""`detector retrain`: what is refused, what becomes a challenger, and what may become champion."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from src import cli
from src.evaluation.card import read_card
from src.evaluation.gates import GateLimits
from src.evaluation.promotion import hold
from src.incident.full import FullPlan, claim_splits, feedback_record, grow
from src.incident.retrain import by_chance, retrain
from src.incident.retrain_plan import RetrainPlan
from src.incident.screening import Judged, ScreeningRules, Vote
from src.inference.detector import Detector
from src.monitoring.drift.bank import Simulation
from src.monitoring.drift.monitor import find_reference
from src.registry.registry import Registry
from src.utils.errors import ConfigError, DataError
from tests.incident.conftest import NOW, draw, make_data
from tests.support.registry import Passing, judged_model, shared_registry

PEOPLE = ["ana bea", "bea cem", "cem dana", "dana ana"]
# The stand-in for a network has no skill that the released model's floors could be held against.
LIMITS = GateLimits(
    min_style_specificity=0.3,
    min_headline_specificity=0.5,
    max_ece=0.5,
    ece_margin=0.5,
    min_auroc={"clean": 0.6},
    headline_margin=0.04,  # of sixty drawn photos, one is more than a point and a half
    latency_ratio=100.0,
    max_latency_ms=10_000,
)


@pytest.fixture(autouse=True)
def short_simulation(monkeypatch):
    short = Simulation(photos_between_alarms=1e6, replicates=2, streams=8, photos=1500)
    monkeypatch.setattr("src.incident.retrain.SIMULATION", short)


@pytest.fixture
def plan(tmp_path, data, book, validation):
    return RetrainPlan(
        store_url=book.url,
        out=tmp_path / "out",
        head_only=True,
        manifest=data.manifest,
        splits=data.splits_file,
        raw=data.raw,
        validation=validation,
        limits=LIMITS,
        # The registry's champion was registered a moment ago, and people spoke before that.
        since=NOW - timedelta(days=30),
    )


def speak(book, count=60, start=5000):
    """Right labels on the new family, and on some real photos."""
    for number in range(count):
        kind = "real" if number % 4 == 0 else "new"
        book.judge(draw(kind, start + number), kind != "real", PEOPLE[number % 4])


def share_found(model, kind, count=80):
    detector = Detector.from_file(model, threads=1)
    found = [detector.detect(draw(kind, 90_000 + number)).label == "ai_generated" for number in range(count)]
    return sum(found) / count


def test_a_refit_becomes_a_challenger_and_no_champion(plan, shelf, book, tmp_path, champion):
    speak(book)
    result = retrain(plan, shelf, tmp_path / "cache")
    assert (result.outcome, result.labels, result.taken) == ("challenger", 60, 60)
    assert result.model_version == "1.0.0+refit.1"
    assert shelf.challenger().version == result.version
    assert shelf.champion().version != result.version
    model = plan.out / "model.onnx"
    assert share_found(champion, "new") < 0.3
    assert share_found(model, "new") > 0.8
    assert share_found(model, "real") <= share_found(champion, "real") + 0.05
    assert json.loads((plan.out / "retrain.json").read_text())["version"] == result.version
    # Its drift reference lies beside it, and its card names it.
    assert result.drift_reference == "model.reference.npz"
    found = find_reference(read_card(plan.out / "model.onnx"), (plan.out,))
    assert found is not None
    assert found.facts.model_version == result.model_version


def test_it_is_promoted_when_asked_and_every_gate_is_passed(plan, shelf, book, tmp_path):
    speak(book)
    result = retrain(replace(plan, promote=True), shelf, tmp_path / "cache")
    assert [gate.words for gate in result.gates if not gate.passed] == []
    assert result.outcome == "promoted"
    assert shelf.champion().version == result.version
    assert len(result.gates) > 30


def test_a_missed_gate_keeps_it_a_challenger_and_says_which(plan, shelf, book, tmp_path):
    speak(book)
    before = shelf.champion().version
    strict = LIMITS.model_copy(update={"max_megabytes": 0.0001})
    result = retrain(replace(plan, promote=True, limits=strict), shelf, tmp_path / "cache")
    assert result.outcome == "refused"
    assert [gate.name for gate in result.gates if not gate.passed] == ["size, MB"]
    assert shelf.champion().version == before
    assert shelf.challenger().version == result.version


def test_without_unseen_shops_a_refit_is_refused_at_once(plan, shelf, book, tmp_path, tmp_path_factory):
    lone = make_data(tmp_path_factory.mktemp("lone"), train=2, val=2, test=2, heldout=0)
    elsewhere = replace(plan, manifest=lone.manifest, splits=lone.splits_file, raw=lone.raw)
    speak(book)
    with pytest.raises(ConfigError, match=r"`heldout` is empty.*without --head-only"):
        retrain(elsewhere, shelf, tmp_path / "cache")
    assert shelf.challenger() is None
    assert not plan.out.exists()


def test_a_champion_that_was_trained_by_other_splits_is_not_refitted(
    plan, shelf, book, tmp_path, tmp_path_factory
):
    other = make_data(tmp_path_factory.mktemp("other"), train=2, val=2, test=2, heldout=2)
    speak(book)
    with pytest.raises(DataError, match="trained by other splits"):
        retrain(
            replace(plan, manifest=other.manifest, splits=other.splits_file, raw=other.raw),
            shelf,
            tmp_path / "cache",
        )


def test_a_champion_that_changed_while_gates_were_held_stays(plan, shelf, book, tmp_path, monkeypatch):
    speak(book)
    other = shelf.register(judged_model(tmp_path, "9.0.0")[0])

    def held_meanwhile(*arguments, **options):
        found = hold(*arguments, **options)
        shelf.promote(other, [Passing()])
        return found

    monkeypatch.setattr("src.evaluation.promotion.hold", held_meanwhile)
    result = retrain(replace(plan, promote=True), shelf, tmp_path / "cache")
    assert result.outcome == "refused"
    assert f"now there is version {other}" in result.refusal
    assert all(gate.passed for gate in result.gates)
    assert shelf.champion().version == other


def test_too_few_labels_change_nothing(plan, shelf, book, tmp_path):
    speak(book, 19)
    result = retrain(plan, shelf, tmp_path / "cache")
    assert (result.outcome, result.labels, result.version) == ("too_few_labels", 19, None)
    assert shelf.challenger() is None


def test_labels_in_quarantine_are_not_learnt_from(plan, shelf, book, tmp_path):
    for number in range(30):
        book.judge(draw("new", 7000 + number), True, PEOPLE[number % 4], hours=2)
    result = retrain(plan, shelf, tmp_path / "cache")
    assert (result.outcome, result.left_out) == ("too_few_labels", {"quarantined": 30})


def test_labels_from_before_the_champion_are_not_taken_again(plan, shelf, book, tmp_path):
    speak(book, 30)
    rules = ScreeningRules(quarantine_h=0.0)
    result = retrain(replace(plan, since=None, rules=rules), shelf, tmp_path / "cache")
    assert result.labels == 0
    assert result.since > NOW - timedelta(hours=1)


def test_one_key_cannot_move_the_model_however_many_names_it_uses(plan, shelf, book, tmp_path):
    for number in range(60):
        book.judge(draw("real", 8000 + number), True, f"name{number} other{number}", key="one")
    speak(book, 12)
    result = retrain(plan, shelf, tmp_path / "cache")
    assert (result.outcome, result.taken) == ("too_few_labels", 12)
    assert result.left_out == {"too_few_reviewers": 60}
    # Where one key's word is enough it is still no more than a fifth, and lies are seen.
    alone = replace(plan, rules=ScreeningRules(min_reviewers=1), out=tmp_path / "alone")
    result = retrain(alone, shelf, tmp_path / "cache")
    assert result.outcome == "too_few_labels"
    assert result.left_out["suspicious"] + result.left_out.get("over_share", 0) >= 55


def judged(number: int, *, fake: bool) -> Judged:
    """A label of a minute."""
    said = Vote("someone", None, fake, datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=number))
    return Judged(f"{number:064d}", str(number), None, (said,))


@pytest.mark.parametrize(("fakes", "reals"), [(8, 8), (3, 13), (13, 3), (2, 1)])
def test_labels_are_taken_by_chance_half_of_each_kind_where_there_are_so_many(fakes, reals):
    labels = [judged(number, fake=number < fakes) for number in range(fakes + reals)]
    chosen = by_chance(labels, 10)
    taken = sum(each.fake for each in chosen)
    assert len(chosen) == min(10, fakes + reals)
    assert taken == min(fakes, max(5, 10 - reals))
    assert [each.sha256 for each in chosen] == [each.sha256 for each in by_chance(labels[::-1], 10)]


def test_without_a_champion_there_is_nothing_to_improve(plan, tmp_path):
    with pytest.raises(ConfigError, match="no champion"):
        retrain(plan, Registry(shared_registry(), "nobody"), tmp_path / "cache")


def test_a_training_without_kept_photos_is_refused(plan, shelf, book, tmp_path):
    speak(book, 40)
    with pytest.raises(ConfigError, match="DETECTOR_STORE_IMAGES"):
        retrain(replace(plan, head_only=False), shelf, tmp_path / "cache")
    book.photos.clear()
    with pytest.raises(ConfigError, match="no labelled photo"):
        retrain(replace(plan, head_only=False), shelf, tmp_path / "cache", book)


def test_new_photos_only_ever_join_train(data):
    photo = draw("new", 1)
    more = [feedback_record("e" * 64, photo, fake=True), data.records[0]]
    records, splits = grow(data.records, data.splits, more)
    assert len(records) == len(splits) == len(data.records) + 1
    assert splits[-1].split == "train"
    assert splits[: len(data.records)] == [data.splits[each.photo_id] for each in data.records]


def test_a_model_is_not_said_to_be_of_splits_that_it_is_not_of(data, champion, tmp_path):
    copy = tmp_path / "model.onnx"
    copy.write_bytes(champion.read_bytes())
    base = list(data.splits.values())
    claim_splits(copy, data.splits, base)
    assert read_card(copy).training.splits_hash == data.hash
    moved = [base[0].model_copy(update={"split": "test"}), *base[1:]]
    with pytest.raises(DataError, match="not the base splits"):
        claim_splits(copy, data.splits, moved)
    with pytest.raises(DataError, match="lack photos"):
        claim_splits(copy, data.splits, base[1:])
    with pytest.raises(DataError, match="by other splits"):
        claim_splits(copy, {each.photo_id: each for each in base[1:]}, base[1:])


def test_the_command_tells_what_it_did_and_refuses_with_a_code(  # noqa: PLR0917
    book, plan, shelf, tmp_path, monkeypatch, data
):
    speak(book)
    monkeypatch.setenv("DETECTOR_STORE_URL", book.url)
    monkeypatch.setenv("DETECTOR_MODEL_CACHE", str(tmp_path / "cache"))
    limits = tmp_path / "limits.yaml"
    limits.write_text("max_megabytes: 0.0001\n")
    options = ["--head-only", "--promote", "--since", "2020-01-01", "--limits", str(limits)]
    options += ["--manifest", str(data.manifest), "--splits", str(data.splits_file), "--raw", str(data.raw)]
    options += ["--registry", shared_registry(), "--name", shelf.name, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli.app, ["retrain", *options])
    assert done.exit_code == 1, done.output
    assert "60 photos judged, 60 taken; left out: none" in done.stdout
    assert "MISSED size, MB" in done.stdout
    assert json.loads((tmp_path / "out" / "retrain.json").read_text())["outcome"] == "refused"
    again = CliRunner().invoke(
        cli.app, ["retrain", *options[:-6], "--registry", shared_registry(), "--name", "no"]
    )
    assert again.exit_code == 2
    assert "no champion" in again.stderr


def test_a_plan_takes_the_released_configuration_by_default():
    assert FullPlan().config.is_file()
