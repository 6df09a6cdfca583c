"""What the page opens on, its links into the explorer, views in the address, enlarged frames, and tables at every width."""

import json
import time
from urllib.parse import quote

import pytest

from support.browser import HERE, choose, count, focused, go, items, look, press

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not HERE, reason="chromium, chromedriver or selenium is not there"),
]
WIDTHS = (390, 768, 1400, 1920)


@pytest.fixture
def opened(page, report):
    """The page as a reader opens it, without an address."""
    page.get("about:blank")
    go(page, report.as_uri())
    return page


def lines_of(report, checkpoint="epoch_3", ablation="nframes8"):
    path = report.parent / f"{ablation}/predictions/{checkpoint}.jsonl"
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def texts(page, selector):
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.trim())", selector
    )


def follow(page, href):
    page.execute_script("location.hash = arguments[0]", href)
    time.sleep(0.3)


def test_it_opens_on_what_is_wrong_the_surest_first(opened, report):
    wrong = [line for line in lines_of(report) if not line["is_correct"] and line["answer"]]
    surest = max(line["probabilities"][line["answer"]] for line in wrong)
    card = opened.execute_script("return document.querySelector('[data-mistake]').dataset.mistake")
    line = next(line for line in wrong if line["id"] == card)
    assert line["probabilities"][line["answer"]] == surest
    either = {
        line["id"]
        for name in ("nframes8", "fps1_8k")
        for line in lines_of(report, ablation=name)
        if not line["is_correct"]
    }
    assert count(opened) == len(either) and set(items(opened)) <= either
    assert opened.execute_script("return document.querySelectorAll('[data-mistake] .frame img').length") > 0
    headings = texts(opened, "main h2")
    assert headings[0] == "What is wrong"


