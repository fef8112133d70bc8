"""How strong the shortcut in the data is: a classifier that sees file facts and no pixel, on unknown shops.

An AUROC near 0.5 would mean that files give nothing away. Whatever it is above that is there for a network to
take up, and the reason why training and evaluation put both labels through the same geometry and codecs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from src.data.checks import Rows
from src.data.manifest import PhotoRecord
from src.data.scan import Form

FOLDS = 5

Matrix = NDArray[np.float64]


class Probe(BaseModel):
    """What file facts alone tell of the label.

    Attributes:
        photos: Files seen.
        sources: Shops, none of which is in the training and the test part of a fold.
        auroc_trees: Of gradient-boosted trees, out of fold.
        auroc_logistic: Of logistic regression on standardised facts, out of fold.
        auroc_within_format: Format -> AUROC of the trees' scores among files of this format only.
        auroc_of_fact: Fact -> AUROC of this fact alone (0.5 to 1, whichever direction), the strongest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: int
    sources: int
    auroc_trees: float
    auroc_logistic: float
    auroc_within_format: dict[str, float]
    auroc_of_fact: dict[str, float]


def probe_shortcut(records: Sequence[PhotoRecord], rows: Rows, form: Form, seed: int = 0) -> Probe | None:
    """Cross-validate the facts-only classifiers over whole sources; None when there is too little to do so.

    Files are weighted so that each shop counts alike.
    """
    chosen = [
        (record, row.facts)
        for record in records
        for row in rows.get(record.photo_id, ())
        if row.form == form and row.facts is not None
    ]
    sources_of = {
        label: {r.source for r, _ in chosen if r.label == label} for label in ("real", "ai_generated")
    }
    if min(len(sources) for sources in sources_of.values()) < FOLDS:
        return None
    names = list(chosen[0][1].numbers())
    facts = np.array([list(fact.numbers().values()) for _, fact in chosen])
    fake = np.array([record.is_fake for record, _ in chosen], dtype=np.int64)
    _, source = np.unique([record.source for record, _ in chosen], return_inverse=True)
    weight = 1 / np.bincount(source)[source]
    trees = HistGradientBoostingClassifier(max_iter=150, learning_rate=0.08, random_state=seed)
    logistic = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
    by_trees = _out_of_fold(trees, facts, fake, source, {"sample_weight": weight})
    by_line = _out_of_fold(logistic, facts, fake, source, {"logisticregression__sample_weight": weight})
    formats = np.array([fact.format for _, fact in chosen])
    return Probe(
        photos=len(chosen),
        sources=int(source.max()) + 1,
        auroc_trees=_auroc(fake, by_trees),
        auroc_logistic=_auroc(fake, by_line),
        auroc_within_format={
            str(name): _auroc(fake[formats == name], by_trees[formats == name])
            for name in np.unique(formats)
            if 0 < fake[formats == name].mean() < 1
        },
        auroc_of_fact=_single_facts(names, facts, fake),
    )


def _out_of_fold(
    model: object,
    facts: Matrix,
    fake: NDArray[np.int64],
    source: NDArray[np.int64],
    params: dict[str, Matrix],
) -> Matrix:
    folds = GroupKFold(FOLDS, shuffle=True, random_state=0)
    # OpenMP's threads wait by spinning: on a machine with other work two are many times slower than one.
    with threadpool_limits(limits=1):
        predicted = cross_val_predict(
            model, facts, fake, groups=source, cv=folds, method="predict_proba", params=params
        )
    scores: Matrix = predicted[:, 1]
    return scores


def _single_facts(names: Sequence[str], facts: Matrix, fake: NDArray[np.int64]) -> dict[str, float]:
    found = {}
    for column, name in enumerate(names):
        # A format without the fact is a value of its own, below all others.
        values = np.nan_to_num(facts[:, column], nan=-1.0)
        found[name] = max(_auroc(fake, values), _auroc(fake, -values))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _auroc(fake: NDArray[np.int64], scores: Matrix) -> float:
    return round(float(roc_auc_score(fake, scores)), 4)
