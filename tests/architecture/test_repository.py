"""Facts of the repository that no code shows: tracked files, requirements, what the documents name."""

import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
REQUIREMENTS = (
    *("requirements.txt", "requirements-serve.txt", "requirements-dev.txt"),
    *("requirements-ui.txt", "requirements-mlflow.txt", "requirements-docs.txt"),
)
# Put together here so that this file does not match itself.
REGISTRY_HOSTS = tuple(
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))
)
PHOTO_OR_WEIGHTS = {
    *(".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic"),
    *(".onnx", ".pt", ".pth", ".ckpt", ".safetensors", ".npz", ".npy", ".pkl", ".joblib", ".h5"),
}
RELEASED = re.compile(r"models/[a-z-]+\.(onnx|reference\.npz|attribution\.npz)")


def tracked() -> list[str]:
    """Files that git tracks and that stand in the work tree."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (REPO / name).is_file()]


def stray_binaries(names: list[str]) -> list[str]:
    """Photos, and weights other than the released models and what lies beside them for watch and evidence.

    PNG is left to plots in reports and docs.
    """
    return [
        name
        for name in names
        if (Path(name).suffix.lower() in PHOTO_OR_WEIGHTS and not RELEASED.fullmatch(name))
        or (name.lower().endswith(".png") and not name.startswith(("reports/", "docs/")))
    ]


def registry_addresses(text: str) -> list[str]:
    return [host for host in REGISTRY_HOSTS if host in text]


def unhashed(requirements: str) -> list[str]:
    """Entries of a requirements file that are not pinned by `==` and at least one sha256."""
    entries = re.split(r"\n(?=\S)", requirements.replace("\\\n", " "))
    entries = [entry for entry in entries if entry.strip() and not entry.lstrip().startswith("#")]
    return [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]


def make_targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))


def named_targets(markdown: str) -> set[str]:
    """Targets that a document names, as `make x` in code marks or at the start of a line of a code block."""
    return set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", markdown, flags=re.MULTILINE))


def test_no_photo_and_no_weights_but_the_released_model_are_tracked():
    assert stray_binaries(tracked()) == []


def test_no_tracked_text_names_a_package_registry():
    texts = {name: (REPO / name).read_bytes().decode("utf-8", errors="ignore") for name in tracked()}
    assert {name: found for name, text in texts.items() if (found := registry_addresses(text))} == {}


def test_requirements_are_the_only_lock():
    assert not {Path(name).name for name in tracked()} & {
        "uv.lock",
        "poetry.lock",
        "Pipfile.lock",
        "pdm.lock",
    }


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_are_pinned_and_hashed_and_name_no_address(name):
    text = (REPO / name).read_text()
    assert unhashed(text) == []
    assert "://" not in text


def test_the_serving_requirements_hold_no_training_library():
    names = set(
        re.findall(r"^([a-z0-9-]+)==", (REPO / "requirements-serve.txt").read_text(), flags=re.MULTILINE)
    )
    assert {"onnxruntime", "fastapi", "uvicorn"} <= names
    assert names.isdisjoint(
        {"torch", "mlflow", "ray", "streamlit", "pandas", "scikit-learn", "matplotlib", "scipy"}
    )


@pytest.mark.parametrize("document", ["README.md", "docs/ARCHITECTURE.md", ".ci/run"])
def test_make_targets_that_documents_name_exist(document):
    assert named_targets((REPO / document).read_text()) <= make_targets((REPO / "Makefile").read_text())


def test_every_make_target_has_a_line_of_help():
    makefile = (REPO / "Makefile").read_text()
    documented = set(re.findall(r"^([a-z][a-z-]*):.*## \S", makefile, flags=re.MULTILINE))
    assert documented == make_targets(makefile)


def test_the_checkers_see_what_they_are_for():
    assert stray_binaries(
        [
            *("models/detector.onnx", "models/detector.reference.npz", "models/photos.npz"),
            *("models/old/x.onnx", "tests/a.JPG", "docs/ui.png", "tests/b.png"),
        ]
    ) == [
        "models/photos.npz",
        "models/old/x.onnx",
        "tests/a.JPG",
        "tests/b.png",
    ]
    assert registry_addresses(f"see {REGISTRY_HOSTS[0]}/simple") == [REGISTRY_HOSTS[0]]
    assert unhashed("a==1 \\\n    --hash=sha256:00\nb==2\nc>=1 \\\n    --hash=sha256:00\n") == [
        "b==2",
        "c>=1",
    ]
    assert named_targets("run `make fly`, or\nmake tea\nwe make do") == {"fly", "tea"}


def test_no_report_names_the_place_of_a_checkout():
    named = re.compile(r"\"/[^\"]*/(?:python[\d.]*|detector\.onnx)\"")
    reports = [name for name in tracked() if name.startswith("reports/") and name.endswith(".json")]
    assert reports
    assert [name for name in reports if named.search((REPO / name).read_text())] == []
    assert named.search('"python": "/somewhere/.venv/bin/python"')
