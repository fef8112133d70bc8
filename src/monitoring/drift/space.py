"""What a photo looks like to the charts: whitened features in which a moving mix of labels cannot be seen.

Traffic is thought of as two known crowds, real and AI-generated, in shares that wander: that is no drift of
the model (label shift: Saerens et al. 2002, Lipton et al. 2018). It moves the mean of any feature along one
line, from the one crowd's mean to the other's, so this line is projected out. A crowd that is new moves the
mean off the line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.monitoring.drift.statistics import Floats, nearest_distance

NEIGHBOURS = 5
FAR_QUANTILE = 0.99
_LOGIT_BINS = 6
_SHRINK = 0.1
_CLIP = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """N photos as the space takes them.

    Attributes:
        reduced: float64 [N, P], embeddings as the reference reduces them, in order of their variance.
        logit: float64 [N].
        inputs: float64 [N, K], file facts as `src.monitoring.drift.inputs` puts them.
    """

    reduced: Floats
    logit: Floats
    inputs: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """What is known of N reference photos beside what they look like.

    Attributes:
        fake: bool [N], the truth, or the verdict where nobody knows.
        source: [N], the shop, or whoever else sends several photos in a row.
    """

    fake: NDArray[np.bool_]
    source: NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """N photos as charts take them.

    Attributes:
        content: float64 [N, F], of embedding and logit.
        inputs: float64 [N, K], of file facts.
        far: bool [N], farther from the reference than its 99 % quantile.
    """

    content: Floats
    inputs: Floats
    far: NDArray[np.bool_]

    def __getitem__(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Features:
        return Features(self.content[index], self.inputs[index], self.far[index])


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Whitens features and leaves out the line from real to AI-generated.

    Attributes:
        mean: float64 [F].
        whiten: float64 [F, F].
    """

    mean: Floats
    whiten: Floats

    @classmethod
    def fit(cls, raw: Floats, crowd: Crowd, burst: float) -> Plane:
        """Learn from N photos.

        Args:
            raw: float64 [N, F].
            crowd: Their labels and shops.
            burst: Mean number of photos that one shop sends in a row: directions in which shops differ are
                noisier in traffic than among photos one by one.
        """
        mean = raw.mean(axis=0)
        whiten = _whitening(_covariance(raw - mean, crowd.source, burst))
        line = (raw[crowd.fake].mean(axis=0) - raw[~crowd.fake].mean(axis=0)) @ whiten
        length = float(line @ line)
        if length > 0.0:
            whiten = whiten - np.outer(whiten @ line, line) / length
        return cls(mean, whiten)

    def __call__(self, raw: Floats) -> Floats:
        """Features [N, F]; clipped, so that no single photo can raise an alarm."""
        return np.clip((raw - self.mean) @ self.whiten, -_CLIP, _CLIP)


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Learnt on reference photos.

    Attributes:
        charted: How many dimensions of the reduced embedding the charts watch.
        edges: float64 [B - 1], logits between the bins of the logit's histogram.
        content: Of embedding and logit.
        inputs: Of file facts.
        points: float64 [N, P], reduced embeddings of the reference.
        far: 99 % quantile of the reference's own neighbour distances.
    """

    charted: int
    edges: Floats
    content: Plane
    inputs: Plane
    points: Floats
    far: float

    @classmethod
    def fit(cls, sample: Sample, crowd: Crowd, *, charted: int, burst: float) -> Space:
        """Learn the space.

        Args:
            sample: The reference's photos.
            crowd: Their labels and shops.
            charted: How many dimensions the charts watch; neighbours are looked for in all.
            burst: As for `Plane.fit`.

        Raises:
            ValueError: There are too few photos, or they are all of one label.
        """
        fake = crowd.fake
        if min(fake.sum(), (~fake).sum()) < 2 * NEIGHBOURS or len(fake) < 3 * charted:
            raise ValueError("too few photos of one label")
        edges = np.unique(np.quantile(sample.logit, np.linspace(0, 1, _LOGIT_BINS + 1)[1:-1]))
        own = nearest_distance(sample.reduced, sample.reduced, NEIGHBOURS, own=True)
        return cls(
            charted=charted,
            edges=edges,
            content=Plane.fit(_content(sample, charted, edges), crowd, burst),
            inputs=Plane.fit(sample.inputs, crowd, burst),
            points=sample.reduced,
            far=float(np.quantile(own, FAR_QUANTILE)),
        )

    def features(self, sample: Sample, *, own: bool = False) -> Features:
        """Features of N photos.

        Args:
            sample: The photos.
            own: They are the very photos that the space was learnt on; none is its own neighbour.
        """
        distance = nearest_distance(sample.reduced, self.points, NEIGHBOURS, own=own)
        content = self.content(_content(sample, self.charted, self.edges))
        return Features(content, self.inputs(sample.inputs), distance > self.far)


def _content(sample: Sample, charted: int, edges: Floats) -> Floats:
    """Reduced embedding and the histogram of the logit, without its last bin, which the others imply."""
    place = np.searchsorted(edges, sample.logit, side="right")
    return np.column_stack([sample.reduced[:, :charted], place[:, None] == np.arange(len(edges))])


def _covariance(centred: Floats, source: NDArray[np.generic], burst: float) -> Floats:
    """Covariance [F, F] of a mean over traffic in bursts, times its length."""
    _, shop = np.unique(source, return_inverse=True)
    counts = np.bincount(shop)
    sums = np.zeros((len(counts), centred.shape[1]))
    np.add.at(sums, shop, centred)
    square = centred.T @ centred
    pairs = float(np.sum(counts * (counts - 1)))
    # Mean product of two photos of one shop; what one photo contributes with itself is left out.
    between = (sums.T @ sums - square) / pairs if pairs else np.zeros_like(square)
    values, vectors = np.linalg.eigh(between)
    between = (vectors * np.maximum(values, 0.0)) @ vectors.T
    # A photo has 2 (burst - 1) neighbours of its own burst on average, for lengths that are geometric.
    covariance: Floats = square / max(1, len(centred) - 1) + 2.0 * (burst - 1.0) * between
    return covariance


def _whitening(covariance: Floats) -> Floats:
    """A matrix [F, F] that gives unit covariance, small directions held back."""
    held = (1 - _SHRINK) * covariance + _SHRINK * np.diag(np.diag(covariance))
    values, vectors = np.linalg.eigh(held)
    whiten: Floats = (vectors / np.sqrt(np.maximum(values, 1e-6))) @ vectors.T
    return whiten
