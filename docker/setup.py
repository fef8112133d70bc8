"""First service of the compose file: secrets as files, API keys and Alertmanager's settings, then it ends.

What is there stays as it is. An operator's own file in /run/secrets comes before a made-up one, so that
`docker compose up` works from a clean clone and a public service still has secrets of its owner's choice.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from src.inference.access.keys import Scope, issue_key

USER = 10001
"""The user that all images of the project run as."""

_KEYS: dict[str, frozenset[Scope]] = {
    "ui": frozenset({"predict", "review"}),
    "operator": frozenset({"predict", "review", "admin"}),
}


def secret(
    name: str, given: Path, target: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)
) -> str:
    """Put a secret into `target`: the operator's file, else what is there, else a new one.

    Raises:
        SystemExit: The operator's file is empty.
    """
    own = given / name
    if own.is_file():
        value = own.read_text(encoding="utf-8").strip()
        if not value:
            raise SystemExit(f"the secret {name} is an empty file")
    elif target.is_file():
        return target.read_text(encoding="utf-8")
    else:
        value = make()
    write(target, value)
    return value


def write(target: Path, text: str) -> None:
    """Write a file that the one service which mounts its folder may read, whatever its user."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, encoding="utf-8")
    part.chmod(0o444)
    part.replace(target)


def prepare_database(given: Path, out: Path) -> None:
    """Write the database's password, and the addresses that hold it."""
    password = secret("postgres_password", given, out / "postgres" / "postgres_password")
    address = f"postgresql+psycopg://detector:{quote(password, safe='')}@postgres:5432"
    write(out / "api" / "detector_store_url", f"{address}/detector")
    write(out / "mlflow" / "mlflow_backend_store_uri", f"{address}/mlflow")


def webhook_secret() -> str:
    """A secret as the Standard Webhooks specification writes it."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def prepare_keys(keys_file: Path, out: Path) -> None:
    """Issue the page's key and the operator's; with them the service's doors are locked."""
    for name, scopes in _KEYS.items():
        target = out / name / "detector_api_key"
        if not target.is_file():
            _, key = issue_key(keys_file, name, scopes)
            write(target, key)
    if os.geteuid() == 0:
        for path in (keys_file.parent, *keys_file.parent.glob(f"{keys_file.name}*")):
            os.chown(path, USER, USER)


def alert_config(base: str, environment: Mapping[str, str]) -> str:
    """Add what the settings ask for to the last receiver of Alertmanager's file, which ends the text.

    Args:
        base: The committed file.
        environment: `ALERT_WEBHOOK_URL` turns the webhook on, `ALERT_MAIL_TO` mail, which needs
            `ALERT_MAIL_FROM` and `ALERT_SMTP_HOST` (host:port), and a password file with `ALERT_SMTP_USER`.

    Raises:
        SystemExit: Mail is wanted and a setting that it needs is missing.
    """
    lines = [base.rstrip("\n")]
    if url := environment.get("ALERT_WEBHOOK_URL"):
        lines.append(f"    webhook_configs: {json.dumps([{'url': url, 'send_resolved': True}])}")
    if to := environment.get("ALERT_MAIL_TO"):
        mail = {
            "to": to,
            "from": environment.get("ALERT_MAIL_FROM", ""),
            "smarthost": environment.get("ALERT_SMTP_HOST", ""),
            "send_resolved": True,
        }
        if missing := [name for name in ("from", "smarthost") if not mail[name]]:
            raise SystemExit(f"ALERT_MAIL_TO is set, and for {' and '.join(missing)} there is no setting")
        if user := environment.get("ALERT_SMTP_USER"):
            mail |= {"auth_username": user, "auth_password_file": "/run/secrets/smtp_password"}
        lines.append(f"    email_configs: {json.dumps([mail])}")
    return "\n".join(lines) + "\n"


def main(out: Path, given: Path, keys_file: Path, alertmanager: Path) -> None:
    """Prepare everything below `out`."""
    prepare_database(given, out)
    secret("grafana_admin_password", given, out / "grafana" / "grafana_admin_password")
    secret("webhook_secret", given, out / "api" / "detector_webhook_secret", webhook_secret)
    prepare_keys(keys_file, out)
    base = alertmanager.read_text(encoding="utf-8")
    write(out / "alertmanager" / "alertmanager.yml", alert_config(base, os.environ))
    if (given / "smtp_password").is_file():
        secret("smtp_password", given, out / "alertmanager" / "smtp_password")
    sys.stdout.write("secrets, keys and alert routes are in place\n")


if __name__ == "__main__":
    main(
        Path("/secrets"),
        Path("/run/secrets"),
        Path("/app/var/keys.json"),
        Path("/etc/alertmanager/alertmanager.yml"),
    )
