from __future__ import annotations

from pathlib import Path

import pytest

from src.data.families import family_of
from src.data.manifest import read_manifest


@pytest.mark.parametrize(
    ("generator", "family"),
    [
        ("camera", "camera"),
        ("gpt_image_2", "openai"),
        ("dalle3", "openai"),
        ("google_gemini_unspecified", "google"),
        ("imagen4_fast", "google"),
        ("sdxl_lora", "stable_diffusion"),
        ("flux1.1_pro", "flux"),
        ("nova_canvas", "nova"),
        ("zai_image_unverified", "zai"),
        ("somebody_new", "other"),
    ],
)
def test_generators_belong_to_their_makers(generator, family):
    assert family_of(generator) == family


def test_only_camera_photos_are_of_the_camera_family():
    records = read_manifest(Path("data/manifest.csv"))
    assert all((family_of(r.generator) == "camera") != r.is_fake for r in records)


def test_most_fakes_of_the_manifest_have_a_family():
    fakes = [r for r in read_manifest(Path("data/manifest.csv")) if r.is_fake]
    assert sum(family_of(r.generator) == "other" for r in fakes) / len(fakes) < 0.1
