"""Makes the pictures of the page in docs/images: `python -m tests.ui.screenshots`.

The shipped model judges procedural pictures behind the real service; nothing in them is a photo of anything.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from PIL import Image

from src.ui.strings import inspect as inspect_text
from src.ui.strings import verdict as verdict_text
from tests.inference.provenance.makers import WEB_UI
from tests.support.pictures import encode
from tests.ui.browser import Browser, browsing
from tests.ui.products import product, product_photo
from tests.ui.stand import REPO, service_and_page, service_settings

WIDTH = 1280
MOST_BYTES = 300_000
_COLOURS = 255


@contextmanager
def stand() -> Iterator[tuple[str, str, Path]]:
    """Run service and page with the shipped model; yields their addresses and a folder."""
    with TemporaryDirectory(prefix="screenshots-") as name:
        folder = Path(name)
        model = folder / "model" / "detector.onnx"
        model.parent.mkdir()
        shipped = REPO / "models" / "detector.onnx"
        for beside_it in shipped.parent.glob("detector.*"):  # report, drift reference, attributor
            shutil.copy(beside_it, model.parent)
        with service_and_page(service_settings(model, folder), folder) as (api_url, url):
            yield api_url, url, folder


def declared(seed: int) -> bytes:
    """A picture whose file says that an image generator made it."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", WEB_UI)
    return encode(product(seed), "PNG", pnginfo=info)


def traffic(api_url: str, count: int = 24) -> None:
    """Have the service judge pictures, so that queue and figures hold something."""
    with httpx.Client(base_url=api_url, timeout=60) as client:
        for seed in range(count):
            photo = declared(seed) if seed % 5 == 0 else product_photo(seed, (700, 700))
            policy = ("balanced", "low_false_positive", "high_recall")[seed % 3]
            client.post("/v1/predict", params={"policy": policy}, files={"file": ("photo", photo)})
        client.post("/v1/predict", files={"file": ("photo", b"no picture")})


def take(browser: Browser, api_url: str, url: str, folder: Path, out: Path) -> None:
    """Walk through all pages and take a picture of each."""
    photo = folder / "green-mug.png"
    photo.write_bytes(declared(4))
    browser.open(url)
    browser.upload([photo])
    browser.see("What it means")
    browser.click(inspect_text.STABILITY, kind="label")
    browser.see(verdict_text.STABILITY_TITLE)
    browser.rest()
    browser.shot(out / "ui-inspect.png", height=1560)
    browser.open(f"{url}/review")
    browser.shot(out / "ui-review.png", height=1180)
    browser.open(f"{url}/catalogue")
    names = [folder / f"listing-{seed:03}.jpg" for seed in range(20)]
    for seed, name in enumerate(names):
        name.write_bytes(product_photo(seed, (480, 480)))
    names.append(folder / "invoice.pdf")
    names[-1].write_bytes(b"%PDF-1.4 no picture")
    browser.upload(names)
    browser.rest()
    browser.click("Scan")
    browser.see("photos in")
    browser.rest()
    browser.shot(out / "ui-catalogue.png", height=1100)
    browser.open(f"{url}/monitoring")
    browser.see("Requests per second")
    for _ in range(6):
        traffic(api_url, 6)
    browser.until("a line of traffic", lambda: "The line begins" not in browser.text())
    browser.rest()
    browser.shot(out / "ui-monitoring.png", height=1500)
    browser.open(f"{url}/model")
    browser.shot(out / "ui-model.png", height=2100)


def phone(url: str, folder: Path, out: Path) -> None:
    """Take the first page on a phone."""
    with browsing((390, 844), scale=2.0) as browser:
        browser.narrow(390, 1500)
        browser.open(url)
        browser.upload([folder / "green-mug.png"])
        browser.see("What it means")
        browser.rest()
        browser.shot(out / "ui-phone.png")


def squeeze(path: Path) -> None:
    """Write a picture anew with few colours: a page needs no more, and a repository thanks for it."""
    with Image.open(path) as opened:
        shown = opened.convert("RGB")
    if shown.width > WIDTH:
        shown = shown.resize((WIDTH, round(shown.height * WIDTH / shown.width)), Image.Resampling.LANCZOS)
    shown.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        shown.quantize(_COLOURS).save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes")


def main(argv: list[str]) -> int:
    """Make all pictures."""
    args = argparse.ArgumentParser(prog="tests.ui.screenshots", description=__doc__)
    args.add_argument("--out", type=Path, default=REPO / "docs" / "images")
    out = args.parse_args(argv).out.resolve()
    with stand() as (api_url, url, folder):
        traffic(api_url)
        with browsing((WIDTH, 1000), scale=1.0) as browser:
            take(browser, api_url, url, folder, out)
        phone(url, folder, out)
    for path in sorted(out.glob("ui-*.png")):
        squeeze(path)
        sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
