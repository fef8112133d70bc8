"""`python -m tests.deploy.images`: builds, runs, measures, and writes `reports/images`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tests.deploy.images.buildah import BASE, REPO, Buildah, remove
from tests.deploy.images.checks import IMAGES, check

REPORT = REPO / "reports" / "images"


def known() -> dict[str, Any]:
    """What earlier runs saw of images that this one leaves out."""
    path = REPORT / "images.json"
    images: dict[str, Any] = json.loads(path.read_text())["images"] if path.exists() else {}
    return {tag: images[tag] for tag in sorted(images) if tag in {image.tag for image in IMAGES.values()}}


def run(buildah: Buildah, names: list[str]) -> dict[str, Any]:
    """Build and check images; returns the report.

    Raises:
        SystemExit: A build fails, or an image is larger than it may be.
    """
    if not buildah.has(BASE):
        buildah.make_base()
    base_bytes = buildah.unpacked_bytes(BASE)
    report: dict[str, Any] = {
        "base": BASE,
        "base_mb": round(base_bytes / 1e6, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "images": known(),
    }
    for name in names:
        image, began = IMAGES[name], time.monotonic()
        buildah.build(f"docker/{name}.Dockerfile", image.tag)
        built_s = time.monotonic() - began
        added = (buildah.unpacked_bytes(image.tag) - base_bytes) / 1e6
        facts = {"added_mb": round(added, 1), "limit_mb": image.limit_mb, "built_s": round(built_s)}
        report["images"][image.tag] = facts | check(buildah, image, buildah.home)
        sys.stdout.write(f"{image.tag}: {added:.0f} MB beyond its base; {facts}\n")
        if image.limit_mb is not None and added > image.limit_mb:
            raise SystemExit(f"{image.tag} adds {added:.0f} MB to its base, more than {image.limit_mb}")
    return report


def page(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        "# Images",
        "",
        "`make images-test`: built with buildah on a bare Debian in place of",
        f"`{report['base'].rpartition('/')[2]}` ({report['base_mb']} MB), run as the user 10001;",
        "sizes unpacked, in MB of 10^6 bytes.",
        "",
        "| image | beyond its base | bar | ready after | answer |",
        "|---|---:|---:|---:|---|",
    ]
    for tag, facts in report["images"].items():
        limit = f"≤ {facts['limit_mb']} MB" if facts["limit_mb"] else ""
        answer = ", ".join(f"{name} {value}" for name, value in facts["answer"].items())
        lines.append(f"| `{tag}` | {facts['added_mb']} MB | {limit} | {facts['ready_s']} s | {answer} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make images-test", description=__doc__)
    parser.add_argument("--images", nargs="+", choices=sorted(IMAGES), default=list(IMAGES))
    parser.add_argument("--home", type=Path, default=REPO / ".cache" / "images", help="storage of the builds")
    parser.add_argument("--keep", action="store_true", help="keep the storage, for a faster next time")
    options = parser.parse_args()
    missing = [tool for tool in ("buildah", "debootstrap") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        raise SystemExit(f"needs root, buildah and debootstrap; missing: {', '.join(missing) or 'root'}")
    options.home.mkdir(parents=True, exist_ok=True)
    buildah = Buildah(options.home.resolve())
    try:
        report = run(buildah, options.images)
    finally:
        if not options.keep:
            remove(buildah.home)
    REPORT.mkdir(parents=True, exist_ok=True)
    (REPORT / "images.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (REPORT / "images.md").write_text(page(report), encoding="utf-8")


if __name__ == "__main__":
    main()
