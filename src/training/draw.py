"""`python -m src.training.draw`: the procedural set of the smoke run as a manifest and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from src.data.manifest import write_manifest
from src.training.smoke import draw_set


def main(
    out: Annotated[Path, typer.Option(help="Folder for manifest.csv and raw/.")] = Path("data/smoke"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 17,
) -> None:
    """Draw the set."""
    records = draw_set(out / "raw", seed)
    write_manifest(out / "manifest.csv", records)
    typer.echo(f"{len(records)} pictures are drawn")


if __name__ == "__main__":
    typer.run(main)
