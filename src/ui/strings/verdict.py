"""Words of a verdict and of what a file says of itself."""

from __future__ import annotations

VERDICTS = {
    "ai_sure": "Looks AI-generated",
    "ai_unsure": "May be AI-generated",
    "real_sure": "Looks like a real photo",
    "real_unsure": "May be a real photo",
}
REVIEW_FLAG = "A person should look"
SENTENCE = (
    "The detector gives this picture a {chance} chance of being AI-generated. Under “{policy}”, "
    "pictures from {threshold} on are called so."
)
UNSURE_SENTENCE = (
    "It is close to the line: verdicts like this one are often wrong, so a person should decide."
)
MEANS = "What it means"
MEANS_NOT = "What it does not mean"
MEANING = {
    "ai_sure": (
        "The pixels look more like pictures that a model drew than like photographs. Ask the seller "
        "for another photo, or look for what the heatmap points to."
    ),
    "ai_unsure": "There are signs of a drawn picture, but not enough to act upon alone.",
    "real_sure": "The pixels look like a photograph, or like a picture that no image model drew.",
    "real_unsure": "It looks rather like a photograph, but signs of a drawn picture are there too.",
}
NOT_MEANING = {
    "ai_sure": (
        "It is the detector's opinion, never proof. Studio shots and catalogue renders are mistaken "
        "most often."
    ),
    "ai_unsure": "It is no finding against the seller. Nobody should be refused by this verdict alone.",
    "real_sure": (
        "It does not show that the seller owns the thing, nor that the picture was not edited or "
        "taken from elsewhere."
    ),
    "real_unsure": "It does not clear the picture: some fakes land here.",
}
KNOWN_ERROR = (
    "On shops it had never seen, this policy called {share} of honest photos AI-generated, and found "
    "{recall} of AI-generated pictures."
)
BAR_LABEL = "Probability of AI-generated: {chance}. Threshold of the policy: {threshold}."
BAR_REAL = "real"
BAR_FAKE = "AI-generated"
BAR_THRESHOLD = "threshold {threshold}"

BASIS_TITLE = "What the file says of itself"
BASIS = {
    "pixels": "The verdict rests on the pixels alone.",
    "provenance": (
        "A signed statement in the file says that it was made by a model; this decides, whatever the "
        "pixels look like."
    ),
    "pixels_and_provenance": "Pixels and file agree: the file itself says that a model had a hand in it.",
    "pixels_against_provenance": (
        "Pixels and file disagree: the file says that a model had a hand in it, the pixels look "
        "real. A person should look."
    ),
}
NO_SIGNALS = (
    "The file says nothing of its origin. That is usual – sites strip such notes on upload – and "
    "proves nothing."
)
SIGNALS = {
    "c2pa": "Signed manifest (C2PA)",
    "digital_source_type": "Declared source (IPTC)",
    "generator_parameters": "Parameters of an image generator",
    "camera_exif": "Camera data (EXIF)",
    "software": "Name of a program",
}
SAYS = {
    "ai_generated": "says AI-generated",
    "ai_edited": "says edited by AI",
    "camera": "says camera",
    "unknown": "says nothing certain",
}
STRENGTHS = {"conclusive": "conclusive", "strong": "strong", "weak": "weak"}
STRENGTH_HELP = {
    "conclusive": "Signed by somebody trusted, and bound to these very pixels.",
    "strong": "Nobody writes it by accident, but anybody can write it.",
    "weak": "Easily wrong, forged or left over from before an edit.",
}
