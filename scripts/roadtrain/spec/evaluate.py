"""`evaluate`: how a checkpoint is asked and scored."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from roadtrain.spec.section import Integer, Number, Section, Seed


class Captions(Section):
    """How captions are written, where `data.captions` has them in val. Questions are always answered greedily."""

    max_new_tokens: Annotated[Integer, Field(ge=1, le=4096)] = Field(
        256, description="a caption ends here (WTS's have about 150 words); the rest of a clip's questions end before"
    )
    temperature: Annotated[Number, Field(ge=0, le=2)] = Field(
        0, description="0: the likeliest token each time; above: drawn from the probabilities at this temperature"
    )
    seed: Seed = Field(0, description="another seed, other draws; each caption's own, whatever is asked beside it")


class Reasoning(Section):
    """Let a checkpoint reason before it answers: <think>..</think><answer>..</answer>. Captions are written without."""

    max_new_tokens: Annotated[Integer, Field(ge=16, le=32768)] = Field(
        1024, description="reasoning and answer end here: a response that is cut off has no answer, and is counted"
    )


class Evaluate(Section):
    engine: Literal["local", "vllm"] = Field(
        "local", description="plain PyTorch and transformers, or vLLM (its environment: `make vllm` or envs/vllm.yaml)"
    )
    shards: Annotated[Integer, Field(ge=1, le=1000)] = Field(
        1, description="jobs that share the videos of one evaluation: GPUs of a machine, or nodes of a cluster"
    )
    answers: Literal["free", "letters"] = Field(
        "free", description="what may be said: anything, or only the letter of an option"
    )
    max_new_tokens: Annotated[Integer, Field(ge=1, le=4096)] = Field(16, description="greedy decoding stops here")
    reasoning: Reasoning | None = Field(
        None,
        description="responses reason first, in tags, and the answer is read out of these (docs/tar.md); max_new_tokens is this"
        " section's then",
    )
    captions: Captions = Captions()
    cameras: Literal["votes", "probabilities"] = Field(
        "votes",
        description="a test's question about several cameras: the letter that most of them say, or the one whose probabilities sum"
        " to most (docs/ai-city.md)",
    )
    caption_cameras: Literal["first", "consensus"] = Field(
        "first",
        description="a test's caption, of the texts about several cameras: that of the first one, overhead before vehicle, or the"
        " text that scores highest against the others (docs/ai-city.md)",
    )
    gpus: Annotated[Integer, Field(ge=0, le=8)] = Field(
        1, description="GPUs of one evaluation job (more than one: vllm splits the model over them); 0: the CPU"
    )
    text_only: bool = Field(
        True,
        description="ask the best epoch once more, without the media: how much of its accuracy needs them"
        " (accuracy/text_only.json)",
    )
    bootstrap_samples: Annotated[Integer, Field(ge=100, le=1_000_000)] = Field(
        2000, description="resamples of scenarios for the 95% interval"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.engine == "local" and self.gpus > 1:
            raise ValueError(
                f"gpus: {self.gpus}: engine: local takes one GPU a job; set shards: {self.gpus} to use them all"
            )
        if self.reasoning is not None and self.answers == "letters":
            raise ValueError(
                "answers: letters: a response that is a letter has no room for reasoning; answers: free goes with reasoning"
            )
        if self.reasoning is not None and self.cameras == "probabilities":
            raise ValueError(
                "cameras: probabilities: letters have none where a response begins with reasoning; cameras: votes goes with it"
            )
        return self

    def asking(self) -> str:
        """The part that defines predictions, as JSON, however many jobs and GPUs share the work: evaluate_*.py --evaluate."""
        captions = {"captions"} if self.captions == Captions() else set()
        standard = self.unsaid() | captions  # other runs stay as they are
        elsewhere = {"shards", "gpus", "text_only", "bootstrap_samples", "cameras", "caption_cameras"}
        return self.model_dump_json(exclude=elsewhere | standard)

    def unsaid(self) -> set[str]:
        """Keys that are written only where they say something."""
        return {"reasoning"} if self.reasoning is None else set()

    def scoring(self) -> str:
        """The part that defines accuracies and comparisons, as JSON: score.py and compare.py --evaluate."""
        return self.model_dump_json(include={"bootstrap_samples"})
