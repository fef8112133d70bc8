"""The root cause: which photos of the alarmed window are unlike the reference, and what is known of them.

Works with what an operator has: kept embeddings and verdicts, people's labels, the reference. The truth is
only used to say afterwards how well that pointed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from sklearn.metrics import silhouette_score

from src.data.families import family_of
from src.incident.records import Cause, Cluster
from src.incident.seen import Seen
from src.utils.errors import DataError

_DIMENSIONS = 24
_CLUSTERS = range(3, 11)
_LEAST = 40
_SMALLEST = 8
_CHANCE = 0.01
"""Of pointing at a cluster, whichever, in traffic that is like the reference."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Photos of the alarmed window, each once.

    Attributes:
        sha256: [N].
        embedding: float [N, D], as the service keeps it.
        judged_fake: bool [N].
        labels: What people said, by digest.
        new: bool [N], the truth.
    """

    sha256: Sequence[str]
    embedding: NDArray[np.floating]
    judged_fake: NDArray[np.bool_]
    labels: Mapping[str, bool]
    new: NDArray[np.bool_]


def find_cause(window: Window, reference: Seen, seed: int = 0) -> tuple[Cause, NDArray[np.int64]]:
    """Cluster the window (k-means, the number of clusters by silhouette), and find the excessive cluster.

    A cluster is excessive by how much its share of the window is above its share of the reference. The space
    and the clusters are made of one half of either; by Fisher's exact test, corrected for the number of
    clusters, the other half of the window must exceed the other half of the reference by more than chance.

    Returns:
        The cause, and the cluster of each photo.

    Raises:
        DataError: There are too few photos.
    """
    n = len(window.sha256)
    if n < _LEAST:
        raise DataError(f"{n} photos are too few to look for a cause in")
    # Directions and clusters follow the photos that they are made of: only the others can tell of an excess.
    fitted, known = _half(n, seed), _half(len(reference), seed + 1)
    usual, mine = _space(reference.first, known, window.embedding, fitted)
    centres = _clusters(mine[fitted], seed)
    number, of_usual = _nearest(mine, centres), _nearest(usual[~known], centres)
    centre_of = {
        family: usual[families == family].mean(axis=0)
        for families in [np.array([family_of(each) for each in reference.generator.tolist()])]
        for family in np.unique(families).tolist()
    }
    clusters = [
        _describe(each, window, number == each, float((of_usual == each).mean()), centres[each], centre_of)
        for each in range(len(centres))
    ]
    ranked = sorted(clusters, key=lambda each: (each.photos < _SMALLEST, -each.excess))
    top = ranked[0].number
    excessive = ranked[0].photos >= _SMALLEST and _excessive(
        number[~fitted] == top, of_usual == top, chance=_CHANCE / len(centres)
    )
    found = top if excessive else None
    inside = window.new & (number == found)
    nearest = f"; the nearest known family is {ranked[0].nearest_family}" if excessive else ""
    cause = Cause(
        window=n,
        clusters=tuple(ranked),
        found=found,
        attribution=f"unknown{nearest}",
        new_in_found=float(inside.sum() / window.new.sum()) if excessive and window.new.any() else None,
        slices=_slices(window),
    )
    return cause, number


def suspects(window: Window, number: NDArray[np.int64], cause: Cause) -> list[str]:
    """Digests of the found cluster's photos that nobody has judged, those nearest to its middle first.

    Where no cluster stands out: of the photos that the model took for real, in the chance order of digests.
    """
    if cause.found is None:
        taken = zip(window.sha256, window.judged_fake.tolist(), strict=True)
        return sorted(digest for digest, fake in taken if not fake and digest not in window.labels)
    mine = np.flatnonzero(number == cause.found)
    embedding = window.embedding[mine].astype(np.float64)
    distance = np.linalg.norm(embedding - embedding.mean(axis=0), axis=1)
    order = mine[np.argsort(distance, kind="stable")]
    return [window.sha256[each] for each in order.tolist() if window.sha256[each] not in window.labels]


def _half(count: int, seed: int) -> NDArray[np.bool_]:
    half: NDArray[np.bool_] = np.random.default_rng(seed).permutation(count) < count // 2
    return half


def _excessive(window: NDArray[np.bool_], reference: NDArray[np.bool_], chance: float) -> bool:
    """Whether more of the window lies in a cluster than of the reference."""
    counts = [[int(inside.sum()), int((~inside).sum())] for inside in (window, reference)]
    return bool(fisher_exact(counts, alternative="greater").pvalue < chance)


def _space(
    reference: NDArray[np.floating],
    known: NDArray[np.bool_],
    window: NDArray[np.floating],
    fitted: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Both along the directions in which the window varies most, where the reference varies alike in all.

    Made of the `fitted` photos of the window and the `known` ones of the reference.

    Without the whitening (by a shrunk covariance: Ledoit and Wolf 2004), clusters would follow what varies
    most in any traffic, such as ground and light, and not what is new in this one.
    """
    usual, mine = reference.astype(np.float64), window.astype(np.float64)
    centre, spread = usual[known].mean(axis=0), usual[known].std(axis=0)
    spread = np.maximum(spread, 0.05 * float(np.median(spread[spread > 0])))
    usual, mine = (usual - centre) / spread, (mine - centre) / spread
    values, axes = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(usual[known]).covariance_)
    white = axes / np.sqrt(np.maximum(values, 1e-9))
    usual, mine = usual @ white, mine @ white
    _, _, most = np.linalg.svd(mine[fitted], full_matrices=False)
    return usual @ most[:_DIMENSIONS].T, mine @ most[:_DIMENSIONS].T


def _clusters(points: Floats, seed: int) -> Floats:
    """Centres of clusters."""
    best: tuple[float, Floats] | None = None
    for count in _CLUSTERS:
        if count >= len(points) // _SMALLEST:
            break
        model = KMeans(count, n_init=4, random_state=seed).fit(points)
        score = float(silhouette_score(points, model.labels_))
        if best is None or score > best[0]:
            best = score, model.cluster_centers_
    if best is None:
        raise DataError("the window is too small to be divided")
    return best[1]


def _nearest(points: Floats, centres: Floats) -> NDArray[np.int64]:
    nearest: NDArray[np.int64] = np.argmin(((points[:, None] - centres) ** 2).sum(axis=2), axis=1)
    return nearest


def _describe(  # noqa: PLR0917
    number: int,
    window: Window,
    inside: NDArray[np.bool_],
    usual: float,
    centre: Floats,
    centre_of: Mapping[str, Floats],
) -> Cluster:
    said = [
        window.labels[digest]
        for digest, mine in zip(window.sha256, inside.tolist(), strict=True)
        if mine and digest in window.labels
    ]
    return Cluster(
        number=number,
        photos=int(inside.sum()),
        excess=float(inside.mean() - usual),
        judged_fake=float(window.judged_fake[inside].mean()),
        labelled=len(said),
        labelled_fake=sum(said),
        nearest_family=min(centre_of, key=lambda name: float(np.linalg.norm(centre_of[name] - centre))),
        new_share=float(window.new[inside].mean()),
    )


def _slices(window: Window) -> dict[str, tuple[int, int]]:
    """People's labels by the verdict: how many, and how many contradict it."""
    found: dict[str, tuple[int, int]] = {}
    for digest, judged in zip(window.sha256, window.judged_fake.tolist(), strict=True):
        if digest in window.labels:
            name = "judged ai_generated" if judged else "judged real"
            count, wrong = found.get(name, (0, 0))
            found[name] = count + 1, wrong + (window.labels[digest] != judged)
    return found
