"""Measures the page as a person meets it, in Chromium, for reports/bench/ui.json: `make bench-ui`.

The shipped model judges procedural pictures. Service, page and browser share the machine: let it be idle.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
import zipfile
from pathlib import Path

from src.ui.strings import shared
from tests.support.pictures import photo_bytes
from tests.ui.browser import Browser, browsing
from tests.ui.products import product_photo
from tests.ui.screenshots import stand
from tests.ui.stand import REPO

USABLE_S = 3.0
_VISITS = 5
_CATALOGUE = 200


def visits(browser: Browser, url: str) -> dict[str, dict[str, float]]:
    """Seconds until each page is usable: at the first visit of a new process, and at later ones."""
    found = {}
    for name in shared.PAGES:
        first, *others = (browser.open(f"{url}/{name}") for _ in range(1 + _VISITS))
        found[name] = {
            "first_s": round(first, 2),
            "median_s": round(statistics.median(others), 2),
            "worst_s": round(max(others), 2),
        }
    return found


def verdict(browser: Browser, url: str, photo: Path) -> float:
    """Seconds from dropping a photo to reading its verdict; one click or drop is all that it takes."""
    browser.open(url)
    began = time.monotonic()
    browser.upload([photo])
    browser.see("What it means")
    return round(time.monotonic() - began, 2)


def catalogue(browser: Browser, url: str, folder: Path) -> dict[str, float]:
    """Seconds that a catalogue takes, and how long another page takes to open meanwhile."""
    archive = folder / "catalogue.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for seed in range(_CATALOGUE):
            packed.writestr(f"{seed:03}.jpg", product_photo(seed, (640, 640)))
    browser.open(f"{url}/catalogue")
    browser.click("ZIP")
    browser.see("ZIP archive of photos")
    browser.rest()
    browser.upload([archive])
    browser.rest()
    began = time.monotonic()
    browser.click("Scan")
    browser.see("New scan")
    asked = time.monotonic()
    browser.click(shared.PAGES["model"], "a")
    browser.see("The model in service")
    meanwhile = time.monotonic() - asked
    browser.click(shared.PAGES["catalogue"], "a")
    browser.see(f"{_CATALOGUE} photos in")
    return {
        "photos": _CATALOGUE,
        "seconds": round(time.monotonic() - began, 1),
        "other_page_meanwhile_s": round(meanwhile, 2),
    }


def main(argv: list[str]) -> int:
    """Measure; ends with 1 when a page is not usable within the bar."""
    args = argparse.ArgumentParser(prog="tests.ui.measure", description=__doc__)
    args.add_argument("--out", type=Path, default=REPO / "reports" / "bench" / "ui.json")
    out = args.parse_args(argv).out
    with stand() as (_, url, folder), browsing() as browser:
        pages = visits(browser, url)
        small, large = folder / "small.jpg", folder / "large.jpg"
        small.write_bytes(product_photo(1))
        large.write_bytes(photo_bytes(2, (5774, 4330)))
        found = {
            "machine": {"cpus": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 2)},
            "browser": f"Chromium {browser.chrome.capabilities['browserVersion']}, headless",
            "python": platform.python_version(),
            "bar_s": USABLE_S,
            "pages": pages,
            "verdict_s": verdict(browser, url, small),
            "verdict_25_megapixels_s": verdict(browser, url, large),
            "catalogue": catalogue(browser, url, folder),
            "console_errors": browser.severe(),
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(f"{json.dumps(found, indent=1)}\n")
    missed = [name for name, each in pages.items() if each["worst_s"] > USABLE_S]
    return 1 if missed or found["console_errors"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
