"""The loss of every training engine: each question counts once, however long its answer is.

A is the number of answer tokens in a sequence, U the size of the vocabulary.
"""

import torch
import torch.nn.functional as F


def answer_loss(logits_AU: torch.Tensor, targets_A: torch.Tensor, questions_A: torch.Tensor) -> torch.Tensor:
    """Sum over a sequence's questions of the mean cross-entropy of their answer's tokens, computed in float32 or wider.

    `targets_A` are the answers' tokens, `questions_A` says which question each belongs to (from 0). Divided by the questions
    of the whole optimizer step, the sum over its sequences is the mean of the losses that a sequence a question would have.
    """
    device = logits_AU.device
    logits_AU = logits_AU.to(torch.promote_types(logits_AU.dtype, torch.float32))
    losses_A = F.cross_entropy(logits_AU, targets_A.to(device), reduction="none")
    answer_tokens_A = torch.bincount(questions_A)[
        questions_A
    ]  # counted where the sequence lies: a GPU isn't waited for
    return (losses_A / answer_tokens_A.to(device)).sum()
