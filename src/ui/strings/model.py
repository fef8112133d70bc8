"""Words of the page about the model."""

from __future__ import annotations

MODEL_TITLE = "The model in service"
MODEL_LEAD = "What it is, how it decides, and how often it is wrong on shops that it never saw."
CARD = {
    "name": "Name",
    "version": "Version",
    "architecture": "Network",
    "created": "Made",
    "git_commit": "Commit",
    "data_hash": "Training data",
}
POLICY_TABLE = "Policies"
POLICY_COLUMNS = {
    "policy": "Policy",
    "threshold": "Called AI from",
    "band": "Review band",
    "specificity": "Honest photos called real",
    "recall": "Fakes found",
    "review": "Sent to review",
}
NO_REPORT = (
    "No report of this model lies beside it, so there are no figures to show. The next release brings one."
)
NO_POLICIES = "The card of this model has no policies that this page can read."
DATASETS = {
    "unseen": "Shops never seen",
    "test": "Known shops, new photos",
    "heldout": "Generators never seen",
}
DATASET = "Measured on"
TIERS = {"clean": "As uploaded", "web": "Web copy (768 px, JPEG 60)", "hard": "Poor copy (384 px, JPEG 40)"}
TIER = "Photo quality"
FIGURES = {
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "f1": "F1",
    "auroc": "AUROC",
    "ece": "Calibration error",
}
FIGURE_TABLE = "Figures by policy"
FIGURE_NOTE = "{photos} photos, of these {fakes} AI-generated. In brackets: 95 % intervals over shops."
EXPLORER = "Threshold explorer"
EXPLORER_LEAD = "Move the threshold and see what it costs and brings. This changes nothing in the service."
EXPLORER_NOTE = (
    "One threshold for all shops. The figures by policy differ a little, as there each shop is judged by a "
    "threshold that was fitted on other shops."
)
THRESHOLD = "Call a picture AI-generated from a probability of"
FALSE_ALARMS = "Honest photos called AI-generated"
FOUND = "AI-generated pictures found"
PER_THOUSAND = (
    "Of 1,000 honest photos, {false} would be accused; of 1,000 AI-generated ones, {missed} would pass."
)
CURVE_X = "Threshold"
CURVE_Y = "Share of photos"
ROC = "Found against falsely accused"
RELIABILITY = "Are the probabilities true?"
RELIABILITY_X = "Probability said"
RELIABILITY_Y = "Share that was AI-generated"
HISTOGRAM = "Where photos land"
HISTOGRAM_Y = "Photos"
