"""The asking page in a real headless Chromium: a clip is dropped, a question typed, and both checkpoints answer."""

import base64
import time

import pytest

from support.asking_page import NAMES, serve_page
from support.browser import HERE, axe_violations, look, start_browser
from support.clips import render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not HERE, reason="chromium, chromedriver or selenium is not there"),
]
DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0)), data = new DataTransfer();
data.items.add(new File([bytes], arguments[1]));
document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
return document.getElementById('file').files.length;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with serve_page(folder, most=200_000) as server:
        browser = start_browser()
        yield browser, f"http://127.0.0.1:{server.server_port}/", folder
        browser.quit()


def open_page(browser, url, width=1280, dark=False):
    look(browser, width, dark)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(url)


def drop(browser, content, name):
    return browser.execute_script(DROP, base64.b64encode(content).decode(), name)


def ask(browser, question, options):
    """Type, press the button, and wait: the text below it, once there is an answer or a problem."""
    from selenium.webdriver.common.by import By

    for field, text in (("question", question), ("options", options)):
        element = browser.find_element(By.ID, field)
        element.clear()
        element.send_keys(text)
    browser.find_element(By.ID, "go").click()
    end = time.monotonic() + 240
    while browser.find_element(By.ID, "go").get_attribute("disabled"):
        assert time.monotonic() < end, "no answer came"
        time.sleep(0.1)
    return browser.find_element(By.ID, "state").text


def test_a_clip_that_is_dropped_is_answered_by_both_side_by_side(page):
    from selenium.webdriver.common.by import By

    browser, url, folder = page
    open_page(browser, url)
    assert drop(browser, render(folder / "v.mp4", frames=12).read_bytes(), "v.mp4") == 1
    assert ask(browser, "Is <img src=x onerror=alert(1)> there?", "<b>yes</b>|no") == ""
    boxes = browser.find_elements(By.CSS_SELECTOR, "#answers > section")
    assert [box.find_element(By.TAG_NAME, "h2").text for box in boxes] == list(NAMES)  # text, not markup
    for box in boxes:
        lines = [line.text for line in box.find_elements(By.TAG_NAME, "li")]
        assert [line.split()[0] for line in lines] == ["A", "B"] and lines[0].endswith("<b>yes</b>")
        assert sum(float(line.split()[1]) for line in lines) == pytest.approx(100, abs=0.11)
    left, right = (box.rect for box in boxes)
    assert left["y"] == right["y"] and left["x"] < right["x"]
    assert browser.execute_script("return document.querySelectorAll('#answers img, #answers b').length") == 0
    assert browser.get_log("browser") == []


def test_a_problem_is_told_in_words_and_the_next_question_is_answered(page):
    browser, url, folder = page
    open_page(browser, url)
    drop(browser, b"no video", "v.mp4")
    assert "unreadable" in ask(browser, "What?", "")
    drop(browser, render(folder / "v.mp4", frames=12).read_bytes(), "v.mp4")
    assert "1 options" in ask(browser, "What?", "one")
    assert ask(browser, "What?", "one|two") == ""


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_problem_and_nothing_is_cut_off(page, width):
    browser, url, folder = page
    for dark in (False, True):
        open_page(browser, url, width, dark)
        drop(browser, render(folder / "v.mp4", frames=12).read_bytes(), "v.mp4")
        assert ask(browser, "What?", f"{'long ' * 30}|{'x' * 200}") == ""
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert axe_violations(browser) == []
