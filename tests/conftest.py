"""One finished run that the end-to-end tests share: training it takes most of their time."""

import shutil

import pytest
from workflow import copy_project, must_run, write_spec


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the project in which the whole chain has run."""
    work = copy_project(tmp_path_factory.mktemp("workflow"))
    write_spec(work)
    must_run(work)
    return work


@pytest.fixture
def work(finished, tmp_path):
    """A fresh copy of the finished run; time stamps and provenance are kept."""
    return shutil.copytree(finished, tmp_path / "w", symlinks=True)
