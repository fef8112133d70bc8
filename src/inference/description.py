"""The API's own description (OpenAPI): its text, the key that each call needs, what the gate may answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from src.inference.access.rules import need_of
from src.inference.schemas import problems

TEXT = """Tells real product photos from AI-generated ones.

Every error is `application/problem+json` with a stable `code` and the `request_id`. Where API keys are in
use, send yours as `Authorization: Bearer ...` or `X-API-Key`; each call says which scope it needs."""

_GATE = problems(
    ("unauthenticated", "send your API key as `Authorization: Bearer ...`"),
    ("forbidden", "this key lacks the scope 'review'"),
    ("keys_required", "this service has no API keys and is closed to other machines"),
    ("rate_limited", "more than 600 requests in 60 s"),
)
_BODY = problems(
    ("upload_timeout", "the body did not arrive within 30 s"),
    ("body_too_large", "the body is larger than 65536 bytes"),
    ("shutting_down", "the service is going down; send the photo again"),
)
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def install(app: FastAPI) -> None:
    """Let the app describe itself with what its middleware does, which FastAPI cannot know."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            document["components"]["securitySchemes"] = _SCHEMES
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _add_gate(operation, method.upper(), path)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _add_gate(operation: dict[str, Any], method: str, path: str) -> None:
    need = need_of(method, path)
    if need == "nothing":
        return
    operation["security"] = [{name: []} for name in _SCHEMES]
    scope = "any scope" if need == "any" else f"the scope `{need}`"
    operation["description"] = f"{operation.get('description', '')}\n\nNeeds a key with {scope}.".strip()
    _merge(operation["responses"], _GATE)
    if "requestBody" in operation:
        _merge(operation["responses"], _BODY)


def _merge(responses: dict[str, Any], more: dict[int | str, dict[str, Any]]) -> None:
    for status, entry in more.items():
        described: dict[str, Any] = {
            "description": "Problem",
            "content": {
                kind: {"schema": {"$ref": "#/components/schemas/Problem"}, **content}
                for kind, content in entry["content"].items()
            },
        }
        known = responses.setdefault(str(status), described)
        for kind, content in described["content"].items():
            examples = known["content"].setdefault(kind, content).setdefault("examples", {})
            for code, example in content["examples"].items():
                examples.setdefault(code, example)
