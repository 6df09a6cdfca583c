"""The page on this machine: its own requests are answered by both checkpoints, and no other request by any."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from ask_page import PageServer
from roadtrain.cli import UserError
from support.asking_page import serve_page
from support.clips import render

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def page(folder):
    with serve_page(folder, most=200_000) as server:
        yield server


@pytest.fixture(scope="module")
def clip(folder):
    return render(folder / "v.mp4", frames=12).read_bytes()


def request(page, method="GET", path="/", body=None, timeout=200, **headers):
    """(status, headers, text)."""
    own = f"127.0.0.1:{page.server_port}"
    headers = {"Host": own, "Origin": f"http://{own}"} | headers
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=timeout)
    connection.request(method, path, body, {name.replace("_", "-"): v for name, v in headers.items() if v is not None})
    with connection.getresponse() as answer:
        text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def ask(page, body, name="v.mp4", question="What?", options="one|two", **headers):
    query = urlencode({"name": name, "question": question, "options": options}, doseq=True)
    status, _, text = request(page, "POST", f"/ask?{query}", body, **headers)
    return status, json.loads(text)


def left(folder: Path) -> list[Path]:
    return list((folder / "tmp").glob("roadtrain-*"))  # beside it: what torch keeps


def test_a_clip_is_asked_of_both_and_gone_afterwards(page, clip, folder):
    markup = "<img src=x onerror=alert(1)>"
    status, value = ask(page, clip, "../../evil.sh", f"Is {markup} \x1b[2J there?", f"{markup}|no")
    assert status == 200, value
    first, second = value["checkpoints"]
    assert (first["name"], second["name"]) == ("zero <b>shot</b>", "trained")
    (answer,) = first["answers"]
    assert answer["options"] == {"A": markup, "B": "no"} and sum(answer["probabilities"].values()) == pytest.approx(
        1, abs=1e-4
    )
    assert left(folder) == []


def test_the_page_fetches_nothing_from_outside_and_runs_only_its_own_script(page):
    status, headers, text = request(page)
    policy = headers["Content-Security-Policy"]
    assert status == 200 and policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "http" not in policy
    assert "://" not in text and "innerHTML" not in text and "textContent" in text
    assert page.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_another_name_for_this_address_is_refused(page, host):
    host = host.format(port=page.server_port)
    assert request(page, Host=host)[0] == 403
    assert ask(page, b"x", Host=host, Origin=f"http://{host}") == (403, {"problem": "not from this page"})


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", None, "https://127.0.0.1:{port}", "http://127.0.0.1:1"]
)
def test_another_page_can_not_ask(page, origin):
    origin = origin and origin.format(port=page.server_port)
    assert ask(page, b"x", Origin=origin)[0] == 403


@pytest.mark.parametrize(
    "length, status", [("200001", 413), ("9" * 30, 413), ("0", 413), ("-1", 411), ("x", 411), ("٣", 411)]
)
def test_a_huge_upload_is_refused_before_it_is_read(page, folder, length, status):
    length = length.encode().decode("latin-1")
    path = "/ask?name=v.mp4&question=q&options="
    assert request(page, "POST", path, None, timeout=20, Content_Length=length)[0] == status
    assert left(folder) == []


@pytest.mark.parametrize(
    "body, more, words",
    [
        (b"no video", {}, "unreadable"),
        (b"no picture", {"name": "a.png"}, "unreadable"),
        (b"x", {"question": " "}, "the question is empty"),
        (b"x", {"options": "one"}, "1 options"),
        (b"x", {"options": ["a|b", "c|d"]}, "as many `options` as questions"),
    ],
)
def test_what_can_not_be_asked_is_told_in_a_line_and_gone(page, folder, body, more, words):
    status, value = ask(page, body, **more)
    assert status == 400 and words in value["problem"] and "\n" not in value["problem"]
    assert left(folder) == []


def test_there_is_no_other_page(page):
    assert request(page, path="/../etc/passwd")[0] == 404 and request(page, "POST", "/other", b"x")[0] == 404


def test_a_port_that_is_taken_is_named_before_models_are_loaded():
    with (
        PageServer(0, most=1) as first,
        pytest.raises(UserError, match=f"--port {first.server_port}: .*--port 0 a free one"),
    ):
        PageServer(first.server_port, most=1)
