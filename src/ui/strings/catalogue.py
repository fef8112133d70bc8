"""Words of the catalogue page."""

from __future__ import annotations

CATALOGUE_TITLE = "Scan a catalogue"
CATALOGUE_LEAD = "Many photos at once: files, a folder, a ZIP archive, or a CSV table of addresses."
SOURCES = {"files": "Files", "folder": "Folder", "zip": "ZIP", "csv": "CSV of addresses"}
SOURCE = "Where the photos are"
SOURCE_UPLOADS = {
    "files": "Photos of the catalogue",
    "folder": "Folder of photos",
    "zip": "ZIP archive of photos",
    "csv": "CSV with a column of addresses",
}
CSV_OFF = (
    "This service fetches no photos by their address; whoever runs it can allow hosts with "
    "`DETECTOR_URL_HOSTS`."
)
SCAN = "Scan"
SCAN_AGAIN = "New scan"
STOP = "Stop"
PROGRESS = "{done} of {total} photos · {errors} without a verdict"
SCAN_DONE = "{done} photos in {seconds} s."
SCAN_STOPPED = "Stopped after {done} photos."
SCAN_BROKEN = "The scan ended early: {reason}"
COUNTS = {
    "all": "All",
    "ai_generated": "AI-generated",
    "real": "Real",
    "review": "Needs review",
    "error": "No verdict",
}
SHOW = "Show"
SEARCH = "Name contains"
SORT = "Sort by"
SORTS = {
    "probability": "Most likely AI first",
    "doubt": "Most doubtful first",
    "name": "Name",
    "order": "As uploaded",
}
TABLE = {
    "photo": "Photo",
    "name": "Name",
    "verdict": "Verdict",
    "probability": "AI probability",
    "needs_review": "Review",
    "says": "File says",
    "error": "Why no verdict",
    "id": "Prediction",
}
TABLE_EMPTY = "No photo fits these filters."
EXPORT_CSV = "CSV"
EXPORT_PARQUET = "Parquet"
