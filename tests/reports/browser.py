"""A headless browser, where the machine has one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest


def start(profile: Path) -> Any:
    """Start Chromium, or skip with the reason.

    QUERYBUDGET_CHROMIUM and QUERYBUDGET_CHROMEDRIVER may name the programs.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser = os.environ.get("QUERYBUDGET_CHROMIUM") or _program("chromium", "chromium-browser", "google-chrome")
    driver = os.environ.get("QUERYBUDGET_CHROMEDRIVER") or _program("chromedriver")
    if not browser or not driver:
        pytest.skip("there is no Chromium with its chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars",
        f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    service = webdriver.ChromeService(driver)
    return webdriver.Chrome(options=options, service=service)


def _program(*names: str) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)
