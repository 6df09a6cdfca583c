"""One report of 2,616 questions and one browser for every test that opens it."""

import pytest

from support.browser import go, look, start_browser
from support.fabricate import fabricate
from support.report import write_report

SCENARIOS = 109  # x 2 cameras x 12 questions: 2,616, the size of WTS's validation split
ALL = "#show=all&sort=data"


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    return write_report(fabricate(tmp_path_factory.mktemp("browser"), scenarios=SCENARIOS, hostile=True))


@pytest.fixture(scope="session")
def browser():
    driver = start_browser()
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, report):
    """The report, freshly opened in a wide light window on every question, as in the data."""
    look(browser)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    go(browser, report.as_uri() + ALL)
    return browser
