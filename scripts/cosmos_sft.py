#!/usr/bin/env python3
"""What cosmos-rl runs, as controller and as policy: SFT on our frames, with our sequences, loss and prompts.

Started by cosmos-rl, not by hand: scripts/train_cosmos_rl.py starts cosmos-rl. Reads everything from cosmos-rl's config,
which is the rendered TOML (conversations, frame index, model). Environment: ROADTRAIN_TRAIN_LOG (train_log.jsonl),
ROADTRAIN_HEARTBEAT (a file that the first rank touches), ROADTRAIN_COSMOS_FOLDER (where redis may write).
"""

import http.client
import os
import sys
import time

from roadtrain import cli, torchvision_cpu


@cli.main
def main() -> None:
    if {"-h", "--help"} & set(sys.argv):
        print(f"usage: cosmos-rl --config sft.toml {sys.argv[0]}\n\n{__doc__}")
        return
    torchvision_cpu.ensure()
    from roadtrain.train.cosmos import heartbeat, hooks

    heartbeat.begin_phase("loading")
    hooks.install()
    from cosmos_rl.launcher import worker_entry

    from roadtrain.train.cosmos.data import QuestionDataset, SequencePacker, StepSampler
    from roadtrain.train.cosmos.step_log import StepLog

    packer = SequencePacker()
    log = StepLog(packer)

    def sampler(dataset: QuestionDataset, num_replicas: int, rank: int) -> StepSampler:
        log.follow(dataset, num_replicas)
        steps = StepSampler(dataset, num_replicas, rank)
        packer.follow(steps)
        return steps

    if os.environ["COSMOS_ROLE"] == "Policy":
        wait_for_controller(os.environ["COSMOS_CONTROLLER_HOST"])
    worker_entry.main(
        dataset=QuestionDataset,
        data_packer=packer,
        val_data_packer=packer,
        batch_sampler=sampler,
        custom_logger_fns=[log],
    )


def wait_for_controller(address: str) -> None:
    """Both were started together. The launcher ends this process when the controller dies."""
    host, port = address.rsplit(":", 1)
    while True:
        connection = http.client.HTTPConnection(host.split(";")[0], int(port), timeout=5)
        try:
            connection.request("GET", "/api/meta")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.2)


if __name__ == "__main__":
    main()
