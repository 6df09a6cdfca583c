"""How a step's passes are shared among ranks, and lengths among compiled functions. FSDP2 itself: test_train_local_ranks.py."""

import pytest
import torch

from roadtrain.model import compiled
from roadtrain.train import distributed
from roadtrain.train.distributed import Ranks
from roadtrain.train.execution import Execution


@pytest.mark.parametrize("passes, count", [(1, 2), (5, 2), (4, 2), (3, 8), (16, 8)])
def test_every_pass_counts_once_and_ranks_have_as_many(passes, count):
    shares = [
        distributed.passes_of_rank(list(range(passes)), Ranks(rank, count, torch.device("cpu")))
        for rank in range(count)
    ]
    assert len({len(share) for share in shares}) == 1
    assert sorted(number for share in shares for number, counts in share if counts) == list(range(passes))


def test_one_rank_on_a_cpu_needs_no_group(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ranks = distributed.join_ranks()
    assert (ranks.rank, ranks.count, ranks.device.type) == (0, 1, "cpu")
    assert not Execution.fastest(ranks, "bfloat16").sharded and not torch.distributed.is_initialized()
    assert ranks.sum(2.5) == 2.5 and ranks.first
    ranks.wait()
    plain = torch.arange(3.0)
    assert distributed.local_shard(plain) is plain and distributed.full_tensor(plain) is plain
    assert torch.equal(distributed.shard_like(plain, torch.zeros(3)), plain)


def test_lengths_fall_into_few_buckets():
    def padded(length):
        return -(-length // compiled.bucket(length)) * compiled.bucket(length)

    assert all(padded(n) % 128 == 0 for n in range(1, 40000, 7))
    assert all(padded(n) - n < 0.0625 * n for n in range(2048, 40000, 7))
    assert len({padded(n) for n in range(4000, 4500)}) <= 3 and len({padded(n) for n in range(2048, 32768)}) <= 65


def test_without_a_gpu_nothing_is_compiled_and_pytorchs_switch_is_heard(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert compiled.impossible() == "no GPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("TORCH_COMPILE_DISABLE", "1")
    assert "TORCH_COMPILE_DISABLE" in compiled.impossible()
