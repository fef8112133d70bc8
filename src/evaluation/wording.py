"""Words that stand beside figures wherever they are shown: what was scored, by networks of what training."""

from __future__ import annotations

from src.evaluation.figures import Report
from src.evaluation.origin import Forms

REPORT = "python -m src.evaluation.report"


def made(command: str = REPORT) -> str:
    """Which command made a table."""
    return f"Made by `{command}`."


def name_of(report: Report, dataset: str) -> str:
    """A data set's name; of `unseen` always with how long its networks were trained."""
    return f"`unseen` ({report.lengths.words})" if dataset == "unseen" else f"`{dataset}`"


def forms_words(forms: Forms) -> str:
    """What `clean` photos were, in numbers."""
    missing = f", {forms.missing} could not be had" if forms.missing else ""
    return f"{forms.original} photos as uploaded, {forms.stored} from their stored 512-px form{missing}"


def short_name(report: Report, dataset: str) -> str:
    """The same for a cell of a table."""
    return f"unseen ({report.lengths.of_folds})" if dataset == "unseen" else dataset
