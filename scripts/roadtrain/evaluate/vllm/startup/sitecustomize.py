"""Python imports this first in every process whose PYTHONPATH has this folder: those that vLLM starts.

They import torchvision before any code of ours could run; see roadtrain.torchvision_cpu.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from pathlib import Path


class _Finder(importlib.abc.MetaPathFinder):
    """Declares the two schemas just before torchvision is imported, and is gone then."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        # By its path: the package `roadtrain` isn't importable in vLLM's processes.
        source = Path(__file__).parents[3] / "torchvision_cpu.py"
        spec = importlib.util.spec_from_file_location("roadtrain_torchvision_cpu", source)
        assert spec is not None and spec.loader is not None
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.ensure()
        return None  # the usual finders go on


sys.meta_path.insert(0, _Finder())
