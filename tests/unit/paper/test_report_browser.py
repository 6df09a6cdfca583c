"""The report in a real headless Chromium: no errors, filters filter, links lead somewhere, nothing from outside.

Needs chromium and chromedriver on PATH (Debian: apt-get install chromium chromium-driver) and the Python package
selenium; the accessibility check needs axe-core (Python package axe-core-python, or ROADTRAIN_AXE=path of axe.min.js).
"""

import importlib.util
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from support.fabricate import fabricate
from support.fabricated_data import HOSTILE
from support.report import write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not on PATH"),
]
SCENARIOS = 109  # x 2 cameras x 12 questions: 2,616, the size of WTS's validation split


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(fabricate(tmp_path_factory.mktemp("browser"), scenarios=SCENARIOS, hostile=True))


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, report):
    """The report, freshly opened in a wide light window."""
    look(browser)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    go(browser, report.as_uri())
    return browser


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
    return page.execute_script("return [...document.querySelectorAll('#list > li')].map(li => li.dataset.id)")


def press(page, key):
    page.switch_to.active_element.send_keys(key)


def focused(page):
    return page.execute_script("return document.activeElement.dataset.id || document.activeElement.id || ''")


def predictions(report):
    """{(ablation, checkpoint): {id: line}}, read without any module of the project."""
    return {
        (path.parts[-3], path.stem): {line["id"]: line for line in map(json.loads, path.open(encoding="utf-8"))}
        for path in report.parent.glob("*/predictions/*.jsonl")
    }


def test_it_opens_without_an_error_and_fetches_nothing(page):
    assert page.get_log("browser") == []
    requests = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    urls = {m["params"]["request"]["url"] for m in requests if m["method"] == "Network.requestWillBeSent"}
    assert all(url.startswith(("file:", "data:")) for url in urls)
    assert sum(url.startswith("file:") for url in urls) == 1
    assert count(page) == 2616 and len(items(page)) == 20


def test_pictures_are_really_shown(page):
    broken = page.execute_script(
        "return Promise.all([...document.querySelectorAll('figure img, .strip img')].slice(0, 12).map(async i => {"
        "i.loading = 'eager'; try { await i.decode(); } catch (e) { return i.alt; } return i.naturalWidth > 50 ? '' : i.alt; }))"
        ".then(all => all.filter(Boolean))"
    )
    assert broken == []


@pytest.mark.parametrize("outcome", ["wrong", "right", "epochs", "quantized", "learned", "lost", "unanswered"])
def test_outcome_filters_find_what_the_predictions_say(page, report, outcome):
    rows = {checkpoint: lines for (name, checkpoint), lines in predictions(report).items() if name == "nframes8"}
    right = {c: {id: line["is_correct"] for id, line in lines.items()} for c, lines in rows.items()}
    letters = {c: {id: line["answer"] for id, line in lines.items()} for c, lines in rows.items()}
    best, zero, epochs = "epoch_3", "zero_shot", ("epoch_1", "epoch_2", "epoch_3")
    expected = {
        "wrong": lambda q: not right[best][q],
        "right": lambda q: right[best][q],
        "epochs": lambda q: len({letters[e][q] for e in epochs}) > 1,
        "quantized": lambda q: letters["fp8"][q] != letters[best][q],
        "learned": lambda q: right[best][q] and not right[zero][q],
        "lost": lambda q: right[zero][q] and not right[best][q],
        "unanswered": lambda q: any(letters[c][q] is None for c in letters if c not in ("majority", "text_only")),
    }[outcome]
    chosen = json.loads((report.parent / "nframes8/best.json").read_text())["checkpoint"]
    assert chosen == best
    choose(page, "ablation", "0")
    choose(page, "outcome", outcome)
    ids = [q["id"] for q in json.loads((report.parent / "data/val.llava.json").read_text()) if expected(q["id"])]
    assert count(page) == len(ids) and items(page) == ids[:20]


def test_question_type_scenario_and_search_narrow_the_list(page):
    option = "return [...document.getElementById(arguments[0]).options].find(o => o.text === arguments[1]).value"
    choose(page, "type", page.execute_script(option, "f-type", "traffic"))
    assert count(page) == 2 * SCENARIOS
    choose(page, "scenario", page.execute_script(option, "f-scenario", "val_0007"))
    assert items(page) == ["val_0007_Camera1_0_5", "val_0007_Camera2_0_5"]
    choose(page, "type", "")
    assert count(page) == 24
    choose(page, "text", "GUARDRAIL camera2")
    assert items(page) == ["val_0007_Camera2_0_4"]
    choose(page, "text", "no such words anywhere")
    assert count(page) == 0 and items(page) == []
    page.execute_script("document.querySelector('#filters [type=reset]').click()")
    time.sleep(0.25)
    assert count(page) == 2616


