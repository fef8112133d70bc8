"""`python -m src.incident.run --family openai`: rehearses an incident and writes its post-mortem."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from src.data.manifest import read_manifest
from src.data.splits import read_splits
from src.incident.index import write_index
from src.incident.networks import Bench
from src.incident.plan import Places, RehearsalPlan
from src.incident.plots import draw_run
from src.incident.pools import make_pools
from src.incident.postmortem import bars, render
from src.incident.procedural import FAMILY, draw_world, validate_world
from src.incident.records import Run
from src.incident.rehearsal import Rehearsal
from src.incident.servers import ended_by_sigterm
from src.utils.errors import DetectorError
from src.utils.logging import configure_logging

MISSED, FAILED = 1, 2
# Of a hundred drawn photos one is a point, and a network of milliseconds is timed by whatever else runs.
_QUICK_LIMITS = (
    "{slice_margin: 0.1, headline_margin: 0.06, ece_margin: 0.06, tier_margin: 0.06, latency_ratio: 100}\n"
)
# Gently: the champion's own rate would unlearn what it knows.
_GO_ON = (
    "optim.steps=240",
    "validation.every=240",
    "optim.learning_rate=0.0003",
    "optim.size_schedule=[{until: 1.0, size: 224}]",
    "sampling.family_power=0.2",
)
# Twenty pictures a stage and the shortest simulation: it shows that the line holds, not how good a model is.
_QUICK = {
    "form": "procedural",
    "calm": 60,
    "rising": ((0.2, 40), (0.5, 80)),
    "pause_s": 0.0,
    "patience": 120,
    "after": 40,
    "after_share": 0.4,
    "chance": 0.2,
    "labels_refit": 80,
    "labels_retrain": 140,
    "shortcut_photos": 40,
    "replicates": 40,
    "quick_reference": True,
    "poll_s": 0.3,
}


def rehearse(
    plan: RehearsalPlan, places: Places, *, manifest: Path, splits: Path, bench: Bench, out: Path
) -> tuple[Run, Path]:
    """Run one rehearsal and write record, plots and post-mortem; returns the record and the page.

    Raises:
        DetectorError: A part of it cannot be done.
    """
    pools = make_pools(
        read_manifest(manifest), read_splits(splits), plan.family, limit=plan.limit, seed=plan.seed
    )
    places.work.mkdir(parents=True, exist_ok=True)
    with ended_by_sigterm():
        run = Rehearsal(plan, places, pools, bench).run()
    name = f"{run.started:%Y-%m-%d}-{plan.family}"
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
    page = out / f"{name}.md"
    page.write_text(render(run, draw_run(run, folder), name), encoding="utf-8")
    write_index(out)
    return run, page


def main(
    family: Annotated[
        list[str] | None, typer.Option(help="Generators that are new, by family; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the post-mortems.")] = Path("docs/incidents"),
    *,
    work: Annotated[
        Path, typer.Option(help="Folder for networks, store and registry; one each family.")
    ] = Path("outputs/incident"),
    champion: Annotated[
        Path | None,
        typer.Option(help="A network that never saw the family, by its card; trained without it."),
    ] = None,
    config: Annotated[Path, typer.Option(help="The champion's training.")] = Path("configs/incident.yaml"),
    override: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value of it, may be repeated.")
    ] = None,
    retrain_set: Annotated[
        list[str] | None, typer.Option("--retrain-set", help="The same, for the training with labels only.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Start weights of the backbone; timm's hub without it.")
    ] = None,
    manifest: Annotated[Path, typer.Option(help="All photos.")] = Path("data/manifest.csv"),
    splits: Annotated[Path, typer.Option(help="Of all photos.")] = Path("data/processed/splits.csv"),
    raw: Annotated[Path, typer.Option(help="Where they lie.")] = Path("data/raw"),
    validation: Annotated[Path, typer.Option(help="Report of `make validate`.")] = Path(
        "reports/data/validation.json"
    ),
    limits: Annotated[Path, typer.Option(help="What the gates ask for.")] = Path("configs/gates.yaml"),
    limit: Annotated[int | None, typer.Option(min=100, help="At most so many known photos.")] = None,
    scale: Annotated[float, typer.Option(min=0.05, help="Length of the traffic; 1 is all of it.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    procedural: Annotated[
        bool, typer.Option("--procedural", help="Drawn pictures and a tiny network: a minute.")
    ] = False,
) -> None:
    """Rehearse; exit code 1 when a bar is missed, 2 when something that is needed is not there."""
    configure_logging()
    met = True
    try:
        for name in family or [FAMILY]:
            if procedural:
                with tempfile.TemporaryDirectory(prefix="detector-incident-") as folder:
                    run, page = quick(Path(folder), out, name, seed)
            else:
                plan = _scaled(RehearsalPlan(family=name, seed=seed, limit=limit), scale)
                place = work / name
                places = Places(work=place, raw=raw, validation=validation, limits=limits, champion=champion)
                start = _start(weights)
                more = (*_GO_ON, *(retrain_set or ()))
                bench = Bench(place, raw, config, (*start, *(override or ())), more)
                run, page = rehearse(plan, places, manifest=manifest, splits=splits, bench=bench, out=out)
            typer.echo(page)
            for what, found, good in bars(run):
                typer.echo(f"{'met   ' if good else 'MISSED'} {what}: {found}")
                met = met and good
    except DetectorError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(FAILED) from error
    if not met:
        raise typer.Exit(MISSED)


def quick(folder: Path, out: Path, family: str = FAMILY, seed: int = 0) -> tuple[Run, Path]:
    """The procedural form, in a folder of its own."""
    manifest, splits, raw, config = draw_world(folder / "world")
    plan = RehearsalPlan.model_validate({**_QUICK, "family": family, "seed": seed})
    work = (folder / "work").absolute()
    limits = folder / "limits.yaml"
    limits.write_text(_QUICK_LIMITS, encoding="utf-8")
    validation = validate_world(manifest, splits, raw, folder / "validation.json")
    places = Places(work=work, raw=raw, validation=validation, limits=limits)
    bench = Bench(work, raw, config, (f"data.cache={folder / 'cache'}",), ("optim.steps=40",))
    return rehearse(plan, places, manifest=manifest, splits=splits, bench=bench, out=out)


def _start(weights: Path | None) -> Sequence[str]:
    return () if weights is None else ("model.initial_weights=file", f"model.weights_file={weights}")


def _scaled(plan: RehearsalPlan, scale: float) -> RehearsalPlan:
    if scale == 1.0:
        return plan
    return plan.model_copy(
        update={
            "calm": max(50, round(plan.calm * scale)),
            "rising": tuple((share, max(10, round(count * scale))) for share, count in plan.rising),
            "after": max(20, round(plan.after * scale)),
            "patience": max(60, round(plan.patience * scale)),
        }
    )


if __name__ == "__main__":
    typer.run(main)
