"""Addresses as servers, Docker and URLs want them: an IPv6 address is ::1 to the first, [::1] to the others."""

import ipaddress
from urllib.parse import urlsplit

from roadtrain.cli import UserError


def plain_host(host: str) -> str:
    """What a server listens on: [::1] without its brackets."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def bind_address(host: str) -> str:
    """What stands before a port: ::1 in brackets."""
    host = plain_host(host)
    return f"[{host}]" if ":" in host else host


def server_url(url: str) -> str:
    """A server's URL, without a slash at the end and without /v1. Raises UserError saying how it should be written."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url.rstrip("/").removesuffix("/v1")
    except ValueError:  # a port that is none, or brackets that don't close
        pass
    raise UserError(f"{url}: expected {_with_brackets(url) or 'http://HOST:PORT'}")


def _with_brackets(url: str) -> str | None:
    """How the URL of an IPv6 address should be written, None for another."""
    place = url.rpartition("//")[2].split("/")[0]
    host, _, port = place.rpartition(":")
    for address, ending in ((host, port), (place, "PORT")):
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            continue
        return f"http://[{address}]:{ending}: an IPv6 address stands in brackets"
    return None
