"""A checkpoint to a repository of the Hugging Face hub: private unless told otherwise, in one commit.

The token comes from HF_TOKEN and goes nowhere but into the requests' header. HF_ENDPOINT names another hub.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from roadtrain.cli import UserError
from roadtrain.deploy.package import CARD, Package

TOKEN = "HF_TOKEN"
_KEPT = {".gitattributes"}  # the hub's own


def check_name(repository: str) -> None:
    """Raises UserError for what is no ORG/NAME."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", repository) or ".." in repository:
        raise UserError(f"--to: hub:{repository}: a repository is hub:ORG/NAME")


def push_package(package: Package, repository: str, public: bool, replace: bool) -> str:
    """Send it; returns its address. Raises UserError without a token, for a public repository unless `public`, for one
    that has other files unless `replace`, and for what the hub refuses."""
    token = os.environ.get(TOKEN, "")
    if not token:
        raise UserError(f"{TOKEN}: not set: a token of the hub that may write; it is taken from the environment only")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # nothing goes out but what is handed on
    try:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    except ImportError:
        raise UserError("huggingface_hub is not installed here: pip install huggingface_hub") from None

    with _in_one_line(repository, token):
        api = HfApi(token=token)
        address = str(api.create_repo(repository, private=not public, exist_ok=True))
        # One that was there keeps its visibility, whatever was asked for.
        if not api.repo_info(repository).private and not public:
            raise UserError(f"hub:{repository}: is public, nothing was sent: make it private, or say --public")
        names = {CARD, *package.files}
        others = sorted(set(api.list_repo_files(repository)) - names - _KEPT)
        if others and not replace:
            raise UserError(
                f"hub:{repository}: has files that are not this checkpoint's ({others[0]}, {len(others)} in all), nothing was"
                " sent: name another, or say --replace to delete them"
            )
        operations: list[Any] = [CommitOperationDelete(name) for name in others]
        operations.append(CommitOperationAdd(CARD, package.card.encode()))
        operations += [CommitOperationAdd(name, package.folder / name) for name in package.files if name != CARD]
        api.create_commit(repository, operations, commit_message=f"Roadtrain: {package.folder.name}")
    return address


@contextmanager
def _in_one_line(repository: str, token: str) -> Iterator[None]:
    """What the hub or the way to it says, without the token."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except UserError:
        raise
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = " ".join(str(error).split()).replace(token, "***")
        raise UserError(f"hub:{repository}: {reason} (a repository gets the whole commit or nothing)") from None
