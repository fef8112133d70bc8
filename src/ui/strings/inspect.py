"""Words of the page that judges single photos, and of the evidence sheet."""

from __future__ import annotations

INSPECT_TITLE = "Is this photo real?"
INSPECT_LEAD = (
    "Drop product photos. They are sent as they are; the detector says what it thinks of them, and why."
)
UPLOAD = "Photos"
UPLOAD_HELP = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC. For more than {most}, use the catalogue."
PASTE = "Or paste a photo (Ctrl+V), then Enter"
PASTE_OR_ADDRESS = "Or paste photo or address, then Enter"
PASTED_NAME = "pasted photo {number}"
CLEAR = "Clear pasted photos"
NO_ADDRESS = "Only addresses that begin with http:// or https:// can be fetched."
FETCHING = "Fetching the photo …"
TOO_MANY = "Only the first {most} photos are judged here; use the catalogue for more."
STABILITY = "Check how the verdict holds"
STABILITY_HELP = (
    "Judges the photo five times more, saved again as sites and messengers save it. Takes six times as long. "
    "A verdict that flips goes to the review queue."
)
PHOTO_CHOICE = "Photo"
WORKING = "Judging {name} …"
EXPLAINING = "Finding where the verdict comes from …"
HEATMAP = "Heatmap"
HEATMAP_HELP = "0 % shows the photo as it is, 100 % only where the detector sees signs of AI."
HEATMAP_CAPTION = (
    "Amber to red: where the picture alone would speak for “AI-generated”. A hint for the eye, no "
    "outline of a fake."
)
NO_PREVIEW = "No preview of this photo."
NO_HEATMAP = "The heatmap could not be drawn: {reason}"
FROM_ADDRESS = "The service fetched this photo itself, so there is no heatmap of it here."
FACTS = "Details"
FACT_NAMES = {
    "name": "File",
    "size": "Size",
    "sha256": "SHA-256",
    "id": "Prediction",
    "model_version": "Model",
    "policy": "Policy",
    "time": "Time taken",
    "created_at": "Judged",
}
FEEDBACK_TITLE = "What is it really?"
FEEDBACK_LEAD = (
    "Your answer is kept with the verdict, which stays as it is. Once a second person agrees, the next model "
    "may learn from it."
)
REVIEWER = "Your name"
REVIEWER_MISSING = "Say who you are first: feedback is kept with a name."
REASON = "Reason (optional)"
REASON_HINT = "e.g. seller sent the raw file; melted lettering on the label"
SAY_REAL = "Real"
SAY_FAKE = "AI-generated"
SAY_UNSURE = "Unsure"
FEEDBACK_KEPT = "Kept: {label}, said {reviewer} on {when}."
FEEDBACK_UNSURE = (
    "Nothing is kept: only “real” and “AI-generated” are. A photo that waits in the review queue stays there."
)
SHEET_JSON = "Evidence (JSON)"
SHEET_PDF = "Evidence (PDF)"
SHEET_TITLE = "Evidence sheet"
SHEET_CAVEAT = (
    "An opinion of a detector, never proof. It judges pixels; it knows nothing of seller, thing or sale."
)
SHEET_PHOTO = "The photo"
SHEET_HEATMAP = "Where the verdict comes from"
PAGE_NUMBER = "page {page}"
