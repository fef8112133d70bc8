"""The way in, the page of the API's description, and the list of codes that people read."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path

import httpx
import pytest

from src.inference.api import create_app
from src.inference.problem import STATUS
from tests.support.service import Client, quiet_settings

REPO = Path(__file__).parents[2]
LINK = re.compile(r'(?:href|src)="([^"]+)"')


def test_the_root_leads_on(client: Client) -> None:
    body = client.get("/").json()
    assert body["name"] == "AI product photo detector"
    for name, path in body["links"].items():
        assert client.get(path).status_code == (405 if name == "predict" else 200), path


def test_links_keep_the_prefix_under_which_a_proxy_offers_the_service(model_path: Path) -> None:
    async def scenario() -> dict[str, str]:
        transport = httpx.ASGITransport(create_app(quiet_settings(model_path)), root_path="/api")
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            links: dict[str, str] = (await client.get("/api/")).json()["links"]
            assert (await client.get(links["openapi"])).status_code == 200
            return links

    assert asyncio.run(scenario())["docs"] == "/api/docs"


def test_health_exists_under_the_version_too(client: Client) -> None:
    assert client.get("/v1/health").json()["status"] == "ok"
    assert client.get("/v1/livez").status_code == client.get("/v1/readyz").status_code == 200


def test_page_of_the_description_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    links = LINK.findall(page.text)
    assert len(links) == 4
    for link in links:
        assert "//" not in link
        found = client.get(f"/{link}")
        assert found.status_code == 200
        assert len(found.content) > 100
    assert "<script>" not in page.text, "the policy would not let it run"
    assert client.get("/docs/start.js").headers["content-type"].startswith("text/javascript")
    assert 'url: "openapi.json"' in client.get("/docs/start.js").text


@pytest.mark.parametrize("path", ["/docs/redoc.standalone.js", "/docs/..%2fcore.py", "/redoc"])
def test_nothing_else_of_the_package_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code in (404, 422)


def codes_in_source() -> set[str]:
    """Every code that an error of ours is given: `code = "..."` of a class, or the first word of a raise."""
    found = set()
    kinds = {"RequestError", "AccessError", "UrlError", "ImageError", "ImageTooLarge", "NotFoundError"}
    for path in [*(REPO / "src/inference").rglob("*.py"), REPO / "src/imaging/decode.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and re.fullmatch("[a-z_]+", str(first.value)):
                    found.add(str(first.value))
    return found


def table_of_codes() -> dict[str, int]:
    text = (REPO / "docs/API.md").read_text()
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", text, re.MULTILINE)
    return {code: int(status) for status, cell in rows for code in re.findall(r"`([a-z_]+)`", cell)}


def test_every_code_stands_in_the_table_that_people_read() -> None:
    assert table_of_codes() == STATUS


def test_every_code_that_is_raised_has_a_status() -> None:
    raised = codes_in_source()
    assert {"not_multipart", "unauthenticated", "url_disabled"} <= raised
    assert raised - set(STATUS) <= {"unreadable_file"}, "a service reads no files by name"
