"""What every program does around its work: one line for a user's mistake, exit code 1, no traceback."""

import argparse
import functools
import os
import sys
from collections.abc import Callable

from roadtrain.markup import visible, visible_line


class UserError(Exception):
    """Something the user can mend. str(error) names the file, the key, the value and the remedy."""


def main(function: Callable[[], None]) -> Callable[[], None]:
    """Decorate a program's main(). Mistakes of the user end in one line on stderr and exit code 1. Names and texts in
    it can't steer the terminal.

    ROADTRAIN_TRACEBACK=1 shows the traceback instead, to look for a mistake of ours.
    """

    @functools.wraps(function)
    def run() -> None:
        try:
            function()
        except (UserError, ValueError, FileNotFoundError, PermissionError, NotADirectoryError) as error:
            if os.environ.get("ROADTRAIN_TRACEBACK"):
                raise
            raise SystemExit(f"{os.path.basename(sys.argv[0])}: {_line(error)}") from None
        except OSError as error:  # disk full, too many open files, ..
            if os.environ.get("ROADTRAIN_TRACEBACK"):
                raise
            raise SystemExit(
                f"{os.path.basename(sys.argv[0])}: {visible(str(error))}; what was finished before is kept"
            ) from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    return run


def at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number, `least` or more."""
    return _number("whole number", range(least, sys.maxsize), f"{least} or more")


def port(least: int) -> Callable[[str], int]:
    """The type of an argument that is a port: 1, or 0 for a free one, to 65535."""
    return _number("port", range(least, 65536), f"from {least} to 65535")


def _number(name: str, allowed: range, words: str) -> Callable[[str], int]:
    def number(text: str) -> int:
        if (value := int(text)) not in allowed:
            raise argparse.ArgumentTypeError(f"{text}: should be {words}")
        return value

    number.__name__ = name  # argparse's word for what the text isn't
    return number


def _line(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"{visible_line(str(error.filename))}: no such file or directory"
    return visible(str(error))
