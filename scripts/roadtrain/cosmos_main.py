"""cosmos-rl's own launcher (the command `cosmos-rl`), with its controller on 127.0.0.1 when there is one node.

    python -m roadtrain.cosmos_main --config run.toml scripts/cosmos_sft.py
"""

import socket
import sys


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


def main() -> None:
    from roadtrain import torchvision_cpu

    torchvision_cpu.ensure()
    from cosmos_rl.launcher import launch_all
    from cosmos_rl.utils import network_util

    if "--num-workers" not in sys.argv:
        network_util.bind_available_port = bind_locally
    launch_all.main()


if __name__ == "__main__":
    main()
