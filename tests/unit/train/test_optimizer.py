"""AdamW and Muon: which weights each takes, that they learn, and that a resumed one goes on exactly."""

import pytest
import torch

from roadtrain.model import bfloat16_products
from roadtrain.train.muon import GatheredMuon
from roadtrain.train.optimizer import Optimizers, learning_rate
from roadtrain.train.state import Progress, load_state, save_state


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    block = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.LayerNorm(12))
    parts = {
        "embed_tokens": torch.nn.Embedding(7, 8),
        "text": torch.nn.ModuleDict({"layers": block}),
        "lm_head": torch.nn.Linear(12, 7),
    }
    model = torch.nn.ModuleDict(parts)
    model.forward = lambda ids: parts["lm_head"](block(parts["embed_tokens"](ids)))
    model.get_input_embeddings, model.get_output_embeddings = lambda: parts["embed_tokens"], lambda: parts["lm_head"]
    return model


def learn(model, optimizer, steps: range, rate: float = 0.02) -> list[float]:
    losses = []
    for step in steps:
        ids = torch.randint(7, (32,), generator=torch.Generator().manual_seed(step))
        loss = torch.nn.functional.cross_entropy(model.forward(ids), (ids + 1) % 7)
        loss.backward()
        optimizer.step(rate)
        losses.append(loss.item())
    return losses


def test_muon_takes_the_blocks_linear_weights_and_nothing_else():
    model = network()
    adamw, muon = Optimizers(model, "Muon", 1e-3, 0.01).parts
    assert [p is model["text"]["layers"][0].weight for p in muon.param_groups[0]["params"]] == [True]
    assert sum(p.numel() for part in (adamw, muon) for p in part.param_groups[0]["params"]) == sum(
        p.numel() for p in model.parameters()
    )
    assert len(Optimizers(network(), "AdamW", 1e-3, 0.01).parts) == 1


@pytest.mark.parametrize("name", ["AdamW", "Muon"])
def test_words_learn_at_their_own_rate_and_all_else_as_before(name):
    plain, two_rates = network(), network()
    before = [p.detach().clone() for p in plain.parameters()]
    learn(plain, Optimizers(plain, name, 0.02, 0.0), range(1), rate=0.01)
    learn(
        two_rates, Optimizers(two_rates, name, 0.02, 0.0, part_rates={"embeddings": 0.06}), range(1), rate=0.01
    )  # half of both peaks
    for (key, a), b, start in zip(plain.named_parameters(), two_rates.parameters(), before, strict=True):
        times = 3 if key.startswith(("embed_tokens.", "lm_head.")) else 1
        torch.testing.assert_close(b - start, times * (a - start), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["AdamW", "Muon"])
def test_layers_have_their_own_rate_whoever_steps_them(name):
    """Muon's matrices among them."""
    plain, two_rates = network(), network()
    before = [p.detach().clone() for p in plain.parameters()]
    learn(plain, Optimizers(plain, name, 0.02, 0.0), range(1))
    learn(two_rates, Optimizers(two_rates, name, 0.02, 0.0, part_rates={"language": 0.01}), range(1))
    for (key, a), b, start in zip(plain.named_parameters(), two_rates.parameters(), before, strict=True):
        torch.testing.assert_close(b - start, (0.5 if "layers" in key else 1) * (a - start), rtol=1e-3, atol=1e-6)


def test_a_rate_of_what_is_not_trained_is_refused():
    with pytest.raises(ValueError, match=r"learning_rates\.vision: nothing of it is trained"):
        Optimizers(network(), "AdamW", 0.02, 0.0, part_rates={"vision": 0.01})


@pytest.mark.parametrize("rates", [{}, {"embeddings": 0.05}], ids=["one rate", "two rates"])
@pytest.mark.parametrize("name", ["AdamW", "Muon"])
def test_it_learns(name, rates):
    model = network()
    losses = learn(model, Optimizers(model, name, 0.02, 0.01, part_rates=rates), range(60))
    assert losses[-1] < losses[0] / 4
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("rates", [{}, {"embeddings": 0.05}], ids=["one rate", "two rates"])
@pytest.mark.parametrize("name", ["AdamW", "Muon"])
def test_state_on_disk_resumes_exactly(name, rates, tmp_path):
    straight, first, second = network(), network(), network()
    expected = learn(straight, Optimizers(straight, name, 0.02, 0.1, part_rates=rates), range(12))
    optimizer = Optimizers(first, name, 0.02, 0.1, part_rates=rates)
    before = learn(first, optimizer, range(5))
    save_state(tmp_path, first, optimizer, Progress(5, 160, 1.5))
    again = Optimizers(second, name, 0.02, 0.1, part_rates=rates)
    assert load_state(tmp_path, second, again) == Progress(5, 160, 1.5)
    assert before + learn(second, again, range(5, 12)) == expected
    assert all(torch.equal(a, b) for a, b in zip(second.parameters(), straight.parameters(), strict=False))


@pytest.mark.parametrize("schedule, middle, last", [("cosine", 0.5, 0.0), ("linear", 0.5, 0.0), ("constant", 1.0, 1.0)])
def test_learning_rate(schedule, middle, last):
    def rate(step):
        return learning_rate(step, peak=1.0, schedule=schedule, warmup=10, total=110)

    assert rate(0) == 0.1 and rate(9) == 1.0 and rate(10) == 1.0
    assert rate(60) == pytest.approx(middle) and rate(110) == pytest.approx(last)


@pytest.fixture
def one_rank():
    """A group of this process alone."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_of_shards_is_torchs(one_rank, nesterov, monkeypatch):
    """Momentum, decay and the scaled rate too; between ranks: test_train_local_ranks.py. On CPUs that multiply otherwise, too."""
    monkeypatch.setattr(bfloat16_products, "cpu_multiplies_bfloat16", lambda: True)
    from torch.distributed.tensor import Shard, distribute_tensor

    settings = {"lr": 0.02, "weight_decay": 0.1, "ns_steps": 3, "nesterov": nesterov, "adjust_lr_fn": "match_rms_adamw"}
    for shape in [(12, 8), (8, 12)]:
        torch.manual_seed(0)
        plain = torch.nn.Parameter(torch.randn(shape))
        sharded = torch.nn.Parameter(distribute_tensor(plain.detach().clone(), one_rank, [Shard(0)]))
        ours, torchs = GatheredMuon([sharded], **settings), torch.optim.Muon([plain], **settings)
        for _ in range(3):
            plain.grad = torch.randn(shape)
            sharded.grad = distribute_tensor(plain.grad, one_rank, [Shard(0)])
            ours.step()
            torchs.step()
        torch.testing.assert_close(sharded.full_tensor(), plain, rtol=1e-5, atol=1e-6)
        buffers = [part.state[p]["momentum_buffer"] for part, p in ((ours, sharded), (torchs, plain))]
        torch.testing.assert_close(buffers[0].full_tensor(), buffers[1])
