"""Writes to the registry: registers a model with all that belongs to it, and moves its aliases."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from src.registry.history import HISTORY_TAG, Change, parse_history, render_history, settled, standing
from src.registry.library import LibraryReader, as_version, calling
from src.registry.names import (
    CHALLENGER,
    CHAMPION,
    FOLDER,
    MODEL_FILE,
    MODEL_NAME,
    REPORT_FILE,
    ModelUri,
    Version,
)
from src.registry.onnx_file import inspect_model
from src.registry.package import facts_of, write_package
from src.registry.resolve import DEFAULT_REGISTRY, fetch
from src.utils.errors import NotFoundError, PromotionRefused

EXPERIMENT = "detector-registry"
GATES_TAG = "gates"


class Gate(Protocol):
    """What is asked of a gate's result; `src.evaluation.gates` makes them."""

    @property
    def name(self) -> str:
        """Which gate."""
        ...

    @property
    def passed(self) -> bool:
        """Whether the candidate may pass."""
        ...


class Registry:
    """One registered model and its versions in an MLflow tracking store.

    Args:
        tracking_uri: `sqlite:///file.db`, `postgresql+psycopg://...` or an MLflow server's address.
        name: Of the registered model.

    Raises:
        ConfigError: MLflow is not installed here.
    """

    def __init__(self, tracking_uri: str = DEFAULT_REGISTRY, name: str = MODEL_NAME) -> None:
        self.name = name
        self._reader = LibraryReader(tracking_uri)
        self._client = self._reader.client
        self._tracking_uri = tracking_uri

    def register(
        self,
        model: Path,
        report: Path | None = None,
        data_hash: str | None = None,
        commit: str | None = None,
    ) -> int:
        """Keep a model with signature, card, report and origin.

        Args:
            model: The ONNX file with its card.
            report: `report.json` of the evaluation; without one the version cannot be promoted.
            data_hash: Of the training data; the card's by default.
            commit: Of the code; the card's by default.

        Returns:
            The new version, or the earlier one of the very same file and report.

        Raises:
            ModelError: The file is missing, no ONNX, or has no card.
            RegistryError: The store fails.
        """
        facts = inspect_model(model)
        tags = facts_of(facts, report, data_hash=data_hash, commit=commit)
        for known in self._versions():
            if all(known.tags.get(key) == tags.get(key) for key in ("sha256", "report_sha256")):
                return known.version
        run = calling(
            lambda: self._client.create_run(self._experiment(), run_name=f"register {facts.card.version}")
        )
        run_id = run.info.run_id
        try:
            with tempfile.TemporaryDirectory(prefix="detector-register-") as folder:
                write_package(Path(folder), facts, report, run_id)
                calling(lambda: self._client.log_artifacts(run_id, folder, FOLDER))
            self._ensure_model()
            made = calling(
                lambda: self._client.create_model_version(
                    self.name, f"{run.info.artifact_uri}/{FOLDER}", run_id=run_id, tags=tags
                )
            )
        except BaseException:
            self._client.set_terminated(run_id, "FAILED")
            raise
        self._client.set_terminated(run_id, "FINISHED")
        return int(made.version)

    def versions(self) -> list[Version]:
        """Every version with its aliases, the newest first; empty when nothing was registered."""
        try:
            model = calling(lambda: self._client.get_registered_model(self.name))
        except NotFoundError:
            return []
        aliases: dict[int, list[str]] = {}
        for alias, version in model.aliases.items():
            aliases.setdefault(int(version), []).append(alias)
        return [
            Version(each.name, each.version, each.source, each.run_id, each.tags, tuple(sorted(found)))
            for each in self._versions()
            for found in [aliases.get(each.version, [])]
        ]

    def find(self, which: str | int) -> Version:
        """A version by number or alias.

        Raises:
            NotFoundError: There is none.
        """
        text = str(which)
        is_number = text.isdigit() and int(text) > 0
        uri = ModelUri(self.name, version=int(text)) if is_number else ModelUri(self.name, alias=text)
        return self._reader.find(uri)

    def champion(self) -> Version | None:
        """The version in service, if there is one."""
        return self._aliased(CHAMPION)

    def challenger(self) -> Version | None:
        """The version on trial, if there is one."""
        return self._aliased(CHALLENGER)

    def challenge(self, version: int) -> None:
        """Put a version on trial: it gets the alias `challenger`.

        Raises:
            NotFoundError: There is no such version.
        """
        self._set_alias(CHALLENGER, version)

    def model_file(self, version: Version, cache: Path) -> Path:
        """Have a version's model file here, checked by its digest.

        Raises:
            ModelError: It is not the file that was registered.
        """
        return fetch(self._reader, version, cache)

    def report_file(self, version: Version, cache: Path) -> Path:
        """Have a version's evaluation report here.

        Raises:
            NotFoundError: It was registered without one.
        """
        cache.mkdir(parents=True, exist_ok=True)
        target = cache / f"{version.name}-{version.version}-{REPORT_FILE}"
        self._reader.download(version, REPORT_FILE, target)
        return target

    def promote(
        self, version: int, gates: Sequence[Gate], *, summary: str = "", against: int | None = None
    ) -> None:
        """Make a version the champion. There is no way around the gates.

        MLflow sets an alias without a condition, so two promotions within milliseconds can still both go
        through; the later one stays, and the history names both.

        Args:
            version: Of this model.
            gates: Results for this version against the present champion.
            summary: What the gates measured, kept with the version.
            against: Version that was champion when the gates were held, 0 for none; by default nobody asks.

        Raises:
            PromotionRefused: A gate is not passed, none was held, or the champion is another one by now.
            NotFoundError: There is no such version.
        """
        refused = [gate.name for gate in gates if not gate.passed]
        if refused or not gates:
            raise PromotionRefused(f"version {version} stays out: {', '.join(refused) or 'no gate was held'}")
        self.find(version)
        # Before anything is written, and once more as late as can be.
        self._refuse_if_replaced(version, against)
        if summary:
            calling(
                lambda: self._client.set_model_version_tag(self.name, str(version), GATES_TAG, summary),
                f"version {version}",
            )
        history = self._history()
        self._refuse_if_replaced(version, against)
        self._set_alias(CHAMPION, version)
        challenger = self.challenger()
        if challenger is not None and challenger.version == version:
            self._client.delete_registered_model_alias(self.name, CHALLENGER)
        self._remember([*history, Change(action="promote", version=version, at=datetime.now(UTC))])

    def rollback(self) -> tuple[int, int]:
        """Bring the last champion back: one write of the alias, then the note of it.

        Returns:
            The version that goes and the one that comes back.

        Raises:
            NotFoundError: There is no champion, or none before it.
        """
        history = self._history()
        stack = standing(history)
        if len(stack) < 2:
            raise NotFoundError("there is no earlier champion to return to")
        gone, back = stack[-1], stack[-2]
        self._set_alias(CHAMPION, back)
        self._remember([*history, Change(action="rollback", version=back, at=datetime.now(UTC))])
        return gone, back

    def history(self) -> list[Change]:
        """Every change of the champion that is remembered, the oldest first."""
        return self._history()

    def _refuse_if_replaced(self, version: int, against: int | None) -> None:
        if against is None:
            return
        champion = self.champion()
        now = 0 if champion is None else champion.version
        if now != against:
            before, present = (f"version {each}" if each else "no champion" for each in (against, now))
            raise PromotionRefused(
                f"version {version} stays out: its gates were held against {before}, and now there is "
                f"{present}; hold them again"
            )

    def _history(self) -> list[Change]:
        try:
            model = calling(lambda: self._client.get_registered_model(self.name))
        except NotFoundError:
            return []
        champion = model.aliases.get(CHAMPION)
        known = parse_history(model.tags.get(HISTORY_TAG))
        return settled(known, int(champion) if champion else None, datetime.now(UTC))

    def _remember(self, history: Sequence[Change]) -> None:
        text = render_history(history)
        calling(lambda: self._client.set_registered_model_tag(self.name, HISTORY_TAG, text))

    def _versions(self) -> list[Version]:
        found = calling(lambda: self._client.search_model_versions(f"name='{self.name}'", max_results=1000))
        return sorted((as_version(each) for each in found), key=lambda each: -each.version)

    def _aliased(self, alias: str) -> Version | None:
        try:
            return self.find(alias)
        except NotFoundError:
            return None

    def _set_alias(self, alias: str, version: int) -> None:
        calling(
            lambda: self._client.set_registered_model_alias(self.name, alias, str(version)),
            f"version {version}",
        )

    def _ensure_model(self) -> None:
        try:
            calling(lambda: self._client.get_registered_model(self.name))
        except NotFoundError:
            calling(lambda: self._client.create_registered_model(self.name))

    def _experiment(self) -> str:
        found = calling(lambda: self._client.get_experiment_by_name(EXPERIMENT))
        if found is not None:
            return str(found.experiment_id)
        # Beside a local database; a server knows its own place for files.
        place = None
        if self._tracking_uri.startswith("sqlite:///"):
            database = Path(urlsplit(self._tracking_uri).path[1:])
            place = (database.absolute().parent / "mlartifacts").as_uri()
        return str(calling(lambda: self._client.create_experiment(EXPERIMENT, artifact_location=place)))


__all__ = ["CHALLENGER", "CHAMPION", "MODEL_FILE", "Registry"]
