"""Embeddings of AI-generated pictures in, an attributor of generator families out.

Everything that is fitted is fitted on other shops than it is judged on: pictures of one shop share one style,
and often one generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.inference.attribution import Attributor, AttributorFacts, Floats, Space, confidences
from src.utils.errors import DataError

DIMENSIONS = 32
SHRINKAGE = 0.3
"""Share of the round covariance that is mixed in: some thousand pictures do not tell 32 x 32 numbers well."""
FOLDS = 5
FLOOR = 0.7
"""Least share of right names among those given, for each family that may be named at all."""
INSIDE = 0.95
"""Share of pictures of known families, of unseen shops, that the limit of distance lets pass."""
LEAST_SHOPS = 4
LEAST_PHOTOS = 20
_LEAST_NAMED = 5
_LEAST_NAMED_SHOPS = 2
OUTSIDE = -1

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """N AI-generated pictures.

    Attributes:
        embedding: float32 [N, D].
        family: [N], as in `src.data.families`.
        source: [N], the shop.
    """

    embedding: NDArray[np.float32]
    family: NDArray[np.str_]
    source: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.family)

    def where(self, mask: NDArray[np.bool_]) -> Pictures:
        """The pictures for which `mask` [N] holds."""
        return Pictures(self.embedding[mask], self.family[mask], self.source[mask])

    def known_families(self) -> tuple[str, ...]:
        """Families with pictures enough, of shops enough; `other` is none, but whatever is left."""
        found = []
        for name in np.unique(self.family).tolist():
            own = self.family == name
            if (
                name != "other"
                and own.sum() >= LEAST_PHOTOS
                and len(np.unique(self.source[own])) >= LEAST_SHOPS
            ):
                found.append(name)
        return tuple(found)

    def truth(self, families: Sequence[str]) -> Ints:
        """int64 [N], index of each picture's family, `OUTSIDE` for all others."""
        place = {name: index for index, name in enumerate(families)}
        return np.array([place.get(name, OUTSIDE) for name in self.family.tolist()], dtype=np.int64)

    def weights(self) -> Floats:
        """float64 [N]; a shop of n pictures of a family counts as sqrt(n), and each family as much as any."""
        shop = np.char.add(np.char.add(self.family, "|"), self.source)
        _, index, size = np.unique(shop, return_inverse=True, return_counts=True)
        damped = 1.0 / np.sqrt(size[index])
        _, family = np.unique(self.family, return_inverse=True)
        found: Floats = damped / np.bincount(family, weights=damped)[family]
        return found


@dataclass(frozen=True, slots=True)
class Rules:
    """When a family is named; see `AttributorFacts`."""

    named: tuple[str, ...]
    temperature: float
    most_distance: float
    least_confidence: float

    def names(self, squared: Floats, families: Sequence[str]) -> Ints:
        """int64 [N], index of the family that is named, `OUTSIDE` for unknown."""
        nearest = squared.argmin(axis=1)
        confident = confidences(squared, self.temperature).max(axis=1) >= self.least_confidence
        near = np.sqrt(squared.min(axis=1)) <= self.most_distance
        may = np.array([name in self.named for name in families])[nearest]
        found: Ints = np.where(confident & near & may, nearest, OUTSIDE)
        return found


def fit_space(pictures: Pictures, families: Sequence[str]) -> Space:
    """Principal directions, the means of families, and one shrunk covariance within them, made round.

    Raises:
        DataError: A family has no picture.
    """
    pictures = pictures.where(pictures.truth(families) != OUTSIDE)
    truth, weights = pictures.truth(families), pictures.weights()
    if set(truth.tolist()) != set(range(len(families))):
        raise DataError("a family has no picture to learn it from")
    weights = weights / weights.sum()
    embedding = pictures.embedding.astype(np.float64)
    centre = weights @ embedding
    scaled = np.sqrt(weights)[:, None] * (embedding - centre)
    _, _, directions = np.linalg.svd(scaled, full_matrices=False)
    basis = directions[:DIMENSIONS].T
    placed = (embedding - centre) @ basis
    means = np.stack(
        [np.average(placed[truth == i], axis=0, weights=weights[truth == i]) for i in range(len(families))]
    )
    away = placed - means[truth]
    within = (weights[:, None] * away).T @ away
    size = len(within)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / size * np.eye(size)
    whitening = np.linalg.inv(np.linalg.cholesky(within)).T
    return Space(
        centre.astype(np.float32),
        (basis @ whitening).astype(np.float32),
        (means @ whitening).astype(np.float32),
    )


