"""cosmos-rl's own launcher (the command `cosmos-rl`), without what it imports for nothing, and with its controller on
127.0.0.1 when there is one node.

    python -m roadtrain.train.cosmos.launcher --config run.toml scripts/cosmos_sft.py
"""

import importlib.util
import socket
import sys
import types
from pathlib import Path


def bind_locally(start_port: int, max_port: int = 65536) -> socket.socket:
    """As cosmos_rl.utils.network_util.bind_available_port, but for this machine only."""
    for port in range(start_port, max_port):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
            listening.listen(128)
            return listening
        except OSError:
            listening.close()
    raise RuntimeError(f"no free port from {start_port} to {max_port}")


def without_models() -> None:
    """Importing cosmos_rl imports every model and torch, for half a minute; its launcher starts processes and watches
    them. Empty packages, and the one function of utils.distributed that it names and never calls, stand in for them."""
    spec = importlib.util.find_spec("cosmos_rl")
    if spec is None:
        raise ModuleNotFoundError("cosmos-rl isn't installed here")
    root = Path(next(iter(spec.submodule_search_locations or [])))
    for name, folder in {"cosmos_rl": root, "cosmos_rl.launcher": root / "launcher"}.items():
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    distributed = types.ModuleType("cosmos_rl.utils.distributed")
    distributed.all_gather_object_cpu = None  # type: ignore[attr-defined]
    sys.modules[distributed.__name__] = distributed


def launch() -> None:
    """cosmos-rl's command, with the arguments of this one."""
    without_models()
    from cosmos_rl.launcher import launch_all
    from cosmos_rl.utils import network_util

    if "--num-workers" not in sys.argv:
        network_util.bind_available_port = bind_locally
        # The policy's imports take as long as the controller's: both start now, and the policy waits (cosmos_sft.py).
        launch_all.wait_for_url_ready = lambda url, process=None: None
    launch_all.main()


if __name__ == "__main__":
    launch()
