"""The page of runs beside runs in a real headless Chromium: nothing from outside, nothing cut off, axe clean."""

import json

import pytest

from support.browser import HERE, axe_violations, look
from support.fabricate import fabricate
from support.programs import run_program
from support.run_pairs import change_media, copy_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not HERE, reason="chromium, chromedriver or selenium is not there"),
]


@pytest.fixture(scope="module")
def runs_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs_page")
    run = fabricate(folder, scenarios=6, frames=False).parent
    other = copy_run(run, folder / "the-same-run-with-two-videos-replaced-and-a-long-name")
    change_media(other, lambda media: media | dict.fromkeys(sorted(media)[:2], "another content"))
    spec = json.loads((other / "spec.json").read_text())
    spec["spec"]["data"]["system_prompt"] = "Look at the road, and at " + "everything that moves on it, " * 5
    (other / "spec.json").write_text(json.dumps(spec))
    process = run_program("compare_runs.py", run, other, bootstrap_samples=200, page=folder / "runs.html")
    assert process.returncode == 0, process.stderr
    return folder / "runs.html"


@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_fetches_nothing_and_axe_finds_no_problem(browser, runs_page, width):
    for dark in (False, True):
        look(browser, width, dark)
        browser.get("about:blank")
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(runs_page.as_uri())
        assert browser.get_log("browser") == []
        messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        urls = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
        assert [url for url in urls if not url.startswith(("data:", "about:"))] == [runs_page.as_uri()]
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert axe_violations(browser) == []
