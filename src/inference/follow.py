"""Keeps a model at what its name in the registry means: look, fetch, load, test, and only then hand over.

Everything here blocks and runs in a thread; whoever follows a model swaps it on the event loop.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from src.inference.scorer import Judge
from src.monitoring.rollout import Role, RolloutMetrics
from src.registry.resolve import Found, Resolver
from src.utils.errors import DetectorError, ModelError, NotFoundError, RegistryError
from src.utils.settings import Settings

LoadFile = Callable[[Path], Judge]

_log = structlog.get_logger()
_TEST_SIZE = (320, 240)


@dataclass(frozen=True, slots=True)
class Change:
    """What a look found.

    Attributes:
        detector: The sound model that is meant now; None when the name means nothing any more.
    """

    detector: Judge | None


class Follower:
    """Follows one name.

    Args:
        uri: A file, `models:/name@alias` or `models:/name/version`.
        settings: Where the registry and the folder for fetched files are.
        load: Makes a warm detector of a file.
        metrics: Counts what happens.
        role: Of the model.

    Raises:
        ConfigError: The URI is none.
    """

    def __init__(
        self, uri: str, settings: Settings, load: LoadFile, metrics: RolloutMetrics, role: Role
    ) -> None:
        self._resolver = Resolver(uri, settings.model_cache, settings.registry_uri)
        self._load_file = load
        self._metrics = metrics
        self._role = role
        self._loaded = ""
        self._refused = ""

    def load(self) -> Judge:
        """Load what is meant now; while the registry is away, what was served last from here.

        Raises:
            ModelError: The model is not usable.
            NotFoundError: The registry has no such model.
            RegistryError: The registry is away, and nothing was served before.
        """
        try:
            found = self._resolver.look()
        except RegistryError as error:
            earlier = self._resolver.recall()
            if earlier is None:
                raise
            _log.warning("registry_away", role=self._role, reason=error.message, serves="the last model")
            self._metrics.changed(self._role, "unreachable")
            found = earlier
        detector = self._try(found, None)
        self._take(found)
        return detector

    def look(self, served: Judge | None) -> Change | None:
        """Look once.

        Args:
            served: The champion at this moment: another model must know every policy that it knows.

        Returns:
            None when nothing is to be done: the same model, a registry that is away, or a model that is
            refused, which is tried again only when the name means another one.
        """
        try:
            found = self._resolver.look()
            if found.identity in (self._loaded, self._refused):
                return None
            detector = self._try(found, served)
        except NotFoundError:
            return self._gone()
        except RegistryError as error:
            self._metrics.changed(self._role, "unreachable")
            _log.warning("registry_away", role=self._role, reason=error.message)
            return None
        except ModelError as error:  # of the look itself: what it means is not known
            self._metrics.changed(self._role, "refused")
            _log.error("model_refused", role=self._role, reason=error.message)
            return None
        except _RefusedError as error:
            self._refused = error.identity
            return None
        self._take(found)
        self._metrics.changed(self._role, "swapped")
        return Change(detector)

    def close(self) -> None:
        """Let go of the registry."""
        self._resolver.close()

    def _try(self, found: Found, served: Judge | None) -> Judge:
        try:
            detector = self._load_file(self._resolver.fetch(found))
            self_test(detector)
            if served is not None:
                check_successor(served, detector)
        except RegistryError:
            raise  # the download failed, not the model
        except Exception as error:
            if served is None:
                raise
            self._metrics.changed(self._role, "refused")
            reason = error.message if isinstance(error, DetectorError) else type(error).__name__
            _log.error("model_refused", role=self._role, model=found.identity, reason=reason, exc_info=error)
            raise _RefusedError(found.identity) from error
        return detector

    def _take(self, found: Found) -> None:
        self._loaded, self._refused = found.identity, ""
        self._resolver.remember(found)
        self._metrics.loaded(self._role, found.version.version if found.version is not None else 0)

    def _gone(self) -> Change | None:
        if not self._loaded:
            return None
        self._metrics.changed(self._role, "gone")
        _log.warning("model_name_gone", role=self._role)
        if self._role == "champion":
            return None  # what is served stays, whatever became of its name
        self._loaded = ""
        self._metrics.loaded(self._role, 0)
        return Change(None)


class _RefusedError(Exception):
    """A model that must not be tried again as it is."""

    def __init__(self, identity: str) -> None:
        super().__init__(identity)
        self.identity = identity


def self_test(detector: Judge) -> None:
    """Judge a picture drawn here, under every policy of the card.

    Raises:
        ModelError: An answer is no finite number, or contradicts the card.
    """
    # Served photos need these anyway; importing this module must not wait for them.
    import numpy as np  # noqa: PLC0415

    card = detector.card
    prepared = detector.prepare(_test_picture())
    for name, policy in card.policies.items():
        (detection,) = detector.judge([prepared], [name])
        numbers = (detection.logit, detection.probability)
        if not np.isfinite(numbers).all() or not np.isfinite(detection.embedding).all():
            raise ModelError("the model's answer to a drawn picture is not finite")
        label = "ai_generated" if policy.is_fake(detection.probability) else "real"
        if (detection.label, detection.policy, detection.model_version) != (label, name, card.version):
            raise ModelError("the model's answer to a drawn picture contradicts its card")


def check_successor(served: Judge, other: Judge) -> None:
    """Make sure that no request that is answered now would be refused by another model.

    Raises:
        ModelError: The other model lacks a policy.
    """
    lacking = sorted(set(served.card.policies) - set(other.card.policies))
    if lacking:
        raise ModelError(f"the model lacks policies that are in use: {', '.join(lacking)}")


def _test_picture() -> bytes:
    import numpy as np  # noqa: PLC0415 - as above
    from PIL import Image  # noqa: PLC0415

    width, height = _TEST_SIZE
    across, down = np.arange(width)[None, :], np.arange(height)[:, None]
    grain = (across * 7919 + down * 104_729) % 37
    channels = (across * 200 // width + grain, down * 200 // height + grain, 120 + grain + 0 * across)
    stream = io.BytesIO()
    Image.fromarray(np.stack(np.broadcast_arrays(*channels), axis=-1).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
