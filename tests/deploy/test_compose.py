"""The compose files against the repository: what they mount, build, open, set and wait for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.ui.settings import UiSettings
from src.utils.settings import Settings, load_settings

REPO = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.prod.yml")
GUIDE = (REPO / "docs" / "DEPLOYMENT.md").read_text()


def compose(name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((REPO / name).read_text())
    return parsed


BASE, PROD = (compose(name) for name in FILES)
SERVICES: dict[str, dict[str, Any]] = BASE["services"]
PUBLIC = {"api": 8000, "ui": 8501, "mlflow": 5000, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}


def dockerfiles() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((REPO / "docker").glob("*.Dockerfile"))}


def mounts() -> list[tuple[str, str]]:
    """Service and source of every mount of both files."""
    found = [(name, service) for file in (BASE, PROD) for name, service in file["services"].items()]
    return [(name, mount.split(":")[0]) for name, service in found for mount in service.get("volumes", [])]


def variables() -> set[str]:
    """Variables that the files take from whoever starts them."""
    return {name for file in FILES for name in re.findall(r"\$\{([A-Z_]+)", (REPO / file).read_text())}


def dockerfile_of(service: dict[str, Any]) -> str | None:
    """The Dockerfile of a service's image, if the image is ours."""
    ours = {s["image"]: s["build"]["dockerfile"] for s in SERVICES.values() if "build" in s}
    place = ours.get(service["image"])
    return (REPO / place).read_text() if place else None


def test_every_mounted_file_exists():
    files = [source for _, source in mounts() if source.startswith(".")]
    assert len(files) >= 7
    assert [source for source in files if not (REPO / source).exists()] == []


def test_every_volume_is_named_and_used():
    used = {source for _, source in mounts() if not source.startswith(".")}
    assert used == set(BASE["volumes"])


def test_secrets_are_files_and_each_is_used_and_documented():
    used = {secret for service in PROD["services"].values() for secret in service.get("secrets", [])}
    assert used == set(PROD["secrets"])
    assert all(set(secret) == {"file"} for secret in PROD["secrets"].values())
    assert [name for name in used if f"`{name}`" not in GUIDE] == []


def test_no_secret_stands_in_a_file_or_in_the_environment():
    for name, service in [*SERVICES.items(), *PROD["services"].items()]:
        for variable in service.get("environment", {}):
            secret = re.search("PASSWORD|SECRET|TOKEN|KEY", variable)
            assert secret is None or variable.endswith("FILE"), (name, variable)


def test_every_port_is_open_to_this_machine_alone_and_documented():
    opened = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert opened == {name: [f"${{BIND:-127.0.0.1}}:{port}:{port}"] for name, port in PUBLIC.items()}
    assert [port for port in PUBLIC.values() if f":{port}" not in GUIDE] == []


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_service_of_ours_listens_where_compose_says(name):
    text = dockerfile_of(SERVICES[name])
    if text is None:
        assert ":latest" not in SERVICES[name]["image"], "an image of others needs a version"
        return
    assert f"EXPOSE {PUBLIC[name]}" in text
    assert "0.0.0.0" in text
    assert "HEALTHCHECK" in text
    assert re.search(r"^USER 10001$", text, flags=re.MULTILINE)


def test_every_variable_is_documented():
    assert [name for name in sorted(variables()) if f"`{name}`" not in GUIDE] == []


def test_the_example_has_every_variable_and_values_that_are_taken(monkeypatch, tmp_path):
    lines = re.findall(r"^# ([A-Z_]+)=(\S+)$", (REPO / ".env.example").read_text(), flags=re.MULTILINE)
    assert {name for name, _ in lines} == variables()
    for name, value in lines:
        if name.startswith("DETECTOR_"):
            monkeypatch.setenv(name, value)
    assert load_settings(tmp_path).url_hosts == ("img.shop.example", "*.cdn.shop.example")


def test_every_setting_of_ours_exists():
    known = {f"DETECTOR_{field}".upper() for field in Settings.model_fields}
    known |= {f"{UiSettings.model_config['env_prefix']}{field}".upper() for field in UiSettings.model_fields}
    services = [*SERVICES.values(), *PROD["services"].values()]
    named = {name for service in services for name in service.get("environment", {})}
    assert {name for name in named if name.startswith("DETECTOR_")} <= known


def test_without_a_variable_the_service_gets_values_that_it_takes(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("DETECTOR_")]:
        monkeypatch.delenv(name)
    for file in (BASE, PROD):
        for name, value in file["services"]["api"]["environment"].items():
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
        settings = load_settings(tmp_path)
        assert (settings.url_hosts, settings.webhook_hosts, settings.store_images) == ((), (), None)
    assert settings.allow_open is False
    assert settings.rate_limit == "600/minute"


def test_services_wait_for_what_they_need_to_be_healthy():
    for name, service in [*SERVICES.items(), *PROD["services"].items()]:
        for other, how in service.get("depends_on", {}).items():
            needed = SERVICES[other]
            if how["condition"] == "service_healthy":
                own = dockerfile_of(needed) or ""
                assert "healthcheck" in needed or "HEALTHCHECK" in own, (name, other)
            else:
                assert (how["condition"], other) == ("service_completed_successfully", "setup"), name


def test_every_service_has_limits_and_no_privileges():
    for name, service in [*SERVICES.items(), ("proxy", PROD["services"]["proxy"])]:
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} <= set(limits), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name


def test_what_has_no_profile_starts_by_itself_and_jobs_do_not():
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"train"}


@pytest.mark.parametrize("name", sorted(dockerfiles()))
def test_dockerfiles_copy_what_is_there_and_sent_to_the_builder(name):
    sent = [line[1:] for line in (REPO / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copies = re.findall(r"^COPY (?!--from)(\S+) ", dockerfiles()[name], flags=re.MULTILINE)
    assert copies
    for source in copies:
        assert (REPO / source).exists(), source
        assert any(
            Path(source).match(pattern)
            or source.startswith(f"{pattern}/")
            or pattern.startswith(f"{source}/")
            for pattern in sent
        ), f"{source} is ignored"


def test_prod_trusts_the_network_that_it_makes():
    subnet = PROD["networks"]["default"]["ipam"]["config"][0]["subnet"]
    assert PROD["services"]["api"]["environment"]["DETECTOR_TRUSTED_PROXIES"] == subnet
