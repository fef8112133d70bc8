"""`detector retrain`: from people's feedback to a challenger in the registry.

Exit codes: 0 a challenger is registered (and promoted, if asked), or there was too little to learn from; 1 it
was to be promoted and a gate refused it; 2 wrong usage, or something that is needed is not there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from src.utils.errors import DetectorError
from src.utils.settings import Settings, load_settings

if TYPE_CHECKING:
    from src.incident.retrain_plan import RetrainResult
    from src.store.images import Images

REFUSED, USAGE = 1, 2


def retrain(
    *,
    head_only: Annotated[
        bool,
        typer.Option(
            "--head-only", help="Refit the last layer on kept embeddings; needs splits with held out shops."
        ),
    ] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Make it champion, if it passes every gate.")
    ] = False,
    since: Annotated[
        datetime | None, typer.Option(help="Take labels from then on (UTC); since the champion by default.")
    ] = None,
    quarantine_h: Annotated[float, typer.Option(min=0.0, help="Hours that a label waits.")] = 24.0,
    min_reviewers: Annotated[
        int, typer.Option(min=1, help="People who must agree on a photo; with keys in use, by one each.")
    ] = 2,
    max_reviewer_share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of labels that one person may give alone.")
    ] = 0.4,
    max_key_share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of labels that may come by one API key alone.")
    ] = 0.2,
    least: Annotated[int, typer.Option(min=1, help="Labels below which nothing is learnt.")] = 20,
    config: Annotated[Path, typer.Option(help="Of a training.")] = Path("configs/train_config.yaml"),
    override: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value for it, may be repeated.")
    ] = None,
    fold_steps: Annotated[int, typer.Option(min=1, help="Steps of each fold network.")] = 550,
    judged: Annotated[
        int | None, typer.Option(min=50, help="At most so many photos judge a refit, from each data set.")
    ] = None,
    manifest: Annotated[Path, typer.Option(help="Known photos.")] = Path("data/manifest.csv"),
    splits: Annotated[Path, typer.Option(help="By which the champion was trained.")] = Path(
        "data/processed/splits.csv"
    ),
    raw: Annotated[Path, typer.Option(help="Where they lie.")] = Path("data/raw"),
    limits: Annotated[Path, typer.Option(help="What the gates ask for.")] = Path("configs/gates.yaml"),
    validation: Annotated[Path, typer.Option(help="Report of `make validate`.")] = Path(
        "reports/data/validation.json"
    ),
    out: Annotated[Path, typer.Option(help="Folder for labels, model and report.")] = Path("outputs/retrain"),
    registry: Annotated[str | None, typer.Option(help="MLflow's address; DETECTOR_REGISTRY_URI.")] = None,
    name: Annotated[str, typer.Option(help="Of the registered model.")] = "photo-detector",
) -> None:
    """Learn from new feedback, judge what was learnt, and register it as challenger."""
    # Imported late: `--help` and a wrong option must answer at once.
    from src.evaluation.gates import load_limits
    from src.incident.full import FullPlan
    from src.incident.retrain import retrain as run
    from src.incident.retrain_plan import RetrainPlan
    from src.incident.screening import ScreeningRules
    from src.registry.registry import Registry

    settings = load_settings()
    try:
        plan = RetrainPlan(
            store_url=settings.store_url,
            out=out,
            since=since.replace(tzinfo=UTC) if since is not None else None,
            head_only=head_only,
            promote=promote,
            least=least,
            judged=judged,
            manifest=manifest,
            splits=splits,
            raw=raw,
            validation=validation,
            limits=load_limits(limits),
            rules=ScreeningRules(
                quarantine_h=quarantine_h,
                min_reviewers=min_reviewers,
                max_reviewer_share=max_reviewer_share,
                max_key_share=max_key_share,
            ),
            full=FullPlan(config, tuple(override or ()), fold_steps),
        )
        shelf = Registry(settings.registry_uri if registry is None else registry, name)
        result = run(plan, shelf, settings.model_cache, _images(settings))
    except DetectorError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(USAGE) from error
    _tell(result, out)
    if result.outcome == "refused":
        raise typer.Exit(REFUSED)


def _images(settings: Settings) -> Images | None:
    if settings.store_images is None:
        return None
    from src.store.images_bucket import open_images

    return open_images(settings.store_images, days=settings.image_days, max_bytes=1)


def _tell(result: RetrainResult, out: Path) -> None:
    left = ", ".join(f"{count} {reason}" for reason, count in result.left_out.items()) or "none"
    typer.echo(f"{result.labels} photos judged, {result.taken} taken; left out: {left}")
    for gate in result.gates:
        if not gate.passed:
            typer.echo(f"MISSED {gate.words}")
    if result.version is not None:
        why = f"; {result.refusal}" if result.refusal else ""
        typer.echo(f"version {result.version}, {result.model_version}: {result.outcome}{why}")
    else:
        typer.echo("too few labels to learn from")
    typer.echo(f"{out}/retrain.json has all of it", err=True)
