"""Words of the review queue."""

from __future__ import annotations

REVIEW_TITLE = "Review queue"
REVIEW_LEAD = (
    "Photos that the detector is not sure about, or whose file contradicts the pixels. Newest day "
    "first, most doubtful first."
)
REVIEW_EMPTY = "Nothing waits for a person."
REVIEW_EMPTY_HINT = "Verdicts close to the threshold come here by themselves."
REVIEW_END = "That was the last one. Look again for new ones."
REVIEW_POSITION = "{position} of {loaded}{more}"
REVIEW_MORE = "+"
REVIEW_NEXT = "Next"
REVIEW_BACK = "Back"
REVIEW_RELOAD = "Look again"
REVIEW_NO_PHOTO = (
    "The photo itself was not kept. `DETECTOR_STORE_IMAGES` makes the service keep photos that wait "
    "for review."
)
REVIEW_REASONS = (
    "visible artefacts",
    "lettering or logo wrong",
    "seller sent the original",
    "known catalogue render",
    "metadata",
)
REVIEW_REASON_PICK = "Reason"
REVIEW_DONE = "Done in this session"
REVIEW_SET_ASIDE = "Set aside: nothing was kept, and it stays in the queue for somebody else."
REVIEW_COLUMNS = {
    "when": "When",
    "who": "Who",
    "said": "Said",
    "detector": "Detector",
    "reason": "Reason",
    "id": "Prediction",
}
REVIEW_EARLIER = "Said before"
