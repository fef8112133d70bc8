"""The Kubernetes manifests against Kubernetes' own schemas, and against the service that they run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from src.inference.api import app
from src.utils.settings import Settings, load_settings
from tests.deploy.manifests import FOLDER, NO_RESOURCES, REPO, manifests, one, pods, settings_file, validate
from tests.deploy.monitoring import rules
from tests.deploy.servers import program
from tests.support.service import quiet_settings, running

VERSIONS = ("1.30", "1.34")
"""The oldest that the manifests are for, and a recent one."""
OVERLAYS = ("try", "production")
DEPLOYMENT = one("Deployment")
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "resource"), manifests(), ids=lambda value: value if isinstance(value, str) else value["kind"]
)
def test_every_resource_is_valid(name: str, resource: dict[str, Any], version: str) -> None:
    if name == "production/autoscaler.yaml":  # a patch: the whole of it is validated as it is built
        resource = resource | {"spec": one("HorizontalPodAutoscaler")["spec"] | resource["spec"]}
    validate(resource, version)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_kustomize_builds_is_valid(overlay: str) -> None:
    command = [program("kubectl"), "kustomize", str(FOLDER / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    for resource in built:
        for version in VERSIONS:
            validate(resource, version)
        assert resource["kind"] == "Namespace" or resource["metadata"]["namespace"] == "detector"
    kinds = [resource["kind"] for resource in built]
    assert ("Ingress" in kinds, "ServiceMonitor" in kinds) == ((overlay == "production"),) * 2
    (deployment,) = [r for r in built if r["kind"] == "Deployment" and r["metadata"]["name"] == "detector"]
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert re.fullmatch(r"[a-z./-]+:v?\d+\.\d+\.\d+", image)
    (scaler,) = [r for r in built if r["kind"] == "HorizontalPodAutoscaler"]
    types = [metric["type"] for metric in scaler["spec"]["metrics"]]
    assert types == (["Pods", "Resource"] if overlay == "production" else ["Resource"])
    (settings,) = [r for r in built if r["kind"] == "ConfigMap"]
    (named,) = deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    assert named["configMapRef"]["name"] == settings["metadata"]["name"] != "detector-settings"


def test_a_kustomization_lists_every_file_beside_it() -> None:
    for path in FOLDER.rglob("kustomization.yaml"):
        parsed = yaml.safe_load(path.read_text())
        listed = {
            *parsed["resources"],
            *(patch["path"] for patch in parsed.get("patches", []) if "path" in patch),
        }
        beside = {each.name for each in path.parent.glob("*.yaml")} - set(NO_RESOURCES)
        assert {name for name in listed if name.endswith(".yaml")} == beside, path


def test_every_image_has_a_version() -> None:
    for name, template in pods():
        for container in template["spec"]["containers"]:
            image = container["image"]
            if ":" not in image:
                (kustomized,) = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())["images"]
                assert (kustomized["name"], image) == (image, kustomized["name"]), name
                image = f"{image}:{kustomized['newTag']}"
            assert re.search(r":v?\d", image), (name, image)


@pytest.mark.parametrize(
    ("name", "template"), pods(), ids=lambda value: value if isinstance(value, str) else "pod"
)
def test_nothing_runs_as_root_without_limits_or_with_more_than_it_needs(
    name: str, template: dict[str, Any]
) -> None:
    spec = template["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert {"cpu", "memory"} <= set(container["resources"]["limits"]) & set(
            container["resources"]["requests"]
        )
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "readinessProbe" in container
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        claims = {"data"} if name == "postgres" else set()
        assert mounts == {volume["name"] for volume in spec["volumes"]} | claims


def test_the_service_runs_as_its_image_expects() -> None:
    dockerfile = (REPO / "docker" / "serve.Dockerfile").read_text()
    assert f"USER {POD['securityContext']['runAsUser']}\n" in dockerfile
    (port,) = CONTAINER["ports"]
    assert f"EXPOSE {port['containerPort']}\n" in dockerfile
    written = {mount["mountPath"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"/app/var", "/tmp"}
    assert "VOLUME /app/var" in dockerfile


def test_settings_are_settings_of_the_service_with_values_that_it_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = settings_file()
    assert set(values) <= {f"DETECTOR_{field}".upper() for field in Settings.model_fields}
    for name in [name for name in os.environ if name.startswith("DETECTOR_")]:
        monkeypatch.delenv(name)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "detector_store_url").write_text("postgresql+psycopg://a:b@c/d")
    (tmp_path / "detector_rate_limit_url").write_text("redis://c:6379")
    settings = load_settings(tmp_path)
    assert settings.allow_open is False
    assert (settings.store_url[:10], settings.rate_limit_url[:5]) == ("postgresql", "redis")


def test_secrets_that_are_mounted_are_made_by_the_guide() -> None:
    guide = (REPO / "docs" / "DEPLOYMENT.md").read_text()
    names = {
        volume["secret"]["secretName"]
        for _, template in pods()
        for volume in template["spec"]["volumes"]
        if "secret" in volume
    }
    assert names == {"detector-secrets", "detector-keys", "detector-database"}
    assert [name for name in names if f"create secret generic {name}" not in guide] == []
    keys = next(mount for mount in CONTAINER["volumeMounts"] if mount["name"] == "keys")
    assert Path(settings_file()["DETECTOR_KEYS_FILE"]).parent == Path(keys["mountPath"])


def test_a_pod_has_the_time_that_it_takes_to_end() -> None:
    values = settings_file()
    pause = float(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    ends = pause + float(values["DETECTOR_DRAIN_S"]) + float(values["DETECTOR_FINISH_S"])
    assert POD["terminationGracePeriodSeconds"] >= ends + 5
    probe = CONTAINER["readinessProbe"]
    unready = probe["periodSeconds"] * probe["failureThreshold"]
    assert pause + float(values["DETECTOR_DRAIN_S"]) > unready


def test_probes_and_metrics_are_answered_by_the_service(tmp_path: Path) -> None:
    kinds = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert {kind: CONTAINER[kind]["httpGet"]["path"] for kind in kinds} == kinds
    (endpoint,) = one("ServiceMonitor", "production")["spec"]["endpoints"]
    (pods_metric, cpu) = one("HorizontalPodAutoscaler", "production")["spec"]["metrics"]
    name = pods_metric["pods"]["metric"]["name"]
    # No model: the service answers all the same, but is not ready.
    with running(quiet_settings(tmp_path / "none.onnx", metrics_open=True)) as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503
        page = client.get(endpoint["path"])
        assert page.status_code == 200
        assert re.search(rf"^{name} ", page.text, flags=re.MULTILINE)
    assert cpu["resource"]["name"] == "cpu"
    (rule,) = yaml.safe_load((FOLDER / "production" / "adapter.yaml").read_text())["rules"]["custom"]
    assert rule["seriesQuery"].startswith(f"{name}{{")
    assert rule["name"]["matches"] == name


def test_the_queue_of_a_pod_can_be_as_deep_as_the_autoscaler_waits_for() -> None:
    queue = one("HorizontalPodAutoscaler", "production")["spec"]["metrics"][0]["pods"]["target"][
        "averageValue"
    ]
    assert 0 < int(queue) < int(settings_file()["DETECTOR_QUEUE_SIZE"]) / 2


def test_names_that_refer_to_one_another_agree() -> None:
    service, labels = one("Service"), DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        spec = one(kind)["spec"]
        selector = spec.get("selector") or spec["podSelector"]
        assert selector["matchLabels"].items() <= labels.items(), kind
    monitor = one("ServiceMonitor", "production")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (port,) = service["spec"]["ports"]
    assert monitor["endpoints"][0]["port"] == port["name"]
    assert port["targetPort"] == CONTAINER["ports"][0]["name"]
    for folder in ("base", "production"):
        target = one("HorizontalPodAutoscaler", "base")["spec"]["scaleTargetRef"]
        assert one("HorizontalPodAutoscaler", folder)["metadata"]["name"] == "detector"
        assert (target["kind"], target["name"]) == ("Deployment", DEPLOYMENT["metadata"]["name"])
    assert "replicas" not in DEPLOYMENT["spec"]
    assert (
        one("PodDisruptionBudget")["spec"]["maxUnavailable"]
        < one("HorizontalPodAutoscaler")["spec"]["minReplicas"]
    )


def test_rules_of_prometheus_find_the_job_that_the_monitor_makes() -> None:
    jobs = set(re.findall(r'job="([^"]+)"', " ".join(rule["expr"] for rule in rules())))
    label = one("ServiceMonitor", "production")["spec"]["jobLabel"]
    assert one("Service")["metadata"]["labels"][label] in jobs


def test_the_ingress_leads_to_every_call_but_metrics() -> None:
    (rule,) = one("Ingress")["spec"]["rules"]

    def leads(path: str) -> bool:
        return any(
            path == each["path"] or (each["pathType"] == "Prefix" and path.startswith(f"{each['path']}/"))
            for each in rule["http"]["paths"]
        )

    paths = set(app.openapi()["paths"])
    assert "/metrics" in paths
    assert sorted(path for path in paths if not leads(path)) == ["/metrics"]
    for each in rule["http"]["paths"]:
        assert each["backend"] == {"service": {"name": "detector", "port": {"name": "http"}}}
        assert any(
            path == each["path"] or path.startswith(f"{each['path']}/")
            for path in [*paths, "/", "/docs", "/openapi.json"]
        )


def test_the_ingress_takes_the_largest_body_that_the_service_takes() -> None:
    annotations = one("Ingress")["metadata"]["annotations"]
    for name in ("nginx.ingress.kubernetes.io/proxy-body-size", "nginx.org/client-max-body-size"):
        limit = int(annotations[name].removesuffix("m")) * 2**20
        assert limit > Settings.model_fields["max_batch_bytes"].default


def test_the_network_lets_the_service_reach_no_clouds_metadata() -> None:
    peers = [peer for rule in one("NetworkPolicy")["spec"]["egress"] for peer in rule["to"]]
    (block,) = [peer["ipBlock"] for peer in peers if "ipBlock" in peer]
    assert block["except"] == ["169.254.0.0/16"]
    ports = {port["port"] for rule in one("NetworkPolicy")["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53, 5432, 6379, 5000, 4318, 443}


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    wrong = yaml.safe_load((FOLDER / "base" / "deployment.yaml").read_text())
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(wrong, VERSIONS[0])
    monitor = one("ServiceMonitor", "production")
    with pytest.raises(jsonschema.ValidationError):
        validate(monitor | {"spec": monitor["spec"] | {"ports": []}}, VERSIONS[0])
