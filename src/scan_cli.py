"""`detector scan`: catalogues of photos into partitioned Parquet, resumable.

Exit codes: 0 every input has a row, 1 the scan had to stop and can be resumed, 2 wrong usage or no usable
model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from src.utils.errors import ConfigError, DetectorError, ScanError
from src.utils.settings import load_settings

STOPPED, USAGE = 1, 2


def scan(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder, glob, CSV or Parquet of paths, addresses or bytes, WebDataset tar; also s3://, gs://."
        ),
    ],
    *,
    out: Annotated[
        str, typer.Option("--out", help="Folder or bucket for the result; names what is resumed.")
    ],
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes of this machine, or a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster to join; one on this machine by default.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="What computes; `auto` takes a GPU where the installed ONNX Runtime has one."),
    ] = "cpu",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core by default.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Judge only so many photos, drawn by chance.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of that draw.")] = 0,
    policy: Annotated[str | None, typer.Option(help="Of the model card; its default by default.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="Model file; DETECTOR_MODEL_URI, DETECTOR_MODEL_PATH or the shipped one."
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Of a table: with paths, addresses or bytes; guessed by its name.")
    ] = None,
    shard_size: Annotated[
        int | None,
        typer.Option(
            min=1, max=65_536, help="Photos of one file of the result, the unit of resuming; 256 or fewer."
        ),
    ] = None,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Ask again for photos that could not be read; all else stays."),
    ] = False,
    price_per_core_hour: Annotated[
        float | None, typer.Option(min=0.0, help="Estimates the cost of the cores.")
    ] = None,
) -> None:
    """Judge every photo of a catalogue once; called again, it goes on where it was. Prints a summary."""
    # Imported late: `--help` and a wrong option must answer at once.
    from src.utils.logging import configure_logging

    try:
        settings = load_settings()
        if model is not None:
            settings = settings.model_copy(update={"model_path": model, "model_uri": ""})
        configure_logging(settings.log_level, json=settings.log_json)
        try:
            from src.scan.run import Order
            from src.scan.run import scan as run
        except ImportError as error:
            raise ConfigError("scanning needs the extra: pip install '.[scan]'") from error
        order = Order(
            source=source,
            dest=out,
            policy=policy,
            column=column,
            shard_size=shard_size,
            sample=sample,
            seed=seed,
            engine=engine,
            address=address,
            workers=workers,
            price=price_per_core_hour,
            device=device,
            retry_errors=retry_errors,
        )
        summary = run(order, settings)
    except DetectorError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(STOPPED if isinstance(error, ScanError) else USAGE) from error
    typer.echo(json.dumps(summary.to_json(), indent=2))
