"""`detector models …`: what the registry holds, and who is champion.

Exit codes: 0 done, 1 a promotion was refused by a gate, 2 wrong usage or a registry that cannot be used.
"""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from src.utils.errors import DetectorError, PromotionRefused
from src.utils.settings import load_settings

if TYPE_CHECKING:
    from src.evaluation.gates import GateResult
    from src.registry.registry import Registry

REFUSED, USAGE = 1, 2

app = typer.Typer(no_args_is_help=True, help="Register, compare, promote and roll back models.")

RegistryOption = Annotated[
    str | None,
    typer.Option("--registry", help="MLflow's address; DETECTOR_REGISTRY_URI or sqlite:///mlflow.db."),
]
NameOption = Annotated[str, typer.Option("--name", help="Of the registered model.")]
LimitsOption = Annotated[Path, typer.Option("--limits", help="What the gates ask for.")]
ValidationOption = Annotated[Path, typer.Option("--validation", help="Report of `make validate`.")]
WhichArgument = Annotated[str, typer.Argument(help="A version's number, or an alias.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]

_NAME = "photo-detector"
_LIMITS = Path("configs/gates.yaml")
_VALIDATION = Path("reports/data/validation.json")


@app.command("register")
def register(
    model: Annotated[Path, typer.Argument(help="The ONNX file.")] = Path("models/detector.onnx"),
    *,
    report: Annotated[
        Path | None, typer.Option(help="Its report.json; without one it cannot be promoted.")
    ] = None,
    challenger: Annotated[bool, typer.Option(help="Give it the alias `challenger`.")] = False,
    data_hash: Annotated[str | None, typer.Option(help="Of the training data; the card's.")] = None,
    commit: Annotated[str | None, typer.Option(help="Of the code; the card's.")] = None,
    registry: RegistryOption = None,
    name: NameOption = _NAME,
) -> None:
    """Keep a model with its signature, card, report and origin; prints the version."""
    with _errors():
        shelf = _open(registry, name)
        version = shelf.register(model, report, data_hash, commit)
        if challenger:
            shelf.challenge(version)
    typer.echo(version)


@app.command("list")
def list_models(
    *, json: JsonOption = False, registry: RegistryOption = None, name: NameOption = _NAME
) -> None:
    """Print every version, the newest first."""
    with _errors():
        versions = _open(registry, name).versions()
    if json:
        typer.echo(json_format.dumps([asdict(each) for each in versions], indent=1))
        return
    rows = [
        (
            str(each.version),
            ", ".join(each.aliases) or "-",
            each.tags.get("card_version", "-"),
            each.tags.get("registered", "-"),
            each.tags.get("data_hash", "")[:12] or "-",
            each.tags.get("git_commit", "")[:12] or "-",
        )
        for each in versions
    ]
    _table(("version", "alias", "card", "registered", "data", "commit"), rows)


@app.command("show")
def show(
    which: WhichArgument = "champion", *, registry: RegistryOption = None, name: NameOption = _NAME
) -> None:
    """Print what the registry knows of a version, and the champion's history, as JSON."""
    with _errors():
        shelf = _open(registry, name)
        version, history = shelf.find(which), shelf.history()
    told = asdict(version) | {"history": [change.model_dump(mode="json") for change in history]}
    typer.echo(json_format.dumps(told, indent=1))


@app.command("compare")
def compare(
    which: WhichArgument = "challenger",
    against: Annotated[str, typer.Argument(help="As the first one.")] = "champion",
    *,
    limits: LimitsOption = _LIMITS,
    validation: ValidationOption = _VALIDATION,
    json: JsonOption = False,
    registry: RegistryOption = None,
    name: NameOption = _NAME,
) -> None:
    """Hold every gate for one version against another; nothing is changed. Exit code 1: a gate is missed."""
    from src.evaluation.gates import load_limits, missed
    from src.evaluation.promotion import hold, read_validation

    with _errors():
        shelf = _open(registry, name)
        results = hold(
            shelf,
            which,
            shelf.find(against),
            cache=_cache(),
            validation=read_validation(validation),
            limits=load_limits(limits),
        )
    _tell(results, json=json)
    if missed(results):
        raise typer.Exit(REFUSED)


@app.command("promote")
def promote(
    which: WhichArgument = "challenger",
    *,
    limits: LimitsOption = _LIMITS,
    validation: ValidationOption = _VALIDATION,
    json: JsonOption = False,
    registry: RegistryOption = None,
    name: NameOption = _NAME,
) -> None:
    """Make a version the champion when it passes every gate; exit code 1 says that it does not."""
    from src.evaluation.gates import load_limits
    from src.evaluation.promotion import promote as bring_up
    from src.evaluation.promotion import read_validation

    with _errors():
        shelf = _open(registry, name)
        version = shelf.find(which).version
        results = bring_up(
            shelf,
            version,
            cache=_cache(),
            validation=read_validation(validation),
            limits=load_limits(limits),
        )
    _tell(results, json=json)
    typer.echo(f"version {version} is champion", err=True)


@app.command("rollback")
def rollback(*, registry: RegistryOption = None, name: NameOption = _NAME) -> None:
    """Bring the last champion back."""
    with _errors():
        gone, back = _open(registry, name).rollback()
    typer.echo(f"version {back} is champion again, version {gone} is not", err=True)


def _open(registry: str | None, name: str) -> Registry:
    # Imported late: `--help` and a wrong option must answer at once.
    from src.registry.registry import Registry

    return Registry(load_settings().registry_uri if registry is None else registry, name)


def _cache() -> Path:
    return load_settings().model_cache


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except PromotionRefused as error:
        typer.echo(f"refused: {error.message}", err=True)
        raise typer.Exit(REFUSED) from error
    except DetectorError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(USAGE) from error


def _tell(results: list[GateResult], *, json: bool) -> None:
    from src.evaluation.promotion import render_results

    if json:
        typer.echo(render_results(results))
        return
    for result in results:
        typer.echo(f"{'passed' if result.passed else 'MISSED'} {result.words}")


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
