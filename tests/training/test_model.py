from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import save_file

from src.training.average import WeightAverage
from src.training.config import ModelConfig
from src.training.model import build_model, normalisation, steps_before
from src.utils.errors import ConfigError

SMALL = {"architecture": "test_efficientnet", "initial_weights": "none"}


def test_the_mean_of_the_activation_map_is_the_logit():
    model = build_model(ModelConfig(**SMALL)).eval()
    torch.nn.init.normal_(model.head.weight)
    torch.nn.init.normal_(model.head.bias)
    out = model(torch.rand(2, 3, 96, 64))
    assert torch.allclose(out.cam.mean((1, 2)), out.logit, atol=1e-5)
    assert out.embedding.shape == (2, model.head.in_features)


def test_an_untrained_head_says_one_half():
    model = build_model(ModelConfig(**SMALL)).eval()
    assert model(torch.rand(2, 3, 64, 64)).logit.sigmoid().tolist() == [0.5, 0.5]


def test_start_weights_come_from_a_half_precision_file(tmp_path):
    torch.manual_seed(3)
    source = timm.create_model("test_efficientnet", num_classes=0)
    halves = {k: v.half() if v.is_floating_point() else v for k, v in source.state_dict().items()}
    save_file(halves, tmp_path / "w.safetensors")
    config = ModelConfig(
        architecture="test_efficientnet", initial_weights="file", weights_file=tmp_path / "w.safetensors"
    )
    model = build_model(config)
    assert model.backbone.conv_stem.weight.dtype == torch.float32
    assert torch.allclose(model.backbone.conv_stem.weight, source.conv_stem.weight, atol=1e-3)


@pytest.mark.parametrize(
    "change", ["lacks a layer", "has a strange layer", "has another shape", "is no file"]
)
def test_start_weights_that_do_not_fit_are_refused(tmp_path, change):
    weights = dict(timm.create_model("test_efficientnet", num_classes=0).state_dict())
    if change == "lacks a layer":
        del weights["conv_stem.weight"]
    elif change == "has a strange layer":
        weights["extra.weight"] = torch.zeros(1)
    elif change == "has another shape":
        weights["conv_stem.weight"] = torch.zeros(1, 3, 3, 3)
    path = tmp_path / "w.safetensors"
    if change != "is no file":
        save_file(weights, path)
    config = ModelConfig(architecture="test_efficientnet", initial_weights="file", weights_file=path)
    with pytest.raises(ConfigError, match="start weights"):
        build_model(config)


def test_an_unknown_architecture_and_a_missing_path_are_config_errors():
    with pytest.raises(ConfigError, match="no model named"):
        build_model(ModelConfig(architecture="efficientnet_b99"))
    with pytest.raises(ConfigError, match="weights_file"):
        build_model(ModelConfig(architecture="test_efficientnet", initial_weights="file"))


def _trained(tmp_path, steps_before=0):
    """A checkpoint as `Trainer.save` lays it out, of a network whose head is not zero."""
    model = build_model(ModelConfig(**SMALL))
    torch.nn.init.normal_(model.head.weight)
    state = {"step": 30, "steps_before": steps_before}
    torch.save({"average": model.state_dict(), "state": state}, tmp_path / "checkpoint.pt")
    return model, ModelConfig(
        **SMALL | {"initial_weights": "run", "weights_file": tmp_path / "checkpoint.pt"}
    )


def test_an_earlier_run_gives_body_and_head_and_its_steps(tmp_path):
    earlier, config = _trained(tmp_path, steps_before=12)
    model = build_model(config)
    assert torch.equal(model.head.weight, earlier.head.weight)
    assert torch.equal(model.backbone.conv_stem.weight, earlier.backbone.conv_stem.weight)
    assert steps_before(config) == 42
    assert steps_before(ModelConfig(**SMALL)) == 0


def test_an_earlier_run_of_another_network_is_refused(tmp_path):
    _, config = _trained(tmp_path)
    with pytest.raises(ConfigError, match="another network"):
        build_model(config.model_copy(update={"architecture": "tf_efficientnet_lite0"}))
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match="checkpoint"):
        build_model(config)


def test_the_average_trails_the_weights_and_copies_statistics():
    model = build_model(ModelConfig(**SMALL))
    average = WeightAverage(model, decay=0.9)
    start = average.average.head.bias.item()
    with torch.no_grad():
        model.head.bias.fill_(1.0)
        model.backbone.bn1.running_mean.fill_(7.0)
    average.update(model)
    first = average.average.head.bias.item()
    assert first == pytest.approx(start + (1 - 2 / 11) * (1 - start))
    for _ in range(200):
        average.update(model)
    assert average.average.head.bias.item() == pytest.approx(1.0, abs=1e-4)
    assert average.average.backbone.bn1.running_mean[0].item() == 7.0


def test_each_architecture_gets_its_own_normalisation():
    assert normalisation(ModelConfig(architecture="tf_efficientnet_lite0")) == ((0.5,) * 3, (0.5,) * 3)
    assert normalisation(ModelConfig(architecture="tf_efficientnet_b0"))[0] == (0.485, 0.456, 0.406)
    assert normalisation(ModelConfig(architecture="tf_efficientnet_b0", mean=(0.1, 0.2, 0.3)))[0] == (
        0.1,
        0.2,
        0.3,
    )
    with pytest.raises(ConfigError, match="no model named"):
        normalisation(ModelConfig(architecture="efficientnet_b99"))
