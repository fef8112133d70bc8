"""Speed, end and cost follow from what workers tell."""

from __future__ import annotations

from src.scan.messages import At, Done
from src.scan.progress import Meter
from src.scan.rows import Tally


def test_half_way_after_an_hour_is_one_more_hour_and_twice_the_cost() -> None:
    now = [0.0]
    meter = Meter(total=200, workers=4, price=0.5, clock=lambda: now[0])
    assert meter.eta_s is None
    now[0] = 3600.0
    meter.hear(At(0, 40))
    meter.hear(At(1, 20))
    meter.hear(Done(0, Tally(rows=80), 1.0))
    assert meter.done == 100
    assert (meter.eta_s, meter.cost, meter.final_cost) == (3600.0, 2.0, 4.0)
    assert "1:00:00 left, costs 4.00 in all" in meter.words()


def test_a_shard_that_is_begun_anew_counts_once() -> None:
    meter = Meter(total=10, workers=1)
    for message in (At(0, 4), At(0, 0), At(0, 4), Done(0, Tally(rows=8), 1.0)):
        meter.hear(message)
    assert meter.done == 8
    assert meter.cost is None


def test_rows_from_before_are_no_work() -> None:
    now = [0.0]
    meter = Meter(total=4, workers=1, clock=lambda: now[0])
    now[0] = 2.0
    meter.hear(At(0, 7, kept=6))
    assert (meter.done, meter.rate) == (1, 0.5)
    meter.hear(Done(0, Tally(rows=8), 1.0, kept=6))
    assert (meter.done, meter.eta_s) == (2, 2.0)
