"""A report in headless Chromium: opened, looked at in any width and theme, its filters chosen, its keys pressed."""

import importlib.util
import os
import shutil
import time
from pathlib import Path

import pytest

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
HERE = bool(CHROMIUM and DRIVER and importlib.util.find_spec("selenium"))


def start_browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(120)  # axe, on a busy machine
    return driver


def go(browser, url):
    """Open a page and wait until its script has run: on a busy machine get() comes back before that."""
    browser.get(url)
    ready = (
        "const e = document.getElementById('explorer'); return document.readyState === 'complete' && !!e && !e.hidden"
    )
    end = time.monotonic() + 20
    while not browser.execute_script(ready):
        assert time.monotonic() < end, f"{url} did not come up"
        time.sleep(0.05)


def look(browser, width=1280, dark=False):
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def choose(page, field, value):
    """Set a filter and wait until the list has followed."""
    page.execute_script(
        "const e = document.getElementById('f-' + arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input', {bubbles: true}));",
        field,
        value,
    )
    time.sleep(0.25)


def count(page):
    return int(
        page.execute_script("return document.getElementById('count').textContent").split(" of ")[0].replace(",", "")
    )


def items(page):
    return page.execute_script("return [...document.querySelectorAll('#list [data-id]')].map(li => li.dataset.id)")


def press(page, key):
    page.switch_to.active_element.send_keys(key)


def focused(page):
    return page.execute_script("return document.activeElement.dataset.id || document.activeElement.id || ''")


def axe_source():
    if path := os.environ.get("ROADTRAIN_AXE"):
        return Path(path).read_text(encoding="utf-8")
    package = importlib.util.find_spec("axe_core_python")
    if package is None:
        pytest.skip("axe-core is not installed (pip install axe-core-python, or ROADTRAIN_AXE)")
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def axe_violations(browser) -> list[list]:
    """[rule, what it says, how many nodes, the first of them] of the page that is open."""
    browser.execute_script(axe_source())
    return browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => "
        "[v.id, v.help, v.nodes.length, v.nodes[0].html.slice(0, 200)])))"
    )
