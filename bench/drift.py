"""Measures the drift watch on simulated traffic of real photos: false alarms, delays, harmless changes.

Any model will do, and any table of embeddings of it (`python -m src.evaluation.reference --embed-only`).
A family is "new" because the reference does not hold it; whether the network ever saw it is another matter,
and the report says so. With `--new`, the new photos come from a second table of the same network, such as the
photos that a network was trained without.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.drift_report import write_report
from bench.drift_traffic import BEFORE, World, delays, harm, onsets, play
from src.evaluation.card import network_hash, read_card
from src.evaluation.command import run_command
from src.evaluation.embeddings import EmbeddingTable, network_of
from src.monitoring.drift.bank import CONTENT, INPUTS, Simulation
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

SHARES = (0.05, 0.10, 0.25, 0.50)
AFTER = 1500
"""Photos after a change."""
HARMLESS_SHARE = 0.25
LEAST_NEW = 20
BARS = {"false_alarms_in_100000": 1.0, "new_generator_at_0.25_within_500": 0.95}


def measure_stable(world: World, photos: int, feedback: float, plan: Simulation, seed: int) -> dict[str, Any]:
    """False alarms in stable traffic; the first `BEFORE` photos of each run fill the memories."""
    runs = 25
    length = -(-photos // runs) + BEFORE
    played = play(
        world, np.random.default_rng(seed), runs=runs, photos=length, share=0.0, feedback=feedback, plan=plan
    )
    content = sum(len(onsets(world, played, run, CONTENT)) for run in range(runs))
    inputs = sum(len(onsets(world, played, run, (INPUTS,))) for run in range(runs))
    over = played.labels > 1.0
    labels = int((over[1:] & ~over[:-1]).sum())
    return {"photos": runs * length, "content": content, "labels": labels, "inputs": inputs}


def measure_change(
    world: World, share: float, plan: Simulation, *, runs: int, feedback: float, seed: int
) -> dict[str, Any]:
    """Delays after a change in `runs` runs, and what the labels say at their ends."""
    played = play(
        world,
        np.random.default_rng(seed),
        runs=runs,
        photos=BEFORE + AFTER,
        share=share,
        feedback=feedback,
        plan=plan,
    )
    found: dict[str, Any] = {"share": share, "runs": runs}
    for channel, values in delays(played).items():
        known = np.isfinite(values)
        found[channel] = {
            "within_500": float((values <= 500).mean()),
            "within_1500": float(known.mean()),
            "median": float(np.median(values)) if np.isfinite(np.median(values)) else None,
        }
    verdicts = [harm(world, played, run) for run in range(runs)]
    found["labels_say"] = {name: verdicts.count(name) for name in ("harmful", "harmless", "unknown")}
    return found


def families(table: EmbeddingTable, new: EmbeddingTable | None, wanted: str) -> list[str]:
    """Families that may be held out: those named, or all with enough photos."""
    source = table if new is None else new
    names = [str(name) for name in np.unique(source.family) if name != "camera"]
    if wanted:
        return [name for name in wanted.split(",") if name in names]
    return [name for name in names if (source.family == name).sum() >= LEAST_NEW]


def family_results(
    table: EmbeddingTable, new: EmbeddingTable | None, card: ModelCard, options: argparse.Namespace
) -> dict[str, Any]:
    """For each family: a reference without it, stable traffic, and the family at several shares."""
    clean = table.where(table.tier == "clean")
    found: dict[str, Any] = {}
    plan = Simulation(burst=options.burst, replicates=options.replicates)
    for number, family in enumerate(families(clean, new, options.families)):
        known = clean.where(clean.family != family)
        fresh = (new or clean).where((new or clean).family == family)
        fresh = fresh.where(fresh.tier == "clean")
        world = World.build(known, fresh, card, plan, seed=number)
        recall = float((fresh.logit >= world.reference.facts.cut).mean())
        found[family] = {
            "photos": len(fresh),
            "shops": len(np.unique(fresh.source)),
            "recall": recall,
            "reference_photos": len(world.reference),
            "limits": world.reference.facts.limits,
            "stable": measure_stable(world, options.stable, options.feedback, plan, seed=100 + number),
            "changes": [
                measure_change(
                    world, share, plan, runs=options.runs, feedback=options.feedback, seed=1000 + number
                )
                for share in SHARES
            ],
        }
        sys.stderr.write(f"{family}: done\n")
    return found


def harmless_results(table: EmbeddingTable, card: ModelCard, options: argparse.Namespace) -> dict[str, Any]:
    """New shops, another codec and another season: changes that need not harm the model."""
    clean = table.where(table.tier == "clean")
    plan = Simulation(burst=options.burst, replicates=options.replicates)
    cases: dict[str, tuple[EmbeddingTable, EmbeddingTable, float]] = {}
    shops, counts = np.unique(clean.source[~clean.fake], return_counts=True)
    for shop in shops[np.argsort(-counts)[:3]]:
        mine = clean.source == shop
        cases[f"new shop {shop}"] = (clean.where(~mine), clean.where(mine), HARMLESS_SHARE)
    if (table.tier == "web").any():
        web = table.where(table.tier == "web")
        cases["all photos re-encoded (web tier)"] = (clean, web, 1.0)
    kinds, counts = np.unique(clean.category, return_counts=True)
    season = kinds[counts.argmax()]
    cases[f"season: more of {season}"] = (clean, clean.where(clean.category == season), HARMLESS_SHARE)
    found = {}
    for number, (name, (known, new, share)) in enumerate(cases.items()):
        world = World.build(known, new, card, plan, seed=50 + number)
        found[name] = measure_change(
            world, share, plan, runs=options.runs, feedback=options.feedback, seed=2000 + number
        )
        found[name]["photos"] = len(new)
        sys.stderr.write(f"{name}: done\n")
    return found


def judge(found: dict[str, Any]) -> dict[str, Any]:
    """The bars, from the measured figures."""
    results = found.values()
    photos = sum(each["stable"]["photos"] for each in results)
    alarms = sum(each["stable"]["content"] + each["stable"]["labels"] for each in results)
    worst = {
        family: next(change["alarm"]["within_500"] for change in each["changes"] if change["share"] == 0.25)
        for family, each in found.items()
    }
    rate = alarms / photos * 100_000 if photos else None
    passed = [family for family, share in worst.items() if share >= BARS["new_generator_at_0.25_within_500"]]
    return {
        "false_alarms_in_100000": {
            "value": rate,
            "limit": BARS["false_alarms_in_100000"],
            "photos": photos,
            "alarms": alarms,
            "passed": rate is not None and rate <= BARS["false_alarms_in_100000"],
        },
        "new_generator_at_0.25_within_500": {
            "value": min(worst.values(), default=None),
            "limit": BARS["new_generator_at_0.25_within_500"],
            "by_family": worst,
            "families_passed": passed,
            "passed": bool(worst) and len(passed) == len(worst),
        },
    }


def main(argv: Sequence[str]) -> int:
    """Measure and write the report."""
    args = argparse.ArgumentParser(prog="python -m bench.drift", description=__doc__)
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--table", type=Path, default=Path("outputs/scores/embeddings.npz"))
    args.add_argument("--new", type=Path, default=None, help="table of the new families' photos")
    args.add_argument("--families", default="", help="comma-separated; all with enough photos by default")
    args.add_argument("--unseen-by-network", action="store_true", help="the network never saw the families")
    args.add_argument("--runs", type=int, default=20)
    args.add_argument("--stable", type=int, default=100_000, help="stable photos for each family")
    args.add_argument("--feedback", type=float, default=0.1, help="share of photos that people judge")
    args.add_argument("--burst", type=float, default=Simulation().burst)
    args.add_argument(
        "--replicates", type=int, default=Simulation().replicates, help="of the limits' simulation"
    )
    args.add_argument("--out", type=Path, default=Path("reports/drift"))
    options = args.parse_args(argv)
    network = network_hash(options.model)
    for path in filter(None, (options.table, options.new)):
        if network_of(path) != network:
            raise DataError(f"{path.name} was made by another network")
    card = read_card(options.model)
    table = EmbeddingTable.load(options.table)
    new = None if options.new is None else EmbeddingTable.load(options.new)
    found = family_results(table, new, card, options)
    result = {
        "model_version": card.version,
        "network": network,
        "network_saw_families": not options.unseen_by_network,
        "feedback": options.feedback,
        "burst": options.burst,
        "runs": options.runs,
        "families": found,
        "harmless": harmless_results(table, card, options),
        "bars": judge(found),
    }
    write_report(options.out, result)
    sys.stdout.write(json.dumps(result["bars"], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    run_command(main)
