"""The report of `make bench`: medians, bars, and what a missed bar looks like."""

import io

import pytest
from PIL import Image

from bench.photos import procedural_photo
from bench.serving import FIGURES, summarize, to_markdown


def run_with(**values: float) -> dict[str, float]:
    return {figure.key: 0.5 for figure in FIGURES} | values


def test_the_median_is_judged_and_not_the_worst_run():
    runs = [run_with(import_s=value) for value in (0.4, 0.6, 9.0)]
    figure = next(item for item in summarize(runs, {}, "m.onnx").figures if item.key == "import_s")
    assert (figure.median, figure.min, figure.max, figure.passed) == (0.6, 0.4, 9.0, True)


def test_a_missed_bar_is_plain_to_see():
    report = summarize([run_with(memory_mb=351)], {"cores": 2}, "models/m.onnx")
    assert [item.key for item in report.figures if item.passed is False] == ["memory_mb"]
    page = to_markdown(report)
    assert "| 351 MB | 351 | 351 | ≤ 350 MB | **FAIL** |" in page
    assert "cores 2" in page
    assert "model `m.onnx`" in page


def test_figures_without_a_bar_neither_pass_nor_fail():
    report = summarize([run_with()], {}, "m.onnx")
    assert {item.passed for item in report.figures if item.bar is None} == {None}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_photo_is_as_large_as_an_upload_and_the_same_each_time(seed):
    photo = procedural_photo(seed=seed)
    assert photo == procedural_photo(seed=seed)
    assert Image.open(io.BytesIO(photo)).size == (1600, 1200)
    assert len(photo) > 150_000
