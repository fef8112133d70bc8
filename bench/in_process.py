"""Times the detector without HTTP: `python -m bench.in_process MODEL ROUNDS` prints a JSON list of ms.

With `each` for ROUNDS it judges one photo for each line that it reads, and prints wall and processor ms.
"""

import json
import sys
import time
from collections.abc import Iterator

from bench.photos import procedural_photo
from src.inference.detector import Detector

WARM_UP = 5


def time_each(model: str) -> Iterator[tuple[float, float]]:
    """Wall and processor milliseconds of one `Detector.detect` on a JPEG, each time it is asked; warm."""
    detector = Detector.from_file(model)
    photo = procedural_photo()
    for _ in range(WARM_UP):
        detector.detect(photo)
    while True:
        start, cpu = time.perf_counter(), time.process_time()
        detector.detect(photo)
        yield (time.perf_counter() - start) * 1000, (time.process_time() - cpu) * 1000


def time_detect(model: str, rounds: int) -> list[float]:
    """Milliseconds of each of so many rounds."""
    return [wall for (wall, _), _ in zip(time_each(model), range(rounds), strict=False)]


def main() -> None:
    """Do what the command line says."""
    model, rounds = sys.argv[1:3]
    if rounds != "each":
        print(json.dumps(time_detect(model, int(rounds))))
        return
    timings = time_each(model)
    next(timings)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(next(timings)), flush=True)


if __name__ == "__main__":
    main()
