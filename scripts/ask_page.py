#!/usr/bin/env python3
"""A page on this machine where one drops a clip and asks two checkpoints side by side: by default zero-shot and trained.

    python scripts/ask_page.py sample/nframes8                          the run's zero_shot beside its best epoch
    python scripts/ask_page.py sample/nframes8/epoch_1 sample/nframes8 --port 8765

It listens on 127.0.0.1 only and takes requests of its own page only. A clip lies in a temporary folder while it is asked about. Models
are loaded once, at the start; Ctrl-C ends it. Whoever has an account on this machine can open the page, too.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

from roadtrain import cli
from roadtrain.data.question import Question
from roadtrain.deploy.ask import answer_of_reply, clip_of_files
from roadtrain.deploy.client import TYPES
from roadtrain.deploy.serving import CheckpointSetting, setting_of
from roadtrain.deploy.words_of_questions import question_of
from roadtrain.evaluate.asking import Asker
from roadtrain.frames.index import ClipFrames
from roadtrain.markup import csp_hash, json_line, visible_line
from roadtrain.media import PICTURES
from roadtrain.spec.arguments import add_key, add_section
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.frames import Frames
from roadtrain.workers import JobLimits

SILENCE = 30  # seconds in which a client sends nothing: it is cut off
UPLOADS = 4  # at a time
MOST_QUESTIONS = 20

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
label { display: block; margin: .8rem 0; } input { font: inherit; box-sizing: border-box; width: 100%; }
#drop { border: 2px dashed; border-radius: 12px; padding: 1.2rem; } #drop.over { background: #8883; }
#answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 1.5rem; }
#answers > * { overflow-wrap: anywhere; min-width: 0; } .chosen { font-weight: 700; } ul { list-style: none; padding: 0; }
button { font: inherit; padding: .4rem 1.2rem; } .problem { color: light-dark(#a00, #f88); }
"""
SCRIPT = """
const $ = id => document.getElementById(id);
const add = (parent, tag, text, name) => {
  const e = document.createElement(tag); e.textContent = text; if (name) e.className = name; parent.append(e); return e; };
$('drop').ondragover = event => { event.preventDefault(); $('drop').classList.add('over'); };
$('drop').ondragleave = () => $('drop').classList.remove('over');
$('drop').ondrop = event => { event.preventDefault(); $('drop').classList.remove('over'); $('file').files = event.dataTransfer.files; };
$('ask').onsubmit = async event => {
  event.preventDefault();
  const file = $('file').files[0], state = $('state');
  $('answers').replaceChildren(); state.className = ''; state.textContent = 'Asking ..'; $('go').disabled = true;
  try {
    const query = new URLSearchParams({name: file.name, question: $('question').value, options: $('options').value});
    const reply = await fetch('/ask?' + query, {method: 'POST', body: file});
    const value = await reply.json();
    if (value.problem) throw new Error(value.problem);
    state.textContent = '';
    for (const checkpoint of value.checkpoints) {
      const box = add($('answers'), 'section', ''); add(box, 'h2', checkpoint.name);
      for (const answer of checkpoint.answers) {
        add(box, 'p', answer.answer || '(nothing)');
        const list = add(box, 'ul', '');
        for (const [letter, text] of Object.entries(answer.options || {}))
          add(list, 'li', letter + '  ' + (100 * answer.probabilities[letter]).toFixed(1) + ' %  ' + text,
              letter === answer.letter ? 'chosen' : '');
      }
    }
  } catch (error) { state.className = 'problem'; 
    state.textContent = error instanceof TypeError ? 'No answer: has the server ended, or is the file too large (--max-megabytes)?' : error.message; }
  $('go').disabled = false;
};
"""
HTML = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Ask · Roadtrain</title><style>{STYLE}</style></head><body><main><h1>Ask about a clip</h1><form id="ask">
<div id="drop"><label>A video or a picture: drop it here, or choose it <input id="file" type="file" required></label></div>
<label>Question <input id="question" required autocomplete="off"></label>
<label>Options, with | between them (none: an open question) <input id="options" autocomplete="off"></label>
<button id="go">Ask</button></form><p id="state" role="status"></p><div id="answers"></div></main><script>{SCRIPT}</script></body></html>
"""


HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; script-src '{csp_hash(SCRIPT)}'; style-src '{csp_hash(STYLE)}';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Checkpoints:
    """The models that are asked, one request after the other: each would take the other's memory and time."""

    settings: dict[str, CheckpointSetting]  # by the name that was given
    limits: JobLimits
    max_new_tokens: int
    askers: dict[str, Asker] = field(init=False)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.askers = {name: Asker(s.path, s.system_prompt) for name, s in self.settings.items()}

    def answers(self, file: Path, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """Of each checkpoint. The file is decoded once where they see the same frames. Raises ValueError, UserError."""
        with self.turn:
            clips: dict[str, ClipFrames] = {}
            values = []
            for name, setting in self.settings.items():
                key = json.dumps([setting.vision, setting.reader], sort_keys=True)
                if key not in clips:
                    clips[key] = clip_of_files(setting, [file], self.limits)
                replies = self.askers[name].ask(clips[key], questions, self.max_new_tokens)
                of_one = [
                    answer_of_reply(question, reply).whole() for question, reply in zip(questions, replies, strict=True)
                ]
                values.append({"name": name, "answers": of_one})
            return values


class PageServer(ThreadingHTTPServer):
    """On 127.0.0.1 alone. `most`: bytes of an upload. `checkpoints` come later: a port that can't be had is said before models are
    loaded."""

    daemon_threads = True
    checkpoints: Checkpoints

    def __init__(self, port: int, most: int) -> None:
        try:
            super().__init__(("127.0.0.1", port), PageHandler)
        except OSError as error:
            raise cli.UserError(
                f"--port {port}: {error.strerror}: --port N takes another one, --port 0 a free one"
            ) from None
        self.most, self.uploads = most, threading.BoundedSemaphore(UPLOADS)
        # Another name for this address is a page that wants to be taken for ours (DNS rebinding).
        self.hosts = {f"{host}:{self.server_port}" for host in ("127.0.0.1", "localhost")}


class PageHandler(BaseHTTPRequestHandler):
    """GET / is the page, POST /ask?name=&question=&options= with the file as its body asks."""

    server: PageServer
    server_version, sys_version = "Roadtrain", ""
    timeout = SILENCE
    unread: int | None = None  # bytes of the body that are still to come; None: none of it was read

    def do_GET(self) -> None:
        if self._is_own() and self.path == "/":
            self._send(200, HTML, "text/html; charset=utf-8")
        else:
            self._refuse(404 if self._is_own() else 403, "no such page")

    def do_POST(self) -> None:
        host = self.headers.get("Host", "")
        if not self._is_own() or self.headers.get_all("Origin") != [f"http://{host}"]:
            return self._refuse(403, "not from this page")
        if urlsplit(self.path).path != "/ask":
            return self._refuse(404, "no such page")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            return self._refuse(411, "the length of the file is missing")
        if len(length) > 15 or not 0 < int(length) <= self.server.most:
            return self._refuse(413, f"the file is empty, or larger than {self.server.most:,} bytes (--max-megabytes)")
        if not self.server.uploads.acquire(blocking=False):
            return self._refuse(503, "others are asking: try again")
        try:
            self._ask(int(length))
        finally:
            self.server.uploads.release()

    def _ask(self, length: int) -> None:
        try:
            fields = parse_qs(urlsplit(self.path).query, keep_blank_values=True, max_num_fields=2 * MOST_QUESTIONS + 1)
            texts = fields.get("question", [""])
            options = fields.get("options", [""] * len(texts))
            if len(options) != len(texts):
                raise ValueError("page: as many `options` as questions, empty ones where there are none")
            questions = [question_of(t, o if o.strip() else None, "page") for t, o in zip(texts, options, strict=True)]
            ending = Path(fields.get("name", [""])[0]).suffix.lower()
            with tempfile.TemporaryDirectory(prefix="roadtrain-page-") as folder:
                # The name is ours; its ending only says whether it is a picture.
                file = Path(folder, f"clip{ending if ending in TYPES | PICTURES else '.mp4'}")
                with open(file, "wb") as stream:
                    self._receive(stream, length)
                value = {"checkpoints": self.server.checkpoints.answers(file, questions)}
        except (cli.UserError, ValueError, FileNotFoundError) as error:
            return self._refuse(400, str(error))
        except TimeoutError:
            return self._refuse(408, "nothing came any more")
        self._send(200, json_line(value), "application/json")

    def _receive(self, stream: IO[bytes], length: int) -> None:
        self.unread = length
        while self.unread > 0:
            piece = self.rfile.read(min(self.unread, 1 << 20))
            if not piece:
                raise ValueError("the file broke off")
            stream.write(piece)
            self.unread -= len(piece)

    def _is_own(self) -> bool:
        return self.headers.get_all("Host", [])[1:] == [] and self.headers.get("Host") in self.server.hosts

    def _refuse(self, status: int, problem: str) -> None:
        """A small body is read to its end first: who still sends when the connection is cut doesn't see the answer."""
        self.close_connection = True
        length = self.headers.get("Content-Length", "")
        if self.unread is None and length.isascii() and length.isdigit() and len(length) < 6:
            self.connection.settimeout(2)
            with contextlib.suppress(OSError):
                self.rfile.read(int(length))
        self._send(status, json_line({"problem": visible_line(problem)}), "application/json")

    def _send(self, status: int, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Questions stand in the address: they are in no log."""


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "checkpoints", nargs="+", metavar="CHECKPOINT", help="RUN/ABLATION, or one or two as for ask.py"
    )
    parser.add_argument("--vision", metavar="JSON", help='as in the spec: {"nframes": 8} (default: that of the run)')
    add_section(parser, "frames", Frames)
    parser.add_argument("--port", type=cli.port(0), default=8765, help="of 127.0.0.1; 0: a free one (%(default)s)")
    parser.add_argument("--max-megabytes", type=cli.at_least(1), default=500, help="of a clip (%(default)s)")
    add_key(parser, Evaluate, "max_new_tokens", default=256)
    args = parser.parse_args()
    names = args.checkpoints
    if len(names) == 1 and names[0].count("/") == 1 and not Path(names[0]).exists():
        names = [f"{names[0]}/zero_shot", names[0]]
    if len(names) > 2:
        parser.error("one or two checkpoints")

    settings = {name: setting_of(name, args.vision) for name in names}
    free = shutil.disk_usage(tempfile.gettempdir()).free
    most = min(args.max_megabytes * 1_000_000, free // UPLOADS)
    with PageServer(args.port, most) as server:
        print(f"loading {' and '.join(names)} ..", file=sys.stderr, flush=True)
        limits = JobLimits(args.frames.timeout, args.frames.memory)
        server.checkpoints = Checkpoints(settings, limits, args.max_new_tokens)
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
