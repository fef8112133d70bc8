"""What `streamlit run src/ui/app.py` serves: the page, loaded before the first visitor comes."""

import sys
from pathlib import Path

from streamlit import App

# Streamlit puts this file's folder on the path, and not the one that holds `src`.
_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from src.ui.web import middleware, routes  # noqa: E402 - the path comes first

app = App(Path(__file__).with_name("main.py"), routes=routes(), middleware=middleware())
