"""One finished run that the end-to-end tests share: training it takes most of their time."""

import shutil

import pytest

from support.workflow import copy_project, must_run, write_spec

# Tests that take long, start daemons or need a GPU: only when the marker is named (-m slurm).
ON_DEMAND = ("slurm", "kills", "index", "gpu")


def pytest_collection_modifyitems(config, items):
    for name in ON_DEMAND:
        if name not in config.option.markexpr:
            for item in items:
                if name in item.keywords and item.get_closest_marker(name):
                    item.add_marker(pytest.mark.skip(reason=f"only when asked for: make test-{name}"))


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
