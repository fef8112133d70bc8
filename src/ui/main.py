"""What runs at every look of a person at a page, from the top."""

from src.ui.shell import run

run()
