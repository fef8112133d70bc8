"""`detector drift …`: looks once at what the store keeps, with no service running, and writes it down.

Exit codes: 0 nothing that asks for action, 1 a warning or worse, 2 wrong usage or nothing to look with.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from src.utils.errors import ConfigError, DetectorError
from src.utils.settings import Settings, load_settings

if TYPE_CHECKING:
    from src.monitoring.drift.schema import DriftReport

ALARMED, USAGE = 1, 2

app = typer.Typer(no_args_is_help=True, help="Has the traffic changed?")


@app.callback()
def drift() -> None:
    """Has the traffic changed?"""


@app.command("report")
def report(
    *,
    model: Annotated[
        Path | None, typer.Option("--model", help="Whose traffic; DETECTOR_MODEL_PATH or the shipped one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a page of HTML; JSON goes to stdout without.")
    ] = None,
) -> None:
    """Look at the latest predictions in the store and say how they compare with the model's reference."""
    from src.monitoring.drift.page import render

    try:
        settings = load_settings()
        if model is not None:
            settings = settings.model_copy(update={"model_path": model})
        found = asyncio.run(_look(settings))
    except DetectorError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(USAGE) from error
    if out is None:
        typer.echo(found.model_dump_json(indent=2))
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(render(found), encoding="utf-8")
        typer.echo(f"{out}: {found.status}, {found.severity}, {found.finding}", err=True)
    if found.severity in {"warning", "critical"}:
        raise typer.Exit(ALARMED)


async def _look(settings: Settings) -> DriftReport:
    from prometheus_client import CollectorRegistry

    from src.inference.service import load_detector, open_store
    from src.monitoring.drift.gauges import DriftMetrics
    from src.monitoring.drift.monitor import DriftMonitor

    card = load_detector(settings).card
    store = open_store(settings)
    if store is None:
        raise ConfigError("there is no store to look at: set DETECTOR_STORE_URL")
    try:
        monitor = DriftMonitor(
            lambda: card,
            lambda: store,
            (settings.model_path.parent, settings.model_cache),
            DriftMetrics(CollectorRegistry()),
            every_s=0.0,
            timeout_s=60.0,
        )
        return await monitor.look()
    finally:
        store.close()