def test_every_number_in_the_tables_opens_as_many_questions(opened):
    """A click on 27 shows 27 questions: the page's script counts as its tables were counted."""
    links = opened.execute_script(
        "return [...document.querySelectorAll('#failures a[href*=\"show=\"]')].map(a => [a.getAttribute('href'), a.textContent])"
    )
    numbers = [(href, int(text.replace(",", "").split()[0].rstrip("×"))) for href, text in links]
    assert len(numbers) > 150
    differing = []
    for href, number in numbers[:: max(1, len(numbers) // 60)]:
        opened.execute_script("location.hash = arguments[0]; dispatchEvent(new Event('hashchange'))", href)
        if count(opened) != number:
            differing.append((href, number, count(opened)))
    assert differing == []


def test_a_view_is_in_the_address_and_comes_back_from_it(page, report):
    choose(page, "show", "wrong")
    choose(page, "ablation", "fps1_8k")
    choose(page, "camera", "Camera2")
    choose(page, "text", "pedestrian & hat?")
    choose(page, "text", "pedestrian")
    choose(page, "view", "gallery")
    address, before = page.current_url, items(page)
    assert before and count(page) < 2616
    page.get("about:blank")
    go(page, address)
    assert items(page) == before
    assert page.execute_script(
        "return ['show', 'ablation', 'camera', 'text', 'view'].map(n => document.getElementById('f-' + n).value)"
    ) == [
        "wrong",
        "fps1_8k",
        "Camera2",
        "pedestrian",
        "gallery",
    ]
    assert page.execute_script("return document.getElementById('list').className") == "gallery"


def test_a_link_with_what_no_field_has_can_be_taken_off(page, report):
    question = "What is the road surface condition?"
    follow(page, f"#ablation=nframes8&show=wrong&question={quote(question)}&right=Wet&given=Dry")
    expected = [
        line["id"]
        for line in lines_of(report)
        if line["question"] == question
        and line["options"][line["correct"]] == "Wet"
        and line["options"].get(line["answer"]) == "Dry"
    ]
    assert expected and count(page) == len(expected) and set(items(page)) <= set(expected)
    assert texts(page, "#chips button") == ["right answer: Wet ✕", "given: Dry ✕"]
    page.execute_script("document.querySelector('#chips button').click()")
    page.execute_script("document.querySelector('#chips button').click()")
    assert count(page) == sum(line["question"] == question and not line["is_correct"] for line in lines_of(report))


@pytest.mark.parametrize(
    "address", ["#show=nonsense", "#scenario=nobody&show=all", "#sure=x&show=all", "#=&&&=", "#q=%E0%A4%A"]
)
def test_an_address_that_says_nothing_known_breaks_nothing(page, report, address):
    page.get("about:blank")
    go(page, report.as_uri() + address)
    assert page.get_log("browser") == []
    assert count(page) == 2616 if "q=" not in address and address != "#=&&&=" else True


def test_places_in_the_page_keep_the_filters(page):
    choose(page, "show", "right")
    before = count(page)
    follow(page, "#tables")
    assert count(page) == before


def test_questions_stand_below_their_video_with_one_strip(page):
    clips = page.execute_script(
        "return [...document.querySelectorAll('#list > .clip')].map(c => [c.querySelectorAll('.strip').length, c.querySelectorAll('.item').length])"
    )
    assert clips == [[1, 12], [1, 8]]  # twenty questions a page, twelve a video


def test_a_strip_is_enlarged_by_keyboard_and_closed_again(page):
    page.execute_script("document.querySelector('#list .strip').focus()")
    press(page, "\ue007")
    shown = page.execute_script(
        "return [document.getElementById('enlarged').open, document.querySelectorAll('#enlarged .frame').length]"
    )
    assert shown == [True, 8]
    press(page, "\ue00c")
    assert page.execute_script("return document.getElementById('enlarged').open") is False
    assert page.execute_script("return document.activeElement.className") == "strip"


def test_the_ablations_tab_shows_its_failures(opened):
    page = opened
    page.execute_script("document.querySelector('[data-tab=\"fps1_8k\"]').click()")
    visible = "return [...document.querySelectorAll('[data-failures]')].filter(e => e.offsetWidth).map(e => e.dataset.failures)"
    assert page.execute_script(visible) == ["fps1_8k"]
    assert page.execute_script("return document.getElementById('f-ablation').value") == "fps1_8k"
    assert "ablation=fps1_8k" in page.current_url


def test_the_gallery_walks_by_keys_too(page):
    choose(page, "view", "gallery")
    first = items(page)
    press(page, "j")
    assert focused(page) == first[0]
    press(page, "j")
    assert focused(page) == first[1]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_table_and_no_caption_is_clipped(page, width):
    look(page, width)
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = !d.closest('td'); })")
    time.sleep(0.3)
    clipped = page.execute_script(
        "return [...document.querySelectorAll('.fit, .fit table, .fit td, .fit th, figcaption, nav, .bar, .card, .clip, .item, .mistake')]"
        ".filter(e => e.offsetWidth && (e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth + 1)"
        " && !e.closest('.matrix')).map(e => e.outerHTML.slice(0, 120))"
    )
    assert clipped == []
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_no_name_of_a_column_runs_into_the_next_line(page):
    """On a phone a row is a block: a name of two lines makes its line as high as itself."""
    look(page, 390)
    heights = page.execute_script(
        "return [...document.querySelectorAll('.fit td')].filter(td => td.offsetWidth && getComputedStyle(td).display === 'flow-root')"
        ".map(td => [td.dataset.label, parseFloat(getComputedStyle(td, '::before').height), td.clientHeight])"
    )
    lines = [height for _, height, _ in heights]
    assert heights and max(lines) > 1.5 * min(lines)  # one of two lines is among them
    assert [row for row in heights if row[1] > row[2] + 1] == []


def test_a_dash_stands_below_its_head(page):
    """Numbers stand at the right, and so does what stands for a missing one."""
    look(page, 1920)
    left = page.execute_script(
        "return [...document.querySelectorAll('#tables td')].filter(td => td.textContent === '–').filter(td => {"
        " const th = td.closest('table').querySelectorAll('thead th')[td.cellIndex];"
        " return getComputedStyle(td).textAlign !== getComputedStyle(th).textAlign; }).length"
    )
    dashes = page.execute_script(
        "return [...document.querySelectorAll('#tables td')].filter(td => td.textContent === '–').length"
    )
    assert dashes > 0 and left == 0
