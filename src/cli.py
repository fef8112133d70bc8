"""The `detector` command: one thin subcommand for each job. Results go to stdout, everything else to stderr.

Exit codes of `detect`: 0 all photos judged, 1 some could not be read, 2 wrong usage or no usable model,
3 an AI-generated photo was found and `--fail-on-fake` was given; 1 goes before 3.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src import drift_cli, models_cli, retrain_cli, scan_cli
from src.inference import rows
from src.utils.errors import ConfigError, DetectorError, ImageError, ImageTooLarge
from src.utils.photo_files import PHOTO_SUFFIXES
from src.utils.settings import Settings, load_settings

if TYPE_CHECKING:
    from src.inference.detector import Detection, Detector
    from src.inference.provenance.manifests import ManifestReader

    Verdict = tuple[Detection, Mapping[str, Any]]

UNREADABLE, USAGE, FAKE_FOUND = 1, 2, 3

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
app.add_typer(drift_cli.app, name="drift")
app.command("retrain")(retrain_cli.retrain)
app.command("scan")(scan_cli.scan)
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
    stability: Annotated[
        bool,
        typer.Option(
            "--stability", help="Tell how each verdict holds when the photo is saved again; slower."
        ),
    ] = False,
    fail_on_fake: Annotated[bool, typer.Option(help="Exit with 3 when a photo is AI-generated.")] = False,
) -> None:
    """Judge photos, by their pixels and by what their files say; a bad file is a row with an error code."""
    if json and csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    with _errors_as_usage():
        photos = list(_find(paths, recursive=recursive))
        if not photos:
            raise ConfigError("no photos found")
        detector, settings = _load(model)
        detector.card.policy(policy)
        reader = _reader(settings)
        unreadable = fakes = 0
        with rows.json_lines() if json else rows.csv_lines() if csv else rows.table() as write:
            judged = _judge(detector, reader, photos, policy, settings, stability=stability)
            for name, result in judged:
                row = rows.Row.of(name, result)
                write(row)
                unreadable += row.error is not None
                fakes += row.is_fake
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
        path = _key_file(file)
        key, secret = issue_key(path, name, parse_scopes(scope), days=days, rate_limit=rate_limit)
    typer.echo(f"key {key.id} for {key.name}, written to {path.resolve()}", err=True)
    typer.echo("keep it, it is not shown again:", err=True)
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


def _reader(settings: Settings) -> ManifestReader:
    from src.inference.provenance.manifests import ManifestReader

    return ManifestReader.from_file(settings.trust_anchors, timeout_s=settings.provenance_timeout_s)


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
    detector: Detector,
    reader: ManifestReader,
    names: Sequence[str],
    policy: str | None,
    settings: Settings,
    *,
    stability: bool,
) -> Iterator[tuple[str, Verdict | ImageError]]:
    """Judge photos in small batches, so that memory stays bounded; shows progress where a person watches."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    quiet = not console.is_terminal or len(names) <= _CHUNK
    with Progress(console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task("photos", total=len(names))
        for start in range(0, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            files = [_read(name, settings.max_bytes) for name in chunk]
            readable = [data for data in files if isinstance(data, bytes)]
            found = iter(detector.detect_batch(readable, policy))
            for name, data in zip(chunk, files, strict=True):
                if isinstance(data, ImageError):
                    yield name, data
                    continue
                result: Detection | ImageError = next(found)
                if stability and not isinstance(result, ImageError):
                    result = _with_stability(detector, data, result, settings)
                if isinstance(result, ImageError):
                    yield name, result
                else:
                    yield name, (result, _provenance(data, result, reader))
            progress.advance(task, len(chunk))


def _with_stability(
    detector: Detector, photo: bytes, detection: Detection, settings: Settings
) -> Detection | ImageError:
    from src.inference.photo import limits_of
    from src.inference.stability import Variants, measure, with_stability

    variants = Variants(photo, limits_of(settings), detector.card.views.max_side)
    judge = partial(detector.detect_batch, policy=detection.policy)
    try:
        return with_stability(detection, measure(variants, detection, judge))
    except ImageError as error:
        return error


def _read(name: str, max_bytes: int) -> bytes | ImageError:
    from src.inference.photo import read_photo

    try:
        if name != STDIN:
            return read_photo(Path(name), max_bytes)
    except ImageError as error:
        return error
    # One byte more than allowed shows that there is too much, without reading all of it.
    data = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        return ImageTooLarge("file_too_large", f"The file is larger than {max_bytes} bytes.")
    return data


def _provenance(photo: bytes, detection: Detection, reader: ManifestReader) -> Mapping[str, Any]:
    """Tell what the API's `provenance` tells, by the same reader and the same rule."""
    from src.inference.provenance.combine import combine
    from src.inference.provenance.inspector import inspect

    found = inspect(photo, reader)
    both = combine(detection.label, found).model_dump(mode="json")
    return both | found.model_dump(mode="json", exclude_none=True)


if __name__ == "__main__":
    app()
