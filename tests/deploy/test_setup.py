"""The compose file's first service: what it makes, what it keeps, and that the others can use it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy.engine import make_url

from src.inference.access.keys import KeyRing, load_keys
from src.inference.webhooks import Courier
from src.utils.settings import load_settings
from tests.deploy.script import setup

ALERTMANAGER = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"

ODD = "a b/c@d:e?#%"
"""Every character that an address would read as something else."""


class Place:
    """Folders of one machine, and the script run on them."""

    def __init__(self, folder: Path) -> None:
        self.out, self.given, self.var = folder / "secrets", folder / "given", folder / "var"
        for path in (self.given, self.var):
            path.mkdir()

    def run(self) -> dict[str, str]:
        """Run it; returns every file it has made."""
        setup.main(self.out, self.given, self.var / "keys.json", ALERTMANAGER)
        return {str(p.relative_to(self.out)): p.read_text() for p in self.out.rglob("*") if p.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_clean_machine_gets_all_that_the_services_mount(place: Place) -> None:
    assert set(place.run()) == {
        "postgres/postgres_password",
        "api/detector_store_url",
        "api/detector_webhook_secret",
        "mlflow/mlflow_backend_store_uri",
        "grafana/grafana_admin_password",
        "ui/detector_api_key",
        "operator/detector_api_key",
        "alertmanager/alertmanager.yml",
    }


def test_a_second_run_changes_nothing(place: Place) -> None:
    first, keys = place.run(), load_keys(place.var / "keys.json")
    assert place.run() == first
    assert load_keys(place.var / "keys.json") == keys


def test_the_service_takes_the_webhook_secret_that_was_made(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = place.run()["api/detector_webhook_secret"]
    monkeypatch.setenv("DETECTOR_WEBHOOK_HOSTS", "shop.example")
    settings = load_settings(place.out / "api")
    assert settings.webhook_secret == made
    assert Courier.from_settings(settings).timeout_s == settings.webhook_timeout_s


def test_two_machines_share_no_secret(tmp_path: Path) -> None:
    places = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        places.append(Place(tmp_path / name).run())
    same = {name for name in places[0] if places[0][name] == places[1][name]}
    assert same == {"alertmanager/alertmanager.yml"}


def test_the_keys_open_the_doors_that_they_are_for(place: Place) -> None:
    made = place.run()
    ring = KeyRing(load_keys(place.var / "keys.json"))
    page, operator = (ring.find(made[f"{name}/detector_api_key"]) for name in ("ui", "operator"))
    assert page is not None
    assert operator is not None
    assert page.allows("review")
    assert not page.allows("admin")
    assert operator.allows("admin")


def test_an_operators_password_is_used_whatever_is_in_it(place: Place) -> None:
    place.run()
    (place.given / "postgres_password").write_text(f"{ODD}\n")
    made = place.run()
    assert made["postgres/postgres_password"] == ODD
    for name, database in (
        ("api/detector_store_url", "detector"),
        ("mlflow/mlflow_backend_store_uri", "mlflow"),
    ):
        url = make_url(made[name])
        assert (url.password, url.database, url.host) == (ODD, database, "postgres")
        assert urlsplit(made[name]).port == 5432


def test_an_empty_secret_is_refused(place: Place) -> None:
    (place.given / "grafana_admin_password").write_text("\n")
    with pytest.raises(SystemExit, match="grafana_admin_password"):
        place.run()


def test_the_service_reads_its_database_from_the_folder_it_mounts(place: Place) -> None:
    made = place.run()
    assert load_settings(place.out / "api").store_url == made["api/detector_store_url"]


def test_each_file_may_be_read_by_the_user_who_mounts_it_and_changed_by_nobody(place: Place) -> None:
    place.run()
    assert {p.stat().st_mode & 0o777 for p in place.out.rglob("*") if p.is_file()} == {0o444}


def test_mails_password_goes_to_alertmanager(place: Place) -> None:
    (place.given / "smtp_password").write_text("hunter2")
    assert place.run()["alertmanager/smtp_password"] == "hunter2"
