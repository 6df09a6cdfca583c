"""A throwaway head that guides the vision tower: it reads a clip's attributes straight off the video tokens.

Through the language model alone the tower gets no useful gradient until questions, words and letters are bound, and
then the attributes came out one by one, too slowly for minutes on a GPU. The guide gives it one from the first step; it
fades out in the second half of the training and is not saved.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .world import ATTRIBUTES

QUERIES = 4  # places that one attribute may look at: before and after, left and right
VALUES = max(a.values for a in ATTRIBUTES)


class Guide(nn.Module):
    """Attention pooling with QUERIES learned queries an attribute, then a linear classifier each."""

    def __init__(self, levels: int, width: int, hidden: int = 256):
        super().__init__()
        self.read = nn.Linear(levels * width + 24, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.queries = nn.Parameter(torch.randn(len(ATTRIBUTES) * QUERIES, hidden) * 0.05)
        self.weight = nn.Parameter(torch.randn(len(ATTRIBUTES), (QUERIES + 1) * hidden, VALUES) * 0.02)
        limit = torch.tensor([a.values for a in ATTRIBUTES])
        self.register_buffer("possible", torch.arange(VALUES)[None] < limit[:, None])

    def forward(self, tokens: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """tokens: (B, V, levels * width), V = pairs * rows * columns of `grid` -> logits (B, attributes, VALUES)."""
        x = torch.cat([tokens, self._places(grid, tokens).expand(len(tokens), -1, -1)], -1)
        x = F.gelu(self.norm(self.read(x)))
        looked = ((self.queries @ x.mT).softmax(-1) @ x).reshape(len(x), len(ATTRIBUTES), -1)
        everywhere = x.mean(1, keepdim=True).expand(-1, len(ATTRIBUTES), -1)
        logits = torch.einsum("bai,aiv->bav", torch.cat([looked, everywhere], -1), self.weight)
        return logits.masked_fill(~self.possible, -1e4)

    def _places(self, grid: tuple[int, int, int], like: Tensor) -> Tensor:
        """(V, 24): sines and cosines of a token's time, row and column, each as a share of the whole."""
        axes = torch.meshgrid(*(torch.linspace(0, 1, n, device=like.device) for n in grid), indexing="ij")
        angles = torch.stack(axes, -1).reshape(-1, 3, 1) * torch.pi * torch.tensor([0.5, 1, 2, 3], device=like.device)
        return torch.cat([angles.sin(), angles.cos()], -1).flatten(1).to(like.dtype)


def guide_loss(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits.float().flatten(0, 1), target.to(logits.device).flatten(), ignore_index=-100)
