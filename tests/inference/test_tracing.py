"""Traces: a span for a request and its stages, the trace in log lines, a collector; nothing when off."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from src.inference.api import create_app
from src.monitoring.otel import OtelTracing
from src.monitoring.spans import Tracing
from src.monitoring.tracing import make_tracing
from src.utils.errors import ConfigError
from src.utils.settings import Settings
from tests.inference.test_api import RED
from tests.support.service import quiet_settings, serving

REPO = Path(__file__).parents[2]
STAGES = {"queue", "decode", "views", "inference", "provenance", "store"}
Call = Callable[[httpx.AsyncClient], Awaitable[None]]


@pytest.fixture
def settings(model_path: Path, tmp_path: Path) -> Settings:
    return quiet_settings(
        model_path, store_url=f"sqlite:///{tmp_path}/kept.db", spool_dir=tmp_path / "spool", log_level="info"
    )


def traced(settings: Settings, call: Call) -> list[ReadableSpan]:
    """Run calls against an app that traces into memory; returns the finished spans."""
    memory = InMemorySpanExporter()

    async def run(app: FastAPI) -> None:
        app.state.service.tracing = OtelTracing(SimpleSpanProcessor(memory), "1.2.3")
        async with asyncio.timeout(120), serving(app) as client:
            await call(client)

    asyncio.run(run(create_app(settings)))
    return list(memory.get_finished_spans())


async def predict(client: httpx.AsyncClient, **options: Any) -> httpx.Response:
    return await client.post("/v1/predict", files={"file": ("a.png", RED)}, **options)


def test_a_request_and_its_stages_are_one_trace(settings: Settings) -> None:
    async def call(client: httpx.AsyncClient) -> None:
        assert (await predict(client)).status_code == 200

    *stages, request = traced(settings, call)
    assert request.name == "POST /predict"
    assert request.kind.name == "SERVER"
    assert request.attributes is not None
    assert request.attributes["http.route"] == "/predict"
    assert request.attributes["http.response.status_code"] == 200
    assert len(str(request.attributes["detector.request_id"])) == 32
    assert request.resource.attributes["service.version"] == "1.2.3"
    assert {span.name for span in stages} == STAGES
    assert request.start_time is not None
    assert request.end_time is not None
    for span in stages:
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
        assert span.context.trace_id == request.context.trace_id
        assert span.start_time is not None
        assert span.end_time is not None
        # The clock of spans and the one of durations differ by less than this.
        assert request.start_time - 50_000_000 <= span.start_time <= span.end_time <= request.end_time


def test_a_caller_s_trace_goes_on(settings: Settings) -> None:
    trace_id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

    async def call(client: httpx.AsyncClient) -> None:
        await predict(client, headers={"traceparent": f"00-{trace_id}-{parent}-01"})
        await predict(client, headers={"traceparent": "nonsense"})

    requests = [span for span in traced(settings, call) if span.kind.name == "SERVER"]
    assert f"{requests[0].context.trace_id:032x}" == trace_id
    assert requests[0].parent is not None
    assert f"{requests[0].parent.span_id:016x}" == parent
    assert requests[1].parent is None


def test_two_requests_at_once_keep_their_stages_apart(settings: Settings) -> None:
    async def call(client: httpx.AsyncClient) -> None:
        await asyncio.gather(*(predict(client) for _ in range(4)))

    spans = traced(settings.model_copy(update={"cache_entries": 0}), call)
    by_trace: dict[int, list[str]] = {}
    for span in spans:
        by_trace.setdefault(span.context.trace_id, []).append(span.name)
    assert [sorted(names) for names in by_trace.values()] == [sorted({"POST /predict", *STAGES})] * 4


def test_refusals_are_traced_and_only_our_faults_are_errors(settings: Settings) -> None:
    async def call(client: httpx.AsyncClient) -> None:
        await client.post("/predict", content=b"x")
        await client.get("/a/path/of/the/client's")
        await client.request("BREW", "/predict")
        await client.get("/livez")

    spans = traced(settings, call)
    assert [span.name for span in spans] == ["POST /predict", "GET", "other /predict"]
    assert {span.status.status_code.name for span in spans} == {"UNSET"}
    assert not any("client's" in str(dict(span.attributes or {})) for span in spans)


def test_our_own_fault_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def call(client: httpx.AsyncClient) -> None:
        from src.inference.predictor import Predictor

        async def fail(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(Predictor, "predict", fail)
        assert (await predict(client)).status_code == 500

    (span,) = traced(settings, call)
    assert (span.name, span.status.status_code.name) == ("POST /predict", "ERROR")


def test_log_lines_carry_the_trace(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    async def call(client: httpx.AsyncClient) -> None:
        await predict(client)

    spans = traced(settings, call)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"request"' in line]
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["trace_id"] == f"{spans[-1].context.trace_id:032x}"
    assert line["span_id"] == f"{spans[-1].context.span_id:016x}"


def test_stages_outside_a_request_belong_to_nothing() -> None:
    memory = InMemorySpanExporter()
    tracing = OtelTracing(SimpleSpanProcessor(memory), "1")
    tracing.stage("store", 0.1)
    tracing.judged(0.1, {"decode": 1.0})
    assert memory.get_finished_spans() == ()


def test_a_real_collector_gets_the_spans_before_the_service_ends(settings: Settings) -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    async def run(app: FastAPI) -> None:
        async with asyncio.timeout(120), serving(app) as client:
            assert (await predict(client)).status_code == 200

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            asyncio.run(run(create_app(settings.model_copy(update={"otlp_endpoint": endpoint}))))
        finally:
            server.shutdown()
            thread.join(20)
    names: list[str] = []
    for path, body in got:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            facts = {item.key: item.value.string_value for item in resource.resource.attributes}
            assert facts["service.name"] == "product-photo-detector"
            names += [span.name for scope in resource.scope_spans for span in scope.spans]
    assert sorted(names) == sorted({"POST /predict", *STAGES})


def test_off_by_default_and_then_not_even_loaded() -> None:
    assert type(make_tracing(Settings(), "1")) is Tracing
    # FastAPI itself loads the interface; what records and sends is the SDK.
    code = "import sys, src.inference.api; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "False"


def test_an_endpoint_without_the_library_is_a_setting_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "src.monitoring.otel", raising=False)
    with pytest.raises(ConfigError, match="extra `tracing`"):
        make_tracing(Settings(otlp_endpoint="http://127.0.0.1:4318"), "1")
