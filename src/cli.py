"""The `detector` command: one thin subcommand for each job. Results go to stdout, everything else to stderr.

Exit codes of `detect`: 0 all photos judged, 1 some could not be read, 2 wrong usage or no usable model,
3 an AI-generated photo was found and `--fail-on-fake` was given; 1 goes before 3.
"""

from __future__ import annotations

import csv as csv_format
import json as json_format
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src import models_cli
from src.utils.errors import ConfigError, DetectorError, ImageError
from src.utils.settings import Settings, load_settings

if TYPE_CHECKING:
    from src.inference.detector import Detection, Detector, Photo

UNREADABLE, USAGE, FAKE_FOUND = 1, 2, 3

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)
"""What is taken from a folder; a file that is named itself is read whatever its name."""

STDIN = "-"
_CHUNK = 4
"""Photos between two steps of the progress bar."""

app = typer.Typer(
    name="detector",
    help="Tells real product photos from AI-generated ones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
model_app = typer.Typer(no_args_is_help=True, help="Look at a model file.")
app.add_typer(model_app, name="model")
app.add_typer(models_cli.app, name="models")
keys_app = typer.Typer(no_args_is_help=True, help="Issue, list and revoke the service's API keys.")
app.add_typer(keys_app, name="keys")

KeyFileOption = Annotated[
    Path | None, typer.Option("--file", help="Key file; DETECTOR_KEYS_FILE or var/keys.json by default.")
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", help="Model file; DETECTOR_MODEL_PATH or the shipped one by default."),
]


@app.command()
def detect(
    paths: Annotated[list[str], typer.Argument(help="Photos, folders of photos, or - for a photo on stdin.")],
    *,
    policy: Annotated[
        str | None, typer.Option(help="Policy of the model card; its default by default.")
    ] = None,
    model: ModelOption = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders within folders too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object a line.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV with a header.")] = False,
    fail_on_fake: Annotated[bool, typer.Option(help="Exit with 3 when a photo is AI-generated.")] = False,
) -> None:
    """Judge photos; a bad file is a row with an error code, and the next one follows."""
    if json and csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    with _errors_as_usage():
        photos = list(_find(paths, recursive=recursive))
        if not photos:
            raise ConfigError("no photos found")
        detector, settings = _load(model)
        detector.card.policy(policy)
        unreadable = fakes = 0
        with _writer(json=json, csv=csv) as write:
            for name, result in _judge(detector, photos, policy, settings.max_bytes):
                row = Row.of(name, result)
                write(row)
                unreadable += row.error is not None
                fakes += row.label == "ai_generated"
    if unreadable:
        raise typer.Exit(UNREADABLE)
    if fakes and fail_on_fake:
        raise typer.Exit(FAKE_FOUND)


@model_app.command("show")
def show_model(model: ModelOption = None) -> None:
    """Print the model card as JSON."""
    with _errors_as_usage():
        detector, _ = _load(model)
    typer.echo(detector.card.model_dump_json(indent=2))


@keys_app.command("issue")
def issue(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    *,
    scope: Annotated[list[str], typer.Option(help="predict, review or admin; may be given again.")],
    days: Annotated[int | None, typer.Option(min=1, help="Days until it ends by itself; never.")] = None,
    rate_limit: Annotated[str, typer.Option(help="Its own limit, such as 6000/minute.")] = "",
    file: KeyFileOption = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept. With the first one the doors are locked."""
    from src.inference.access.keys import issue_key, parse_scopes
    from src.inference.access.limiter import parse_rate

    with _errors_as_usage():
        parse_rate(rate_limit)
        key, secret = issue_key(_key_file(file), name, parse_scopes(scope), days=days, rate_limit=rate_limit)
    typer.echo(f"key {key.id} for {key.name}; keep it, it is not shown again", err=True)
    typer.echo(secret)


@keys_app.command("list")
def list_keys(*, file: KeyFileOption = None) -> None:
    """Print one JSON object a key; no secret is among them, nor a hash."""
    from src.inference.access.keys import load_keys

    with _errors_as_usage():
        for key in load_keys(_key_file(file)):
            typer.echo(key.model_dump_json(exclude={"digest"}))


@keys_app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")], *, file: KeyFileOption = None
) -> None:
    """End a key for good; running services notice within seconds."""
    from src.inference.access.keys import revoke_key

    with _errors_as_usage():
        key = revoke_key(_key_file(file), key_id)
    typer.echo(f"key {key.id} of {key.name} is revoked", err=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of output: a verdict, or an error's code and message."""

    path: str
    label: str | None = None
    probability: float | None = None
    confidence: float | None = None
    needs_review: bool | None = None
    threshold: float | None = None
    policy: str | None = None
    model_version: str | None = None
    error: str | None = None
    message: str | None = None

    @classmethod
    def of(cls, path: str, result: Detection | ImageError) -> Row:
        """Shape a result."""
        if isinstance(result, ImageError):
            return cls(path, error=result.code, message=result.message)
        return cls(
            path,
            label=result.label,
            probability=round(result.probability, 6),
            confidence=round(result.confidence, 6),
            needs_review=result.needs_review,
            threshold=result.threshold,
            policy=result.policy,
            model_version=result.model_version,
        )


@contextmanager
def _errors_as_usage() -> Iterator[None]:
    """Turn an error that concerns the whole call, not one photo, into one line and exit code 2."""
    try:
        yield
    except DetectorError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(USAGE) from error


def _load(model: Path | None) -> tuple[Detector, Settings]:
    # Imported late: `--help` and a wrong option must answer at once.
    from src.inference.detector import Detector

    settings = load_settings()
    if model is not None:
        settings = settings.model_copy(update={"model_path": model})
    return Detector.from_settings(settings), settings


def _key_file(file: Path | None) -> Path:
    return load_settings().keys_file if file is None else file


def _find(paths: Sequence[str], *, recursive: bool) -> Iterator[str]:
    """Replace folders by the photos in them, sorted; each path once."""
    seen: set[str] = set()
    for path in paths:
        folder = Path(path)
        names = [path]
        if path != STDIN and folder.is_dir():
            inside = folder.rglob("*") if recursive else folder.glob("*")
            names = sorted(str(file) for file in inside if _looks_like_photo(file))
        for name in names:
            if name not in seen:
                seen.add(name)
                yield name


def _looks_like_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES and path.is_file()


def _judge(
    detector: Detector, names: Sequence[str], policy: str | None, max_bytes: int
) -> Iterator[tuple[str, Detection | ImageError]]:
    """Judge photos in small batches, so that memory stays bounded; shows progress where a person watches."""
    from rich.console import Console
    from rich.progress import Progress

    # One byte more than allowed shows that there is too much, without reading all of it.
    def source(name: str) -> Photo:
        return sys.stdin.buffer.read(max_bytes + 1) if name == STDIN else Path(name)

    console = Console(stderr=True)
    quiet = not console.is_terminal or len(names) <= _CHUNK
    with Progress(console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task("photos", total=len(names))
        for start in range(0, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            yield from zip(chunk, detector.detect_batch([source(n) for n in chunk], policy), strict=True)
            progress.advance(task, len(chunk))


@contextmanager
def _writer(*, json: bool, csv: bool) -> Iterator[Callable[[Row], None]]:
    """Yield the function that writes a row; JSON and CSV rows leave at once, a table when it is complete."""
    if json:
        yield lambda row: typer.echo(json_format.dumps(_known(row), ensure_ascii=False))
        return
    if csv:
        table = csv_format.DictWriter(sys.stdout, [item.name for item in fields(Row)], lineterminator="\n")
        table.writeheader()
        yield lambda row: table.writerow(asdict(row))
        return
    rows: list[Row] = []
    yield rows.append
    _print_table(rows)


def _known(row: Row) -> dict[str, Any]:
    return {key: value for key, value in asdict(row).items() if value is not None}


def _print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("photo", "verdict", "AI probability", "note")
    for row in rows:
        # `Text` keeps brackets in a file's name from being read as markup.
        if row.error is not None:
            verdict, probability, note = Text(row.error, "yellow"), "", row.message or ""
        else:
            verdict = Text(row.label or "", "red" if row.label == "ai_generated" else "green")
            probability, note = f"{row.probability:.1%}", "needs review" if row.needs_review else ""
        table.add_row(Text(row.path, overflow="fold"), verdict, probability, note)
    Console().print(table)


if __name__ == "__main__":
    app()
