"""A version's folder and tags: ONNX file and drift reference as they are, MLflow's description, report."""

from __future__ import annotations

import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path

from src.registry.names import (
    CARD_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    REFERENCE_TAG,
    REPORT_FILE,
    SHA256_TAG,
)
from src.registry.onnx_file import ModelFile, Tensor, file_sha256
from src.utils.errors import DataError, ModelError


def facts_of(
    facts: ModelFile, report: Path | None, *, data_hash: str | None, commit: str | None
) -> dict[str, str]:
    """A version's tags.

    Raises:
        DataError: There is no such report.
        ModelError: The card names a drift reference, and that very file is not beside the model.
    """
    if report is not None and not report.is_file():
        raise DataError(f"no report {report.name}: run `make evaluate` first")
    card = facts.card
    reference = reference_beside(facts.path)
    if card.drift_reference is not None and (
        not reference.is_file() or file_sha256(reference) != card.drift_reference
    ):
        raise ModelError(
            f"{reference.name}, the drift reference that the card names, is not beside the model"
        )
    return {
        SHA256_TAG: facts.sha256,
        "bytes": str(facts.bytes),
        "card_name": card.name,
        "card_version": card.version,
        "architecture": card.architecture,
        "data_hash": card.data_hash if data_hash is None else data_hash,
        "splits_hash": card.training.splits_hash if card.training else "",
        "git_commit": card.git_commit if commit is None else commit,
        "trained": card.created,
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "report_sha256": file_sha256(report) if report is not None else "",
        REFERENCE_TAG: card.drift_reference or "",
    }


def reference_beside(model: Path) -> Path:
    """Where a model's drift reference lies: `detector.onnx` → `detector.reference.npz`."""
    return model.with_name(f"{model.stem}.reference.npz")


def write_package(folder: Path, facts: ModelFile, report: Path | None, run_id: str) -> None:
    """Write the files of a version.

    MLflow's own exporter would serialise the graph anew; the file must stay the one that was judged, so only
    its description is written: `mlflow.onnx.load_model` and `mlflow.pyfunc.load_model` read the folder.

    Args:
        folder: An empty one.
        facts: Of the model file.
        report: `report.json`, if there is one.
        run_id: Of the MLflow run that keeps the files.
    """
    import onnx  # noqa: PLC0415 - heavy, and not installed where photos are served
    import onnxruntime  # noqa: PLC0415
    from mlflow.models import Model, ModelSignature  # noqa: PLC0415 - heavy

    shutil.copyfile(facts.path, folder / MODEL_FILE)
    if facts.card.drift_reference is not None:
        shutil.copyfile(reference_beside(facts.path), folder / REFERENCE_FILE)
    (folder / CARD_FILE).write_text(facts.card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if report is not None:
        shutil.copyfile(report, folder / REPORT_FILE)
    requirements = [f"onnx=={onnx.__version__}", f"onnxruntime=={onnxruntime.__version__}"]
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    model = Model(run_id=run_id, signature=ModelSignature(_schema(facts.inputs), _schema(facts.outputs)))
    providers = ["CPUExecutionProvider"]
    model.add_flavor("onnx", onnx_version=onnx.__version__, data=MODEL_FILE, providers=providers)
    model.add_flavor(
        "python_function",
        loader_module="mlflow.onnx",
        data=MODEL_FILE,
        python_version=platform.python_version(),
    )
    model.save(str(folder / "MLmodel"))


def _schema(tensors: tuple[Tensor, ...]) -> object:
    import numpy as np  # noqa: PLC0415 - with the library
    from mlflow.types import Schema, TensorSpec  # noqa: PLC0415 - heavy

    return Schema([TensorSpec(np.dtype(each.dtype), each.shape, each.name) for each in tensors])
