"""On a CPU without instructions for bfloat16 no product is left to PyTorch's plain loop, and products are the same."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from roadtrain.model import bfloat16_products
from roadtrain.model.bfloat16_products import products_by_float32
from roadtrain.train.optimizer import Optimizers


class Slow(TorchDispatchMode):
    """Notes what multiplies bfloat16 below it."""

    def __init__(self):
        super().__init__()
        self.products = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kinds = ("mm", "bmm", "conv", "linear", "matmul", "dot_product")
        if any(kind in str(func) for kind in kinds) and any(
            isinstance(a, torch.Tensor) and a.dtype is torch.bfloat16 for a in args
        ):
            self.products.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def old_cpu(monkeypatch):
    monkeypatch.setattr(bfloat16_products, "cpu_multiplies_bfloat16", lambda: False)


def network():
    torch.manual_seed(0)
    return torch.nn.ModuleDict(
        {"patch": torch.nn.Conv3d(3, 16, (2, 4, 4), stride=(2, 4, 4)), "up": torch.nn.Linear(16, 32)}
    )


def pass_of(model, pixels):
    """Convolution, linear layer and attention: (what comes out, the gradients of all weights)."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        tokens = model["patch"](pixels).flatten(2).mT  # [1, N, 16]
        heads = model["up"](tokens).unflatten(-1, (4, 8)).transpose(1, 2)
        out = torch.nn.functional.scaled_dot_product_attention(heads, heads, heads) @ heads.mT
    out.float().square().mean().backward()
    return [out.detach(), *(p.grad.clone() for p in model.parameters())]


def test_passes_and_their_gradients_are_those_of_bfloat16(old_cpu):
    model, pixels = network(), torch.randn(1, 3, 4, 16, 16)
    expected = pass_of(model, pixels)
    with Slow() as plain:
        pass_of(model, pixels)
    with Slow() as slow, products_by_float32("cpu"):
        found = pass_of(model, pixels)
    assert plain.products and not slow.products
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert (ours - theirs).norm() < 0.02 * theirs.norm()  # an eighth of bfloat16's seven bits a number


def test_muon_steps_as_before(old_cpu, monkeypatch):
    weights = {}
    for native in (True, False):
        monkeypatch.setattr(bfloat16_products, "cpu_multiplies_bfloat16", lambda native=native: native)
        torch.manual_seed(0)
        linear = torch.nn.Linear(24, 40)
        model = torch.nn.ModuleDict({"text": torch.nn.ModuleDict({"layers": torch.nn.ModuleList([linear])})})
        model.get_input_embeddings = model.get_output_embeddings = lambda: None
        linear.weight.grad, linear.bias.grad = torch.randn(40, 24), torch.randn(40)
        optimizer = Optimizers(model, "Muon", 0.1, 0.0)
        with Slow() as slow:
            optimizer.step(0.1)
        assert bool(slow.products) == native
        weights[native] = linear.weight.detach()
    torch.testing.assert_close(weights[False], weights[True], rtol=0, atol=2e-3)


def test_nothing_changes_where_the_cpu_multiplies_bfloat16(monkeypatch):
    monkeypatch.setattr(bfloat16_products, "cpu_multiplies_bfloat16", lambda: True)
    with Slow() as slow, products_by_float32("cpu"):
        torch.ones(2, 2, dtype=torch.bfloat16) @ torch.ones(2, 2, dtype=torch.bfloat16)
    assert slow.products
