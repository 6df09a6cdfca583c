"""Which API key a server is sent: the one that was named together with this server, and no other.

    export ROADTRAIN_API_SERVER=https://models.example.org:8443
    read -rs ROADTRAIN_API_KEY && export ROADTRAIN_API_KEY       # typed, so that it is in no history and no list of processes

Both come from the environment, or none. Another scheme, host or port is another server and gets no key. Keys of other programs
(OPENAI_API_KEY, ..) are not looked at: nobody said that they belong to whoever answers at --server.
"""

import os
import re
from urllib.parse import urlsplit

from roadtrain.cli import UserError
from roadtrain.deploy.addresses import server_url

KEY, SERVER = "ROADTRAIN_API_KEY", "ROADTRAIN_API_SERVER"
_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[!-~]+")  # what a header takes as it is


def origin(url: str) -> tuple[str, str, int]:
    """(scheme, host, port) of a server's URL. Raises UserError for what is none, and for one that holds a password."""
    if "@" in url:
        raise UserError(f"the address of a server holds no name or password: http://HOST:PORT, and a key in {KEY}")
    parts = urlsplit(server_url(url))
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


def api_key(url: str) -> str | None:
    """The key of the server at `url`; None: it has none here. Raises UserError for a key that belongs to no server, or that
    can't be one; no message has the key in it."""
    key, server, place = os.environ.get(KEY), os.environ.get(SERVER), origin(url)
    if not key:
        return None
    if not server:
        raise UserError(
            f"{KEY} is set, and {SERVER} doesn't say which server it belongs to: set both, or unset the key"
        )
    if not _PRINTABLE.fullmatch(key):
        raise UserError(f"{KEY}: a blank, a line break or another character that no key has is in it: set it again")
    return key if origin(server) == place else None


def why_no_key(url: str) -> str:
    """What to say when a server wants a key and got none."""
    if os.environ.get(KEY):
        return f"; {KEY} belongs to {os.environ[SERVER]} ({SERVER}) and was not sent to {url}"
    return f"; no key was sent: set {KEY}, and {SERVER}={url}"
