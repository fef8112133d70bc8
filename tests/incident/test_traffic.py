"""Traffic and reviewers against the real service with a tiny model: every reply is noted, good or bad."""

from __future__ import annotations

import time

import pytest

from src.data.layout import original_path
from src.incident.feedback import read_feedback
from src.incident.people import NAMES, Reviewers
from src.incident.traffic import Stage, Traffic
from src.utils.errors import DataError
from tests.incident.conftest import draw, record_of
from tests.support.live import live
from tests.support.service import quiet_settings

WAIT_S = 120.0


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    raw = tmp_path_factory.mktemp("traffic")
    records = []
    for number in range(36):
        kind = ("real", "known", "new")[number % 3]
        data = draw(kind, 30_000 + number)
        records.append(record_of(data, kind, 0, number))
        path = original_path(records[-1], raw)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return raw, records


@pytest.fixture(scope="module")
def store_url(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db"


@pytest.fixture(scope="module")
def url(champion, store_url, tmp_path_factory):
    settings = quiet_settings(
        champion, store_url=store_url, spool_dir=tmp_path_factory.mktemp("spool"), drift_every_s=0.0
    )
    with live(settings) as found:
        yield found


def traffic_of(url, photos, **changes):
    raw, records = photos
    given = {
        "known": [each for each in records if each.generator != "gpt_image_1"],
        "new": [each for each in records if each.generator == "gpt_image_1"],
        "stage": Stage("calm", 0.0),
    }
    return Traffic(url, raw, **(given | changes))


def test_stages_have_their_share_and_every_reply_is_noted(url, photos):
    with traffic_of(url, photos) as traffic:
        traffic.wait(Stage("calm", 0.0), 20, WAIT_S)
        traffic.wait(Stage("all new", 1.0), 12, WAIT_S)
        traffic.turn(Stage("end", 0.0, pause_s=60))
    answers = traffic.answers
    assert [each.number for each in answers] == sorted({each.number for each in answers})
    calm = [each for each in answers if each.stage == "calm"]
    risen = [each for each in answers if each.stage == "all new"]
    assert len(calm) >= 20
    assert not any(each.new for each in calm)
    assert {each.fake for each in calm} == {False, True}
    assert all(each.new and each.fake for each in risen)
    # Each photo once before any comes again.
    assert len({each.sha256 for each in risen[:12]}) == 12
    assert all(each.error is None and each.id and each.model_version == "1.0.0" for each in answers)
    assert sum(each.right for each in calm) > 0.8 * len(calm)
    assert sum(each.right for each in risen) < 0.3 * len(risen)


def test_a_request_that_fails_is_a_failure_and_is_not_sent_again(photos):
    with traffic_of("http://127.0.0.1:9", photos) as traffic:
        traffic.wait(Stage("calm", 0.0), 4, WAIT_S)
        traffic.turn(Stage("end", 0.0, pause_s=60))
    assert all(each.error is not None and each.id is None and not each.fresh for each in traffic.answers)


def test_senders_that_stop_are_told_and_not_waited_for(url, photos, tmp_path):
    with traffic_of(url, (tmp_path, photos[1])) as traffic, pytest.raises(DataError, match="senders"):
        traffic.wait(Stage("calm", 0.0), 4, WAIT_S)
    with pytest.raises(DataError, match="missing"):
        traffic_of(url, photos, new=[])


def test_a_stage_that_takes_too_long_is_an_error(url, photos):
    with traffic_of(url, photos) as traffic, pytest.raises(DataError, match="were not answered"):
        traffic.wait(Stage("calm", 0.0, pause_s=60), 10_000, 0.2)


def test_two_people_judge_each_photo_and_tell_the_truth(url, photos, store_url):
    with (
        traffic_of(url, photos, stage=Stage("both", 0.5)) as traffic,
        Reviewers(url, traffic, chance=0.0, prompted=0.0) as people,
    ):
        traffic.wait(Stage("both", 0.5), 20, WAIT_S)
        traffic.turn(Stage("end", 0.0, pause_s=60))
        sent = {each.sha256: each for each in traffic.answers if each.id is not None}
        assert people.labels == {}
        assert people.ask(list(sent), 8) == 8
        assert people.ask(list(sent)[:8], 8) == 0
        with pytest.raises(DataError, match="never sent"):
            people.ask(["f" * 64], 1)
        labels = people.labels
    assert labels == {digest: sent[digest].fake for digest in list(sent)[:8]}
    kept = {each.sha256: each for each in read_feedback(store_url, None)}
    assert {digest: kept[digest].fake for digest in labels} == labels
    for digest in labels:
        names = {vote.reviewer for vote in kept[digest].votes}
        assert len(names) == 2
        assert names <= set(NAMES)


def test_people_look_at_traffic_by_chance(champion, tmp_path, photos):
    settings = quiet_settings(
        champion, store_url=f"sqlite:///{tmp_path}/s.db", spool_dir=tmp_path, drift_every_s=0.0
    )
    with (
        live(settings) as url,
        traffic_of(url, photos) as traffic,
        Reviewers(url, traffic, chance=1.0, prompted=1.0) as people,
    ):
        traffic.wait(Stage("calm", 0.0), 6, WAIT_S)
        traffic.turn(Stage("end", 0.0, pause_s=60))
        give_up = time.monotonic() + WAIT_S
        while len(people.labels) < 6 and time.monotonic() < give_up:
            time.sleep(0.05)
        assert len(people.labels) >= 6
        assert people.failed == 0
