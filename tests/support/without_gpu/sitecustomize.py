"""On PYTHONPATH: the real cosmos-rl 0.4.7 trains on the CPU over gloo. Its sources with the lines below changed, nothing else:
launcher, controller, redis, torchrun, worker, FSDP2, optimizer, checkpoints and exports are its own.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys

CHANGES = {
    "cosmos_rl": [
        (
            "from . import rollout",
            "from roadtrain import torchvision_cpu\n\ntorchvision_cpu.ensure()\nfrom . import rollout",
        )
    ],
    "cosmos_rl.utils.distributed": [
        ('_get_available_device_type() or "cuda"', '"cpu"'),
        ('assert device_type == "cuda", "Only CUDA device is supported now."', ""),
        ('backend = "nccl"', 'backend = "gloo"'),
        ('backend = f"{cosmos_device_type}:{backend},cpu:gloo"', 'backend = "gloo"'),
    ],
    "cosmos_rl.policy.worker.base": [
        ('torch.device(f"cuda:{self.local_rank}")', 'torch.device("cpu")'),
        ("torch.cuda.set_device(self.device)", ""),
        ("torch.cuda.current_stream()", "None"),
    ],
    "cosmos_rl.policy.trainer.base": [('torch.device(f"cuda:{self.local_rank}")', 'torch.device("cpu")')],
    "cosmos_rl.policy.trainer.llm_trainer.llm_trainer": [('else t.to("cuda")', 'else t.to("cpu")')],
    "cosmos_rl.policy.kernel.modeling_utils": [
        ("major, _ = torch.cuda.get_device_capability(torch.cuda.current_device())", "major = 8"),
    ],
    "cosmos_rl.policy.worker.sft_worker": [("torch.cuda.Event(", "__import__('sitecustomize').Event(")],
    "cosmos_rl.policy.trainer.llm_trainer.sft_trainer": [
        (" torch.cuda.Event(enable_timing", " __import__('sitecustomize').Event(enable_timing")
    ],
    # Gone from torch 2.12 on, and nothing here uses it; cosmos-rl's own environment has torch 2.11.
    "torch.distributed.pipelining.stage": [("__all__ = [", "_RootArgPlaceholder = object\n__all__ = [")],
}


class Event:
    """A CUDA event that has always happened."""

    def __init__(self, enable_timing: bool):
        pass

    def record(self) -> None:
        pass

    def query(self) -> bool:
        return True

    def elapsed_time(self, other: "Event") -> float:
        return 0.0


class Changed(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str):
        source = self.get_source(fullname)
        for old, new in CHANGES[fullname]:
            assert old in source, f"{fullname}: no {old!r}: another release"
            source = source.replace(old, new)
        return compile(source, self.path, "exec", dont_inherit=True)


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname not in CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        return spec and importlib.util.spec_from_file_location(
            fullname,
            spec.origin,
            loader=Changed(fullname, spec.origin),
            submodule_search_locations=spec.submodule_search_locations,
        )


sys.meta_path.insert(0, Finder())
