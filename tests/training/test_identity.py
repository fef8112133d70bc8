from __future__ import annotations

from src.training.identity import claim_output, run_identity


def test_what_a_run_learns_from_is_its_identity(run, photos):
    same = run_identity(run, photos)
    assert run_identity(run, list(reversed(photos))) == same
    assert run_identity(run, photos[1:]) != same
    assert run_identity(run.model_copy(update={"seed": run.seed + 1}), photos) != same


def test_where_and_how_fast_it_runs_is_not(run, photos, tmp_path):
    elsewhere = run.model_copy(
        update={
            "output": tmp_path,
            "threads": 7,
            "loader_workers": 3,
            "data": run.data.model_copy(update={"cache": tmp_path}),
        }
    )
    assert run_identity(elsewhere, photos) == run_identity(run, photos)


def test_a_folder_keeps_its_own_run_and_drops_another(tmp_path):
    claim_output(tmp_path, "one")
    (tmp_path / "best.pt").write_text("weights")
    (tmp_path / "report.txt").write_text("not ours")
    claim_output(tmp_path, "one")
    assert (tmp_path / "best.pt").exists()
    claim_output(tmp_path, "two")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.txt", "run_identity"]