def test_an_items_link_opens_that_item_alone(page, report):
    go(page, report.as_uri() + "#q=val_0042_Camera2_0_3")
    assert items(page) == ["val_0042_Camera2_0_3"]
    href = page.execute_script("return document.querySelector('#list a').href")
    assert href == report.as_uri() + "#q=val_0042_Camera2_0_3"
    page.execute_script("document.querySelector('#count button').click()")
    assert count(page) == 2616
    page.execute_script("location.hash = '#q=nobody'")
    time.sleep(0.2)
    assert "No question has this link" in page.execute_script("return document.getElementById('count').textContent")


def test_links_in_the_page_lead_to_something(page):
    dead = page.execute_script(
        "return [...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href'))"
        ".filter(h => !h.startsWith('#q=') && !document.getElementById(h.slice(1)))"
    )
    assert dead == []


def test_keys_walk_through_questions_and_pages(page):
    first = items(page)
    press(page, "j")
    assert focused(page) == first[0]
    for _ in range(19):
        press(page, "j")
    assert focused(page) == first[19]
    press(page, "j")
    second = items(page)
    assert focused(page) == second[0] and second != first
    press(page, "k")
    assert focused(page) == first[19]
    press(page, "n")
    assert focused(page) == second[0]
    press(page, "p")
    assert items(page) == first
    press(page, "/")
    assert focused(page) == "f-text"
    press(page, "jkn")  # typing stays typing
    time.sleep(0.25)
    assert page.execute_script("return document.getElementById('f-text').value") == "jkn"


def test_every_control_can_be_reached_by_tab(page):
    controls = set()
    page.execute_script("document.querySelector('#f-text').focus()")
    for _ in range(12):
        controls.add(focused(page))
        press(page, "\ue004")
    assert {"f-text", "f-outcome", "f-ablation", "f-type", "f-question", "f-scenario"} <= controls


def test_hostile_text_is_shown_as_text(page):
    assert page.title.startswith("made-up")
    choose(page, "text", "document.title='owned'")
    assert count(page) > 0
    heading = page.execute_script("return document.querySelector('#list h3').textContent")
    assert heading.startswith(HOSTILE[:40]) and "{{ 7*7 }}" in HOSTILE and "49" not in heading
    assert page.execute_script("return document.querySelectorAll('#list img[src=x], #list script').length") == 0
    assert HOSTILE[:40] in page.execute_script("return document.getElementById('open').textContent")
    assert page.execute_script("return document.querySelectorAll('#open script, #open img[src=x]').length") == 0
    assert page.get_log("browser") == []


def test_2600_questions_open_and_filter_without_lag(page, report):
    opened = page.execute_script(
        "const t = performance.getEntriesByType('navigation')[0]; return t.domContentLoadedEventEnd - t.responseEnd"
    )
    filtered = page.execute_script(
        "const t = performance.now(), e = document.getElementById('f-outcome'); e.value = 'wrong';"
        "e.dispatchEvent(new Event('input', {bubbles: true}));"
        "return new Promise(r => setTimeout(() => requestAnimationFrame(() => r(performance.now() - t)), 61))"
    )
    assert opened < 3000 and filtered < 61 + 400
    assert page.execute_script("return document.querySelectorAll('*').length") < 6000


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_off_and_contrast_follows_the_theme(page, width, dark):
    look(page, width, dark)
    time.sleep(0.2)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    colors = page.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
    ink, paper = (sum(map(int, c[c.index("(") + 1 : -1].split(",")[:3])) for c in colors)
    assert (ink > paper) == dark
    classes = page.execute_script(
        "return [...document.querySelectorAll('figure img')].filter(i => i.offsetWidth).map(i => i.className)"
    )
    assert set(classes) == {"dark" if dark else "light"}


def test_the_button_switches_the_theme_and_it_stays(page, report):
    page.execute_script("document.getElementById('theme').click()")
    assert page.execute_script("return document.documentElement.dataset.theme") == "dark"
    go(page, report.as_uri())
    assert page.execute_script("return document.documentElement.dataset.theme") == "dark"
    page.execute_script("document.getElementById('theme').click()")
    assert page.execute_script("return document.documentElement.dataset.theme") == "light"
    page.execute_script("localStorage.clear()")


def axe_source():
    if path := os.environ.get("ROADTRAIN_AXE"):
        return Path(path).read_text(encoding="utf-8")
    package = importlib.util.find_spec("axe_core_python")
    if package is None:
        pytest.skip("axe-core is not installed (pip install axe-core-python, or ROADTRAIN_AXE)")
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_accessibility_problem(page, width, dark):
    look(page, width, dark)
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.execute_script(axe_source())
    violations = page.execute_async_script(
        "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => "
        "[v.id, v.help, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary])))"
    )
    assert violations == []