def deal(pictures: Pictures, folds: int = FOLDS) -> Ints:
    """A fold for each picture, int64 [N]: whole shops, each family's spread over the folds."""
    shops, index = np.unique(pictures.source, return_inverse=True)
    size = np.bincount(index)
    first = [str(pictures.family[index == shop][0]) for shop in range(len(shops))]
    order = sorted(range(len(shops)), key=lambda shop: (first[shop], -size[shop], shops[shop]))
    fold = np.zeros(len(shops), dtype=np.int64)
    fold[order] = np.arange(len(shops)) % folds
    return fold[index]


def cross_distances(pictures: Pictures, families: Sequence[str]) -> Floats:
    """Squared distances [N, C] of each picture to the families as other shops show them."""
    fold = deal(pictures)
    found = np.zeros((len(pictures), len(families)))
    for held in np.unique(fold).tolist():
        space = fit_space(pictures.where(fold != held), families)
        found[fold == held] = space.distances(pictures.embedding[fold == held])
    return found


def choose_rules(squared: Floats, pictures: Pictures, families: Sequence[str], floor: float = FLOOR) -> Rules:
    """Choose when to name, so that most are named rightly while each name is right `floor` of the time.

    Args:
        squared: float64 [N, C], of `cross_distances`.
        pictures: Known families and others; a name that one of the others gets is wrong.
        families: In the order of `squared`.
        floor: Least precision of each name.
    """
    truth, weights = pictures.truth(families), pictures.weights()
    known = truth != OUTSIDE
    temperature = _temperature(squared[known], truth[known], weights[known])
    limit = float(np.quantile(np.sqrt(squared[known].min(axis=1)), INSIDE))
    best, most = Rules((), temperature, limit, 1.0), 0
    for least in np.linspace(0.3, 0.98, 35).tolist():
        given = Rules(tuple(families), temperature, limit, least).names(squared, families)
        named = tuple(
            name
            for index, name in enumerate(families)
            if _right_enough(given == index, truth == index, pictures.source, floor)
        )
        rules = Rules(named, temperature, limit, least)
        right = int((rules.names(squared, families) == truth)[known].sum())
        if right > most:
            best, most = rules, right
    return best


def fit_attributor(pictures: Pictures, model: str, floor: float = FLOOR) -> Attributor:
    """Fit an attributor.

    Args:
        pictures: AI-generated pictures that the network was not trained on.
        model: Identity of the network, see `identity_of`.
        floor: Least precision of each name.

    Raises:
        DataError: Fewer than two families have pictures enough.
    """
    families = pictures.known_families()
    if len(families) < 2:
        raise DataError("attribution needs at least two families with pictures of several shops each")
    rules = choose_rules(cross_distances(pictures, families), pictures, families, floor)
    facts = AttributorFacts(
        model=model,
        families=families,
        named=rules.named,
        temperature=rules.temperature,
        most_distance=rules.most_distance,
        least_confidence=rules.least_confidence,
        precision_floor=floor,
    )
    return Attributor(facts, fit_space(pictures, families))


def _temperature(squared: Floats, truth: Ints, weights: Floats) -> float:
    """The temperature of the least weighted log loss, from a grid: one number needs no descent."""
    grid = np.geomspace(0.5, 100.0, 60)
    rows = np.arange(len(truth))
    losses = [
        -np.average(np.log(confidences(squared, each)[rows, truth] + 1e-12), weights=weights) for each in grid
    ]
    return float(grid[int(np.argmin(losses))])


def _right_enough(
    given: NDArray[np.bool_], true: NDArray[np.bool_], source: NDArray[np.str_], floor: float
) -> bool:
    """Whether a name is right often enough, and was given often and widely enough to say so."""
    if given.sum() < _LEAST_NAMED or len(np.unique(source[given & true])) < _LEAST_NAMED_SHOPS:
        return False
    return bool(true[given].mean() >= floor)
