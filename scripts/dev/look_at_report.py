#!/usr/bin/env python3
"""Take pictures of a report in headless Chromium, and say what a reader could stumble over.

    PYTHONPATH=scripts python scripts/dev/look_at_report.py results/sample/report.html --output /tmp/look

For each width, light and dark: <output>/<width>-<light|dark>-<n>.png, so many screens from the top. Printed are messages of
the console, requests that leave the page, elements wider than their place, and axe's findings. Exits with 1 when there
are any. Needs chromium and chromedriver on PATH and `pip install -e .[browser]` (make browser); no test and no rule uses it.
"""

import argparse
import importlib.util
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roadtrain import cli

WIDTHS = (390, 768, 1400, 1920)
HEIGHT = 1000  # pixels of a screen
# What is cut off, but for what scrolls on purpose (launch files, a matrix), is no wider than the page, or is for ears alone.
CLIPPED = """
return [...document.querySelectorAll('body *')].filter(e => e.offsetWidth && e.scrollWidth > e.clientWidth + 1
  && getComputedStyle(e).display !== 'inline' && !e.closest('pre, .matrix, .frame, .unseen, select'))
  .map(e => e.tagName + '.' + e.className + ' ' + e.scrollWidth + ' > ' + e.clientWidth + ': ' + e.textContent.trim().slice(0, 60))
"""
AXE = """
const done = arguments[0];
axe.run().then(r => done(r.violations.map(v => v.id + ': ' + v.help + ': ' + v.nodes[0].html.slice(0, 160))))
"""


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="the report")
    parser.add_argument("--output", required=True, type=Path, help="folder of the pictures")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="of the window, in pixels (%(default)s)")
    parser.add_argument("--screens", type=int, default=6, help="how many from the top, each (%(default)s)")
    parser.add_argument("--address", default="", help="what follows the page's name, as #view=gallery")
    args = parser.parse_args()

    args.output.mkdir(parents=True, exist_ok=True)
    browser = open_browser()
    try:
        problems = [
            f"{width} {theme}: {problem}"
            for width in args.widths
            for theme in ("light", "dark")
            for problem in look(browser, args, width, theme)
        ]
    finally:
        browser.quit()
    print("\n".join(problems) or "nothing to complain about")
    sys.exit(1 if problems else 0)


def open_browser() -> Any:
    """A headless Chromium that keeps its console and its requests. Raises UserError where there is none."""
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not chromium or not driver or not importlib.util.find_spec("selenium"):
        raise cli.UserError("chromium, chromedriver and selenium are needed: make browser")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def look(browser: Any, args: argparse.Namespace, width: int, theme: str) -> Iterator[str]:
    """Save the pictures of one width and theme; yields what is wrong, in words."""
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get("about:blank")  # the same page with another fragment would not be loaded again
    browser.set_script_timeout(120)  # axe, on a busy machine
    browser.get(args.page.resolve().as_uri() + args.address)
    time.sleep(1)
    yield from (f"console: {entry['message']}" for entry in browser.get_log("browser"))
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    yield from (f"request: {url}" for url in urls if not url.startswith(("file:", "data:", "about:")))
    yield from (f"clipped: {words}" for words in browser.execute_script(CLIPPED))
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    if wide > width:
        yield f"the page is {wide} pixels wide"
    top = 0 if not args.address else browser.execute_script("return scrollY")
    for n in range(args.screens):
        browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'; scrollTo(0, arguments[0])", top)
        time.sleep(0.3)  # pictures come as they are scrolled to
        browser.save_screenshot(str(args.output / f"{width}-{theme}-{n + 1}.png"))
        top += HEIGHT - 80
    if axe := importlib.util.find_spec("axe_core_python"):
        browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        browser.execute_script(Path(str(axe.origin)).with_name("axe.min.js").read_text(encoding="utf-8"))
        yield from (f"axe: {finding}" for finding in browser.execute_async_script(AXE))


if __name__ == "__main__":
    main()
