"""A headless Chromium for tests and pictures; nothing it does leaves this machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

BINARIES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-quic",
)


def missing() -> str | None:
    """Why no browser can be driven here; None if one can."""
    if not any(map(shutil.which, BINARIES)) or not shutil.which("chromedriver"):
        return "no Chromium with chromedriver here"
    return None


@contextmanager
def browser(width: int = 1280, height: int = 900, *flags: str) -> Iterator["Chrome"]:
    """A window of that size in pixels; `flags` go to Chromium, as in `--force-dark-mode`."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, BINARIES)))
    # Console messages are kept, so that a test can ask for errors.
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with TemporaryDirectory(prefix="browser-") as profile:
        for flag in (*QUIET, f"--window-size={width},{height}", f"--user-data-dir={profile}", *flags):
            options.add_argument(flag)
        driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            driver.set_page_load_timeout(120)
            yield driver
        finally:
            driver.quit()


def errors_of(driver: "Chrome") -> list[str]:
    """What the page complained about in its console since the last call."""
    log = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in log if entry["level"] == "SEVERE"]


def picture(driver: "Chrome", target: Path) -> None:
    """A screenshot of what the window shows."""
    assert driver.save_screenshot(str(target))
