"""A program's command line, read by the program itself, without the work that would follow."""

import argparse
import importlib.util
import sys
from pathlib import Path

import pytest

from support.programs import ROOT


class Parsed(BaseException):
    """The arguments were understood: nothing else is done."""


def parse(program: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a program read its arguments, and do nothing else. Raises SystemExit where it refuses them."""
    spec = importlib.util.spec_from_file_location(f"documented_{program.stem}", program)
    module = importlib.util.module_from_spec(spec)
    real = argparse.ArgumentParser.parse_args

    def parse_args(self, *args, **kwargs):
        real(self, *args, **kwargs)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    monkeypatch.setattr(sys, "argv", [str(program), *words])
    monkeypatch.chdir(ROOT)
    spec.loader.exec_module(module)
    try:
        module.main()
    except Parsed:
        return
    raise AssertionError(f"{program.name}: reads no arguments")
