"""What all tests share: how examples are drawn, which tests wait to be asked for, and one finished run."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from support import warm_python
from support.programs import WARM
from support.shared import made_once
from support.workflow import copy_project, must_run, write_spec

# Tests that take long, start daemons or need a GPU: only when the marker is named (-m slurm).
ON_DEMAND = ("slurm", "kills", "index", "gpu", "videos")

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as rules/start.smk: several workers share the cores

# The same examples at every run, so that only a change of the code turns a test red;
# new ones are drawn where somebody looks for them: ROADTRAIN_FUZZ_SECONDS=60.
settings.register_profile("same examples", derandomize=True)
if "ROADTRAIN_FUZZ_SECONDS" not in os.environ:
    settings.load_profile("same examples")


def pytest_configure(config):
    """pytest-xdist's processes share one folder of programs, which their parent made."""
    if WARM not in os.environ:
        os.environ[WARM] = tempfile.mkdtemp(prefix="warm")
        warm_python.install(Path(os.environ[WARM]))
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(WARM), ignore_errors=True))


def pytest_collection_modifyitems(config, items):
    for name in ON_DEMAND:
        if name not in config.option.markexpr:
            for item in items:
                if name in item.keywords and item.get_closest_marker(name):
                    item.add_marker(pytest.mark.skip(reason=f"only when asked for: make test-{name}"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the project in which the whole chain has run: training it takes most of the tests' time. To be read only."""

    def run(work):
        copy_project(work)
        write_spec(work)
        must_run(work)

    return made_once(tmp_path_factory, "finished", run)


@pytest.fixture
def work(finished, tmp_path):
    """A fresh copy of the finished run; time stamps and provenance are kept."""
    return shutil.copytree(finished, tmp_path / "w", symlinks=True)
