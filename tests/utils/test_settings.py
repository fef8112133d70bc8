"""Settings are read once, typed, and wrong ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from src.imaging.decode import ImageLimits
from src.utils.errors import ConfigError
from src.utils.settings import Settings, load_settings


def test_defaults_serve_the_shipped_model() -> None:
    settings = Settings()
    assert settings.model_path == Path("models/detector.onnx")
    assert settings.max_bytes == 25 * 2**20


def test_limits_of_settings_and_of_the_decoder_agree() -> None:
    settings, limits = Settings(), ImageLimits()
    assert {name: getattr(settings, name) for name in ImageLimits.model_fields} == limits.model_dump()


def test_environment_wins_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTOR_MODEL_PATH", "elsewhere/m.onnx")
    monkeypatch.setenv("DETECTOR_LOG_JSON", "false")
    monkeypatch.setenv("DETECTOR_INTRA_OP_THREADS", "3")
    settings = load_settings()
    assert settings.model_path == Path("elsewhere/m.onnx")
    assert settings.log_json is False
    assert settings.intra_op_threads == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORKERS", "0"), ("MAX_BYTES", "lots"), ("LOG_LEVEL", "chatty"), ("DEADLINE_S", "-1")],
)
def test_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"DETECTOR_{name}", value)
    with pytest.raises(ConfigError, match=f"DETECTOR_{name}: ") as caught:
        load_settings()
    assert caught.value.code == "config_invalid"
    assert value not in str(caught.value).split(": ", 1)[1].split("'")[0]


def test_settings_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().workers = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="surprise"):
        Settings.model_validate({"surprise": 1})


def test_a_secret_comes_as_a_file_and_a_variable_wins_over_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "detector_store_url").write_text("postgresql+psycopg://somebody@elsewhere/detector\n")
    (tmp_path / "another_service_password").write_text("not ours")
    assert load_settings(tmp_path).store_url == "postgresql+psycopg://somebody@elsewhere/detector"
    monkeypatch.setenv("DETECTOR_STORE_URL", "")
    assert load_settings(tmp_path).store_url == ""


def test_no_folder_of_secrets_is_no_error(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none") == Settings()
