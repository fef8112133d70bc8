from __future__ import annotations

from pathlib import Path

import pytest

from src.training.config import load_config
from src.utils.errors import ConfigError


def test_the_shipped_configuration_is_valid():
    assert load_config(Path("configs/train_config.yaml")).optim.batch_size > 1


def test_an_override_replaces_one_nested_key(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("optim:\n  steps: 7\n  batch_size: 4\n")
    config = load_config(path, ["optim.steps=9", "model.weights_file=w.safetensors"])
    assert (config.optim.steps, config.optim.batch_size) == (9, 4)
    assert config.model.weights_file == Path("w.safetensors")


@pytest.mark.parametrize(
    "text",
    ["optim:\n  stepz: 3\n", "optim:\n  steps: -1\n", "optim: [", "model:\n  initial_weights: luck\n"],
    ids=["unknown key", "out of range", "no yaml", "unknown choice"],
)
def test_a_wrong_configuration_is_a_config_error(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load_config(path)


def test_an_override_without_a_value_is_refused(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("")
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        load_config(path, ["optim.steps"])


def test_a_missing_file_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError):
        load_config(tmp_path / "none.yaml")
