"""One optimizer step: passes forward and backward, gradients exchanged and clipped, weights updated. What the trainer
does and the benchmark times."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch

from roadtrain.model.forward import AnswerModel
from roadtrain.model.loss import answer_loss
from roadtrain.model.sequences import TokenSequence
from roadtrain.train.distributed import announce_pass, full_tensor
from roadtrain.train.execution import Execution
from roadtrain.train.optimizer import Optimizers


class StepResult(NamedTuple):
    """What a step computed, over all ranks."""

    loss: float  # mean over its questions
    grad_norm: float  # before it was clipped
    tokens: int


class OptimizerStep:
    """Call it with this rank's passes of a step; every rank has to, with as many."""

    def __init__(
        self,
        model: AnswerModel,
        optimizer: Optimizers,
        execution: Execution,
        *,
        max_grad_norm: float,
        gather_always: bool = False,
    ):
        self.model, self.optimizer, self.execution = model, optimizer, execution
        self.max_grad_norm, self.gather_always = max_grad_norm, gather_always

    def __call__(
        self, sequences: Iterable[TokenSequence], weights: Sequence[float], rate: float, number: int
    ) -> StepResult:
        """Step `number` (from 1, for messages) at learning rate `rate`. `weights` is what each pass's questions weigh: 1 /
        questions of the step on all ranks, or 0 for a pass that is there for FSDP2's exchanges only.

        Raises ValueError, before the weights are touched, when the loss or the gradient is not a number.
        """
        ranks = self.execution.ranks
        losses, tokens = [], 0
        for index, (sequence, weight) in enumerate(zip(sequences, weights, strict=True), start=1):
            if self.execution.sharded:
                announce_pass(self.model, index == len(weights), self.gather_always)
            losses.append(self._backward(sequence, weight))
            tokens += len(sequence.input_ids) if weight else 0
        parameters = self.model.parameters()
        norm = full_tensor(torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)).item()
        loss = ranks.sum(sum(part.item() for part in losses))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ValueError(
                f"step {number}: loss {loss}, gradient norm {norm}: lower learning_rate (train in the spec)"
            )
        self.optimizer.step(rate)
        return StepResult(loss, norm, round(ranks.sum(tokens)))

    def _backward(self, sequence: TokenSequence, weight: float) -> torch.Tensor:
        """A pass's gradients added to those of the step; returns its part of the loss."""
        with self.execution.products():
            with self.execution.autocast():
                logits = self.model(sequence)
            loss = answer_loss(logits, sequence.targets, sequence.target_questions) * weight
            # FSDP2 averages over the ranks; the gradient is that of the step's mean over its questions.
            (loss * self.execution.ranks.count).backward()
        return loss.detach()
