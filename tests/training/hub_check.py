"""Run in a process of its own by test_hub.py: builds a network from the hub that HF_ENDPOINT names."""

import sys

from src.training.config import ModelConfig
from src.training.model import build_model

model = build_model(ModelConfig(architecture="test_efficientnet.r160_in1k", initial_weights="hub"))
sys.stdout.write(f"{model.backbone.conv_stem.weight.mean().item():.6f}\n")
