"""One incident from beginning to end: served, hidden, noticed, understood, answered twice, measured."""

from __future__ import annotations

import platform
import shutil
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import JsonValue

from src.client import DetectorClient
from src.data.manifest import PhotoRecord
from src.evaluation.card import read_card
from src.incident.cause import find_cause, suspects
from src.incident.full import of_feedback
from src.incident.lookout import Lookout
from src.incident.measure import detection, sit_exam, stage_figures
from src.incident.networks import CHAMPION, Bench, train_on_labels
from src.incident.people import Reviewers
from src.incident.plan import Places, RehearsalPlan
from src.incident.pools import Pools
from src.incident.postmortem import RESPONSE
from src.incident.records import Cause, Event, Exam, Response, Run, Step
from src.incident.servers import alerting, installed, service
from src.incident.stand import Stand
from src.incident.traffic import Stage, Traffic
from src.inference.access.keys import KeyFile
from src.registry.names import MODEL_NAME
from src.utils.cores import usable_cores
from src.utils.errors import DataError

log = structlog.get_logger(__name__)

_SWAP_S = 180.0


class Rehearsal:
    """Runs one; what happened is in the record that it returns.

    Args:
        plan: What to do.
        places: Where.
        pools: The photos, divided.
        bench: Where networks are trained.
    """

    def __init__(self, plan: RehearsalPlan, places: Places, pools: Pools, bench: Bench) -> None:
        self._plan, self._places, self._pools, self._bench = plan, places, pools, bench
        self._events: list[Event] = []
        self._exams: list[Exam] = []
        self._responses: list[Response] = []
        self._records: dict[str, PhotoRecord] = {
            each.sha256: each for each in (*pools.traffic, *pools.new_traffic)
        }

    def run(self) -> Run:
        """Do it all.

        Raises:
            DetectorError: A part of it cannot be done: photos, programs or space are missing.
        """
        started = datetime.now(UTC)
        self._note("begun", family=self._plan.family)
        shutil.rmtree(self._places.live, ignore_errors=True)
        self._places.live.mkdir(parents=True)
        stand = Stand.set_up(self._plan, self._places, self._pools, self._bench)
        champion = read_card(stand.champion).version
        self._exams.append(self._examine("champion", stand))
        serving = datetime.now(UTC)
        preparation_s = self._spent((serving - started).total_seconds())
        self._note("champion serves", version=champion, network=stand.champion.name)
        with ExitStack() as stack:
            url = stack.enter_context(service(self._places.live, self._settings(stand)))
            monitors = ("", "")
            if installed():
                target = url.removeprefix("http://")
                monitors = stack.enter_context(alerting(self._places.live, target))
            lookout = stack.enter_context(Lookout(url, *monitors))
            calm = Stage("calm", 0.0)
            traffic = Traffic(
                url,
                self._places.raw,
                known=self._pools.traffic,
                new=self._pools.new_traffic,
                stage=calm,
                seed=self._plan.seed,
            )
            stack.enter_context(traffic)
            people = stack.enter_context(
                Reviewers(url, traffic, chance=self._plan.chance, prompted=self._plan.prompted)
            )
            self._rise(traffic, lookout)
            cause = self._understand(stand, traffic, people)
            self._refit(stand, url)
            self._after(traffic, "after refit")
            self._retrain(stand, url, traffic, people)
            self._after(traffic, "after retraining")
            seen, change = lookout.seen, lookout.first_change
            labels, failed_labels = people.labels, people.failed
        answers = traffic.answers
        self._note("ended", sent=len(answers), labels_not_taken=failed_labels)
        return Run(
            family=self._plan.family,
            form=self._plan.form,
            started=started,
            serving=serving,
            ended=datetime.now(UTC),
            preparation_s=preparation_s,
            machine=f"{platform.system()}, {usable_cores()} cores",
            pools=self._pools.counts(),
            champion=_facts(stand),
            events=tuple(sorted(self._events, key=lambda each: each.at)),
            stages=stage_figures(answers, champion, labels),
            exams=tuple(self._exams),
            detection=detection(answers, seen, change, champion),
            cause=cause,
            responses=tuple(self._responses),
            sent=len(answers),
            failed=sum(each.error is not None for each in answers),
            plan=self._plan.model_dump(mode="json"),
        )

    def _spent(self, seconds: float) -> float:
        """Seconds that the champion took: a rehearsal that finds it there tells what an earlier one spent."""
        note = self._bench.work / CHAMPION / "preparation_s"
        earlier = float(note.read_text(encoding="utf-8")) if note.is_file() else 0.0
        most = max(earlier, seconds)
        note.write_text(f"{most:.1f}\n", encoding="utf-8")
        return most

    def _rise(self, traffic: Traffic, lookout: Lookout) -> None:
        pause = self._plan.pause_s
        self._wait(traffic, Stage("calm", 0.0, pause_s=pause), self._plan.calm)
        share = 0.0
        for share, photos in self._plan.rising:
            self._note("new family rises", share=share)
            self._wait(traffic, Stage(f"new {share:.0%}", share, pause_s=pause), photos)
        give_up = time.monotonic() + 60 * self._plan.minutes
        # Slower: people and charts need their time, and photos that were sent before say nothing new.
        last = "until the page"
        traffic.turn(Stage(last, share, pause_s=max(0.3, pause)))
        while not lookout.paged and traffic.count(last) < self._plan.patience and time.monotonic() < give_up:
            time.sleep(0.2)
        self._note(RESPONSE, paged=lookout.paged)
        # Traffic goes on during the response, at a pace that leaves the machine to it.
        traffic.turn(Stage("response", share, pause_s=1.0))

    def _understand(self, stand: Stand, traffic: Traffic, people: Reviewers) -> Cause | None:
        answers = {each.sha256: each for each in traffic.answers}
        window = stand.window(people.labels, {digest for digest, each in answers.items() if each.new})
        cause, number = find_cause(window, stand.reference, self._plan.seed)
        self._note("cause found", cluster=cause.found, attribution=cause.attribution)
        asked = people.ask(suspects(window, number, cause), self._plan.labels_refit)
        self._note("labels asked for", asked=asked, labels=len(people.labels))
        return cause

    def _refit(self, stand: Stand, url: str) -> None:
        begun = time.perf_counter()
        labels, left_out = stand.labels()
        model, count, learning_s = stand.refit(labels)
        self._bring_up(
            stand, url, "refit", model, begun=begun, learnt=(count, len(labels), learning_s, left_out)
        )

    def _retrain(self, stand: Stand, url: str, traffic: Traffic, people: Reviewers) -> None:
        traffic.turn(Stage("retraining", self._plan.after_share, pause_s=2.0))
        more = max(0, self._plan.labels_retrain - len(people.labels))
        asked = people.ask(stand.likeliest(people.labels), more)
        self._note("labels asked for", asked=asked, labels=len(people.labels))
        begun = time.perf_counter()
        labels, left_out = stand.labels()
        fresh = {each.sha256 for each in self._pools.new_traffic}
        # Known photos that were sent are in the manifest already, and stay what they are there.
        learnt = [of_feedback(self._records[each.sha256]) for each in labels if each.sha256 in fresh]
        if not learnt:
            raise DataError("no labelled photo of the new family is there to train on")
        model = train_on_labels(self._bench, self._pools, learnt)
        learning_s = time.perf_counter() - begun
        stand.take(model)
        learnt_facts = (len(learnt), len(labels), learning_s, left_out)
        self._bring_up(stand, url, "retraining", model, begun=begun, learnt=learnt_facts)

    def _bring_up(
        self,
        stand: Stand,
        url: str,
        step: Step,
        model: Path,
        *,
        begun: float,
        learnt: tuple[int, int, float, dict[str, int]],
    ) -> None:
        """Judge a candidate, hold the gates, promote it, and wait until the service answers with it."""
        self._exams.append(self._examine(step, stand, model))
        tried = stand.try_out(model, step)
        version = read_card(model).version
        self._note("gates held", step=step, promoted=tried.promoted, excused=len(tried.excused))
        if tried.promoted:
            _await_version(url, version)
            self._note("service swapped", step=step, version=version)
        labels, at_hand, learning_s, left_out = learnt
        self._responses.append(
            Response(
                step=step,
                model_version=version,
                labels=labels,
                at_hand=at_hand,
                labels_left_out=left_out,
                seconds=time.perf_counter() - begun,
                learning_s=learning_s,
                registry_version=tried.version,
                promoted=tried.promoted,
                gates=tuple(tried.gates),
                excused=tuple(tried.excused),
                versions=stand.versions(step),
            )
        )

    def _examine(self, step: Step, stand: Stand, model: Path | None = None) -> Exam:
        known, new = stand.judges()
        return sit_exam(step, model or stand.champion, known, new, replicates=self._plan.replicates)

    def _after(self, traffic: Traffic, name: str) -> None:
        plan = self._plan
        self._wait(traffic, Stage(name, plan.after_share, pause_s=plan.pause_s), plan.after)

    def _wait(self, traffic: Traffic, stage: Stage, photos: int) -> None:
        log.info("stage", name=stage.name, photos=photos)
        traffic.wait(stage, photos, 60 * self._plan.minutes)

    def _note(self, what: str, **facts: JsonValue) -> None:
        log.info("incident", what=what, **facts)
        self._events.append(Event(at=datetime.now(UTC), what=what, facts=facts))

    def _settings(self, stand: Stand) -> dict[str, str]:
        live = self._places.live
        keys = live / "no-keys.json"
        keys.write_text(KeyFile().model_dump_json(), encoding="utf-8")
        return {
            "DETECTOR_MODEL_URI": f"models:/{MODEL_NAME}@champion",
            "DETECTOR_REGISTRY_URI": stand.registry_uri,
            "DETECTOR_MODEL_POLL_S": str(self._plan.poll_s),
            "DETECTOR_MODEL_CACHE": str(stand.cache),
            "DETECTOR_STORE_URL": stand.store_url,
            "DETECTOR_SPOOL_DIR": str(live / "spool"),
            "DETECTOR_KEYS_FILE": str(keys),
            "DETECTOR_METRICS_OPEN": "true",
            "DETECTOR_DRIFT_EVERY_S": str(self._plan.poll_s),
            "DETECTOR_DEADLINE_S": "60",
            "DETECTOR_STORE_TIMEOUT_S": "20",
            "DETECTOR_LOG_LEVEL": "info",
        }


def _await_version(url: str, version: str) -> None:
    give_up = time.monotonic() + _SWAP_S
    with DetectorClient(url) as client:
        while client.model().version != version:
            if time.monotonic() > give_up:
                raise DataError(f"the service did not take version {version} in {_SWAP_S:.0f} s")
            time.sleep(0.1)


def _facts(stand: Stand) -> dict[str, JsonValue]:
    card = read_card(stand.champion)
    return {
        "version": card.version,
        "architecture": card.architecture,
        "steps": card.training.steps if card.training else 0,
        "photos": card.training.photos if card.training else 0,
        "data_hash": card.data_hash,
    }
