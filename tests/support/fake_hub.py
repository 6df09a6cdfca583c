"""A hub of the tests' own: the requests of huggingface_hub that create a repository, look at it and commit to it."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """What it holds. `refuse`: a status that every commit is answered with."""

    address: str = ""
    private: dict[str, bool] = field(default_factory=dict)  # by repository
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0
    refuse: int | None = None


class _Server(ThreadingHTTPServer):
    hub: Hub
    token: str  # whose requests are answered


@contextmanager
def fake_hub(token: str) -> Iterator[Hub]:
    """Serving on this machine until the block ends."""
    hub = Hub()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub, server.token = hub, token
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self):
        return self.server.hub

    def log_message(self, *words):
        pass

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def allowed(self):
        self.hub.paths.append(self.path)
        self.hub.tokens.add(self.headers.get("Authorization"))
        return self.headers.get("Authorization") == f"Bearer {self.server.token}"

    def do_GET(self):
        if not self.allowed():
            return self.answer({"error": "who are you"}, 401)
        path = self.path.partition("?")[0]
        name = "/".join(path.split("/")[3:5])
        if name not in self.hub.private:
            return self.answer({"error": "Repository not found"}, 404)
        if "/tree/" in path:
            files = self.hub.files[name]
            rows = [{"type": "file", "path": p, "size": len(b), "oid": "0" * 40} for p, b in files.items()]
            return self.answer(rows)
        return self.answer({"id": name, "private": self.hub.private[name], "sha": "0" * 40, "siblings": []})

    def do_PUT(self):  # a large file's bytes: an address that asks for no token
        self.hub.blobs[self.path.rpartition("/")[2]] = self.body()
        self.answer({})

    def do_POST(self):
        data = self.body()
        if not self.allowed():
            return self.answer({"error": "who are you"}, 401)
        if self.path == "/api/repos/create":
            value = json.loads(data)
            name = f"{value['organization']}/{value['name']}"
            if name in self.hub.private:
                return self.answer({"error": "exists", "url": f"{self.hub.address}/{name}"}, 409)
            self.hub.private[name], self.hub.files[name] = (
                value.get("visibility") == "private" or value.get("private") is True,
                {".gitattributes": b""},
            )
            return self.answer({"url": f"{self.hub.address}/{name}"})
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.path.endswith(".git/info/lfs/objects/batch"):
            objects = json.loads(data)["objects"]
            uploads = [
                o | {"actions": {"upload": {"href": f"{self.hub.address}/blob/{o['oid']}", "header": {}}}}
                for o in objects
            ]
            return self.answer({"transfer": "basic", "objects": uploads})
        name = "/".join(self.path.split("/")[3:5])
        if "/preupload/" in self.path:
            files = json.loads(data)["files"]
            modes = {f["path"]: "lfs" if f["path"].endswith(".safetensors") else "regular" for f in files}
            return self.answer(
                {"files": [{"path": f["path"], "uploadMode": modes[f["path"]], "shouldIgnore": False} for f in files]}
            )
        if "/commit/" in self.path:
            return self.commit(name, data)
        return self.answer({"error": f"what is {self.path}"}, 404)

    def commit(self, name, data):
        if self.hub.refuse:
            return self.answer({"error": "no room left"}, self.hub.refuse)
        for line in data.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.hub.files[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                blob = self.hub.blobs[value["oid"]]
                assert hashlib.sha256(blob).hexdigest() == value["oid"]
                self.hub.files[name][value["path"]] = blob
            elif entry["key"] == "deletedFile":
                del self.hub.files[name][value["path"]]
        self.hub.commits += 1
        return self.answer({"commitUrl": f"{self.hub.address}/{name}/commit/1", "commitOid": "1" * 40, "success": True})
