#!/usr/bin/env python3
"""What cosmos-rl runs, as controller and as policy: SFT on our frames, with our sequences, loss and prompts.

Started by cosmos-rl, not by hand: scripts/train_cosmos_rl.py starts cosmos-rl. Reads everything from cosmos-rl's config,
which is the rendered TOML (conversations, frame index, model). Environment: ROADTRAIN_TRAIN_LOG (train_log.jsonl),
ROADTRAIN_HEARTBEAT (a file that the first rank touches), ROADTRAIN_COSMOS_FOLDER (where redis may write).
"""

import sys

from roadtrain import cli, torchvision_cpu


@cli.main
def main() -> None:
    if {"-h", "--help"} & set(sys.argv):
        print(f"usage: cosmos-rl --config sft.toml {sys.argv[0]}\n\n{__doc__}")
        return
    torchvision_cpu.ensure()
    from roadtrain import cosmos_hooks, heartbeat

    heartbeat.enter("loading")
    cosmos_hooks.install()
    from cosmos_rl.launcher.worker_entry import main as work

    from roadtrain.cosmos_data import Log, Packer, Questions, Steps

    log = Log()

    def sampler(dataset: Questions, num_replicas: int, rank: int) -> Steps:
        log.follow(dataset, num_replicas)
        return Steps(dataset, num_replicas, rank)

    packer = Packer()
    work(dataset=Questions, data_packer=packer, val_data_packer=packer, batch_sampler=sampler, custom_logger_fns=[log])


if __name__ == "__main__":
    main()
