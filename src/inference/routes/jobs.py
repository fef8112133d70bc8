"""`POST /predict/jobs`: a batch whose caller does not wait; it asks later, or is told by a signed webhook."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from src.inference.ask import Ask, IdempotencyKey, PolicyQuery
from src.inference.deps import ServiceDep
from src.inference.job_reply import JobReply, describe
from src.inference.judging import judge_all
from src.inference.request_id import request_id_of
from src.inference.routes.predict import FORM_PROBLEMS, PHOTO, POLICY, SHARED_PROBLEMS
from src.inference.routes.predictions import AWAY, store_of
from src.inference.schemas import problems
from src.inference.upload import read_upload
from src.store.job_records import Job
from src.store.records import ID_PATTERN, now
from src.utils.errors import NotFoundError

router = APIRouter(tags=["predict"])

_GONE = ("not_found", "no job is kept under this id")
_INVALID = ("invalid_request", "path.job_id: String should match pattern '^[0-9a-f]{32}$'")
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": PHOTO, "minItems": 1},
                        "callback_url": {
                            "type": "string",
                            "description": "Told when the job has ended; on a host that the service allows.",
                        },
                        "policy": POLICY,
                    },
                }
            }
        },
    }
}


@router.post(
    "/predict/jobs",
    status_code=202,
    openapi_extra=_BODY,
    responses={
        202: {"headers": {"Location": {"description": "Where to ask.", "schema": {"type": "string"}}}},
        **problems(
            *FORM_PROBLEMS,
            *SHARED_PROBLEMS,
            AWAY,
            ("too_many_files", "the form holds more than 32 photos"),
            ("webhooks_disabled", "this service calls nobody; ask for the job instead"),
            ("url_not_allowed", "this host is not on the list of allowed hosts"),
        ),
    },
    response_model_exclude_none=True,
)
async def begin_job(
    request: Request,
    response: Response,
    service: ServiceDep,
    policy: PolicyQuery = None,
    idempotency_key: IdempotencyKey = None,
) -> JobReply:
    """Take photos now and judge them later; the reply's `id` is what to ask for."""
    predictor, settings, jobs = service.predictor, service.settings, service.jobs
    store = store_of(request)
    jobs.check_room()
    with ExitStack() as stack:
        upload = await read_upload(
            request,
            max_bytes=settings.max_bytes,
            timeout_s=settings.upload_timeout_s,
            max_files=settings.max_batch_files,
            max_total=settings.max_batch_bytes,
            lease=stack.enter_context(service.budget.lease()),
            arrivals=service.arrivals,
        )
        photos = upload.photos("files")
        callback = upload.fields.get("callback_url") or None
        if callback is not None:
            jobs.check_callback(callback)
        wanted = policy or upload.fields.get("policy") or None
        service.scorer.detector.card.policy(wanted)  # a policy that nobody knows is the whole job's error
        await service.access.charge(request.scope, len(photos) - 1)
        owner = request.scope["state"].get("api_key_id")
        ask = Ask(
            policy=wanted,
            request_id=request_id_of(request.scope),
            api_key_id=owner,
            idempotency_key=idempotency_key,
        )
        job = Job(
            owner=owner or "",
            ends_at=now() + timedelta(seconds=jobs.longest_s),
            photos=len(photos),
            callback_url=callback,
            delivery="none" if callback is None else "waiting",
        )
        items = judge_all(predictor, photos, ask, settings)
        await jobs.begin(job, items, stack.pop_all(), store)
    response.headers["Location"] = f"{request.url.path}/{job.id}"
    return await describe(job, store)


@router.get(
    "/predict/jobs/{job_id}", responses=problems(_GONE, _INVALID, AWAY), response_model_exclude_none=True
)
async def read_job(
    request: Request,
    job_id: Annotated[str, Path(pattern=ID_PATTERN, description="`id` of the reply that took the job.")],
) -> JobReply:
    """Return a job, with all verdicts and errors once it has ended; kept for seven days."""
    store = store_of(request)
    job = await store.jobs.find(job_id)
    if job is None or not _may_read(request, job):
        # Whether there is such a job of somebody else's is not for this caller to know.
        raise NotFoundError(_GONE[1])
    return await describe(job, store)


def _may_read(request: Request, job: Job) -> bool:
    state: dict[str, Any] = request.scope.get("state", {})
    caller = state.get("api_key_id")
    # Without keys there is nobody to keep apart.
    return caller is None or caller == job.owner or bool({"review", "admin"} & state.get("scopes", set()))
