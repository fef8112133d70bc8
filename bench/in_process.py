"""Times the detector without HTTP: `python -m bench.in_process MODEL ROUNDS` prints a JSON list of ms."""

import json
import sys
import time

from bench.photos import procedural_photo
from src.inference.detector import Detector


def time_detect(model: str, rounds: int) -> list[float]:
    """Milliseconds of each round of `Detector.detect` on a JPEG, after five rounds of warm-up."""
    detector = Detector.from_file(model)
    photo = procedural_photo()
    for _ in range(5):
        detector.detect(photo)
    timings = []
    for _ in range(rounds):
        start = time.perf_counter()
        detector.detect(photo)
        timings.append((time.perf_counter() - start) * 1000)
    return timings


if __name__ == "__main__":
    print(json.dumps(time_detect(sys.argv[1], int(sys.argv[2]))))
