"""One small data set, and one run of the local engine on it that nothing disturbed."""

import pytest

from support import training


@pytest.fixture(scope="session")
def training_root(tmp_path_factory):
    return training.prepare(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="session")
def undisturbed(training_root):
    return training.must_train(training_root / "undisturbed", training.render_toml(training_root))


@pytest.fixture(scope="session")
def torchvision():
    """Importable beside a CPU build of torch: qwen-vl-utils and transformers import it."""
    from roadtrain import torchvision_cpu

    torchvision_cpu.ensure()
