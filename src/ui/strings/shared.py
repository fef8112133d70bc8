"""Words that every page shows: navigation, names of labels and policies, errors and what to do about them."""

from __future__ import annotations

APP = "Product Photo Detector"
PAGES = {
    "inspect": "Inspect",
    "review": "Review queue",
    "catalogue": "Catalogue",
    "monitoring": "Monitoring",
    "model": "Model",
}
FOOTER = "{state} · {model} · {url}"
FOOTER_STATES = {
    "ok": "Service ready",
    "starting": "Service starting",
    "failed": "Service without a usable model",
    "draining": "Service going down",
    "stopping": "Service going down",
}
FOOTER_DOWN = "Service not reached"
NO_MODEL = "no model"

LABELS = {"ai_generated": "AI-generated", "real": "real"}
POLICIES = {
    "balanced": "Balanced",
    "low_false_positive": "Few false alarms",
    "high_recall": "Find most fakes",
}
POLICY_WORDS = {
    "balanced": "Weighs a real photo that is accused and a fake that passes alike.",
    "low_false_positive": "Seldom accuses a real photo, and lets more fakes pass.",
    "high_recall": "Lets few fakes pass, and accuses many real photos.",
}
POLICY = "Policy"
POLICY_HELP = "How sure the detector must be before it calls a photo AI-generated."
NONE = "–"


RETRY = "Try again"
REQUEST_ID = "Request {id} – quote it when you report this."
ERRORS = {
    "unreachable": "The service at {url} does not answer.",
    "unauthenticated": "The service wants an API key, and this page has none.",
    "wrong_key": "The service does not know this API key.",
    "forbidden": "This API key is not allowed to do that.",
    "keys_required": "The service does this only for callers with an API key.",
    "rate_limited": "Too many requests with this key{wait}.",
    "overloaded": "The service is busy with other photos{wait}.",
    "model_not_ready": "The service is up, but its model is not ready yet{wait}.",
    "store_unavailable": "The service cannot reach its store now, so nothing can be read or kept{wait}.",
    "shutting_down": "The service is restarting{wait}.",
    "deadline_exceeded": "The service took too long over this photo{wait}.",
    "file_too_large": "The file is too large for the service.",
    "body_too_large": "The file is too large for the service.",
    "too_many_pixels": "The picture has more pixels than the service takes.",
    "side_too_long": "A side of the picture is longer than the service takes.",
    "too_elongated": "The picture is a strip: too long for its width.",
    "too_many_frames": "The animation has more frames than the service takes.",
    "image_too_small": "The picture is too small to say anything about it.",
    "empty_file": "The file is empty.",
    "unsupported_format": "This is no picture, or of a format that is not read.",
    "corrupt_image": "The picture is damaged or cut short.",
    "unknown_policy": "The model in service does not know this policy.",
    "not_found": "The service keeps no such prediction.",
    "photo_not_kept": "The photo was not kept.",
    "url_disabled": "This service fetches no photos by their address.",
    "url_not_allowed": "This address is not on a host that the service may fetch from.",
    "url_unreachable": "The photo could not be fetched from its address.",
    "unexpected_reply": "Something answers at {url}, but it is not the detector's service.",
    "unreadable_file": "The file cannot be read.",
    "internal_error": "The service met an error of its own.",
    "other": "The service refused: {detail}",
}
WAIT = "; try again in {seconds} s"
ADVICE = {
    "unreachable": "Start it with `make serve`, or ask whoever runs it.",
    "unauthenticated": "Ask whoever runs the service for a key, and type it in below.",
    "wrong_key": "It may have been revoked or mistyped. Type in another one below.",
    "forbidden": "Ask for a key with the right scope: `predict` to judge, `review` for the queue.",
    "keys_required": "Type a key in below.",
    "unexpected_reply": "Check the setting `DETECTOR_UI_API_URL`.",
}
KEY_INPUT = "API key"
KEY_USE = "Use this key"
KEY_HINT = "It is kept for this browser session alone."
NOT_STORED = "The service could not keep this verdict: feedback on it is not possible."
FILE_LEFT_OUT = {
    "zip_damaged": "This is no ZIP archive, or a damaged one.",
    "zip_encrypted": "The file is protected by a password.",
    "zip_damaged_file": "The file is damaged inside the archive.",
    "zip_method": "The file is packed by a method that is not read.",
    "zip_file_too_large": "The file unpacks to more than {limit} – too large for a photo.",
    "zip_too_large": "Left out: the archive unpacks to more than {limit}.",
    "too_many": "Left out: a catalogue holds at most {limit} photos.",
    "csv_unreadable": "This is no CSV table in UTF-8.",
    "csv_no_address": "No column holds addresses that begin with http:// or https://.",
}
