"""What `streamlit run src/ui/app.py` runs: every look of a person at a page, from the top."""

import sys
from pathlib import Path

# Streamlit puts this file's folder on the path, and not the one that holds `src`.
_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from src.ui.shell import run  # noqa: E402 - the path comes first

run()
