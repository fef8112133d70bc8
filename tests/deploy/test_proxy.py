"""The TLS proxy's own file in a real nginx, before the real service."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deploy.servers import free_port, program, until
from tests.support.live import live
from tests.support.pictures import photo_bytes
from tests.support.service import no_keys, quiet_settings
from tests.support.tiny_model import write_tiny_model

TEMPLATE = Path(__file__).parents[2] / "deploy" / "nginx" / "detector.conf.template"
DOMAIN = "detector.test"


def make_certificate(folder: Path) -> None:
    """A certificate for both names, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    names = x509.SubjectAlternativeName([x509.DNSName(DOMAIN), x509.DNSName(f"api.{DOMAIN}")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls_certificate").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls_key").write_bytes(key.private_bytes(*plain))


def rendered(folder: Path, api: str, tls: int, plain: int, own: int) -> str:
    """The committed file with this machine's addresses, as a whole configuration."""
    text = TEMPLATE.read_text().replace("${DOMAIN}", DOMAIN)
    changes = {
        "/run/secrets/": f"{folder}/",
        "http://api:8000": api,
        "listen 443 ": f"listen 127.0.0.1:{tls} ",
        "listen 80 ": f"listen 127.0.0.1:{plain} ",
        "listen 127.0.0.1:8080": f"listen 127.0.0.1:{own}",
        "access_log /dev/stdout plain": f"access_log {folder}/access.log plain",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"user root; daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}"
    return f"{head} http {{ {temporary}\n{text}\n}}"


@dataclass
class Proxy:
    """A client of the proxy that takes its names for this machine's."""

    client: httpx.Client
    tls: int
    plain: int
    folder: Path

    def ask(self, method: str, host: str, path: str, **options: object) -> httpx.Response:
        url = f"https://127.0.0.1:{self.tls}{path}"
        headers = {"Host": host, **options.pop("headers", {})}  # type: ignore[dict-item]
        extensions = {"sni_hostname": host}
        return self.client.request(method, url, headers=headers, extensions=extensions, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    nginx, folder = program("nginx"), tmp_path_factory.mktemp("proxy")
    make_certificate(folder)
    (folder / "ui_users").write_text("ana:{PLAIN}open sesame\n")
    settings = quiet_settings(
        write_tiny_model(folder / "tiny.onnx"),
        keys_file=no_keys(folder),
        metrics_open=True,
        trusted_proxies="127.0.0.0/8",
        max_bytes=2**20,
    )
    tls, plain, own = free_port(), free_port(), free_port()
    with live(settings) as api:
        config = folder / "nginx.conf"
        config.write_text(rendered(folder, api, tls, plain, own))
        process = subprocess.Popen([nginx, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
        try:
            until("nginx listens", lambda: process.poll() is not None or _open(tls))
            assert process.poll() is None, (folder / "error.log").read_text()
            trust = ssl.create_default_context(cafile=str(folder / "tls_certificate"))
            with httpx.Client(verify=trust, timeout=30) as client:
                yield Proxy(client, tls, plain, folder)
        finally:
            process.terminate()
            process.wait(20)


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_photo_is_judged_through_tls(proxy: Proxy) -> None:
    reply = proxy.ask("POST", f"api.{DOMAIN}", "/predict", files={"file": photo_bytes(3)})
    assert reply.status_code == 200
    assert reply.json()["label"] in ("real", "ai_generated")


def test_a_photo_that_is_too_large_is_refused_by_the_service_and_not_by_the_proxy(proxy: Proxy) -> None:
    for _ in range(5):
        reply = proxy.ask("POST", f"api.{DOMAIN}", "/predict", files={"file": bytes(3 * 2**20)})
        assert (reply.status_code, reply.json()["code"]) == (413, "file_too_large")


def test_metrics_stay_inside(proxy: Proxy) -> None:
    assert proxy.ask("GET", f"api.{DOMAIN}", "/metrics").status_code == 404
    assert proxy.ask("GET", f"api.{DOMAIN}", "/readyz").status_code == 200


def test_a_caller_cannot_claim_to_be_this_machine(proxy: Proxy) -> None:
    claimed = {"X-Forwarded-For": "10.9.9.9"}
    proxy.ask("GET", f"api.{DOMAIN}", "/readyz", headers=claimed)
    log = (proxy.folder / "access.log").read_text()
    assert "127.0.0.1 [" in log
    assert "10.9.9.9" not in log


def test_plain_http_is_sent_to_tls(proxy: Proxy) -> None:
    reply = httpx.get(f"http://127.0.0.1:{proxy.plain}/docs?a=1", headers={"Host": f"api.{DOMAIN}"})
    assert (reply.status_code, reply.headers["Location"]) == (301, f"https://api.{DOMAIN}/docs?a=1")


def test_another_name_gets_nothing(proxy: Proxy) -> None:
    context = {"headers": {"Host": "somebody.else"}}
    reply = proxy.client.get(
        f"https://127.0.0.1:{proxy.tls}/", **context, extensions={"sni_hostname": DOMAIN}
    )
    assert reply.status_code == 421


def test_the_page_asks_who_is_there(proxy: Proxy) -> None:
    reply = proxy.ask("GET", DOMAIN, "/")
    assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (
        401,
        'Basic realm="AI product photo detector"',
    )
    assert "max-age" in reply.headers["Strict-Transport-Security"]


def test_no_query_is_logged(proxy: Proxy) -> None:
    proxy.ask("GET", f"api.{DOMAIN}", "/health?address=private")
    until("the call is logged", lambda: "/health" in (proxy.folder / "access.log").read_text())
    assert "private" not in (proxy.folder / "access.log").read_text()
