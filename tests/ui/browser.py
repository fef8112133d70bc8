"""A real Chromium without a window, driven by Selenium: opens the page, waits for it, reads its console."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

PATIENCE_S = 120.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


def programs() -> tuple[str, str]:
    """Where Chromium and its driver are; the test is skipped where they are not installed."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    return chromium, driver


@contextmanager
def browsing(size: tuple[int, int] = (1280, 900), scale: float = 1.0) -> Iterator[Browser]:
    """Run a browser with a profile of its own while a block runs."""
    chromium, driver = programs()
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with TemporaryDirectory(prefix="chromium-") as profile:
        downloads = Path(profile) / "downloads"
        downloads.mkdir()
        for flag in (*_FLAGS, f"--force-device-scale-factor={scale}", f"--user-data-dir={profile}/data"):
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        chrome = webdriver.Chrome(options=options, service=Service(driver))
        try:
            chrome.set_window_size(*size)
            yield Browser(chrome, downloads)
        finally:
            chrome.quit()


class Browser:
    """One window, with words for what a person does."""

    def __init__(self, chrome: webdriver.Chrome, downloads: Path) -> None:
        self.chrome = chrome
        self.downloads = downloads

    def open(self, url: str) -> float:
        """Go to an address and wait until its page is usable; returns the seconds that it took."""
        began = time.monotonic()
        self.chrome.get(url)
        self.rest()
        return time.monotonic() - began

    def rest(self) -> None:
        """Wait until the page is connected, its script has run to its end and its title is there."""
        self.until("the page rests", lambda: self._script(_RESTS))

    def until_at(self, name: str) -> None:
        """Wait until this is the last part of the address."""
        self.until(f"the address of {name!r}", lambda: self.chrome.current_url.rsplit("/", 1)[-1] == name)

    def leave(self) -> list[str]:
        """Go to an empty page; returns what the console called an error until then."""
        found = self.severe()
        self.chrome.get("about:blank")
        self.severe()  # requests that were cut short by leaving
        return found

    def text(self) -> str:
        """All words that a person sees."""
        return str(self._script("return document.body.innerText"))

    def see(self, words: str) -> None:
        """Wait until the page shows these words."""
        self.until(f"the page shows {words!r}", lambda: words in self.text())

    def click(self, words: str, kind: str = "button") -> None:
        """Press the button that says exactly this, once it can be pressed."""
        path = f"//{kind}[not(@disabled)][normalize-space(.)={words!r} or .//p[normalize-space(.)={words!r}]]"
        self._act(f"a {kind} {words!r}", path, lambda element: element.click())

    def fill(self, label: str, words: str) -> None:
        """Type into the field of this label and leave it."""
        path = f"//input[@aria-label={label!r}]"
        self._act(f"a field {label!r}", path, lambda element: element.send_keys(words, Keys.TAB))

    def upload(self, files: Sequence[Path]) -> None:
        """Give files to the page's first field for files."""
        names = "\n".join(str(file) for file in files)
        self._act("a field for files", "//input[@type='file']", lambda element: element.send_keys(names))

    def press(self, key: str) -> None:
        """Press a key with nothing in focus."""
        self._script("document.activeElement.blur()")
        self._act("the page", "//body", lambda element: element.send_keys(key))

    def severe(self) -> list[str]:
        """What the console calls an error since it was last asked."""
        found: list[dict[str, Any]] = self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in found if entry["level"] == "SEVERE"]

    def foreign(self) -> list[str]:
        """Addresses of other servers that the page loaded something from."""
        script = "return performance.getEntriesByType('resource').map(entry => entry.name)"
        names: list[str] = self._script(script)
        own = str(self._script("return location.origin"))
        return [name for name in names if not name.startswith((own, "data:", "blob:"))]

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self._script(script))

    def shot(self, path: Path, *, height: int | None = None) -> None:
        """Take a picture of the window, made so high before."""
        if height is not None:
            width = self.chrome.get_window_size()["width"]
            self.chrome.set_window_size(width, height)
            self.rest()
        time.sleep(0.6)  # what fades in has no event for its end
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.chrome.save_screenshot(str(path))

    def narrow(self, width: int, height: int = 844) -> None:
        """Make the page as narrow as a phone's, which a window without a screen cannot be."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def until(self, what: str, check: Callable[[], Any]) -> Any:
        """Poll until `check` returns something true, and return it."""
        give_up = time.monotonic() + PATIENCE_S
        while not (found := check()):
            assert time.monotonic() < give_up, f"{what}; the page shows:\n{self.text()[:2000]}"
            time.sleep(0.05)
        return found

    def _act(self, what: str, path: str, action: Callable[[WebElement], None]) -> None:
        def acted() -> bool:
            try:
                for element in self.chrome.find_elements(By.XPATH, path):
                    action(element)
                    return True
            except StaleElementReferenceException:
                return False  # it was drawn anew in this very moment
            return False

        self.until(f"there is {what}", acted)

    def _script(self, code: str) -> Any:
        return self.chrome.execute_script(code)


_RESTS = """
const app = document.querySelector('[data-testid="stApp"]');
return Boolean(app) && app.dataset.testScriptState === 'notRunning'
  && app.dataset.testConnectionState === 'CONNECTED'
  && Boolean(document.querySelector('h1'))
  && !document.querySelector('[data-stale="true"]') && !document.querySelector('[data-testid="stSkeleton"]');
"""
