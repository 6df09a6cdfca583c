"""Where everything lies: the one place that knows the file contract.

Methods take names or Snakemake wildcards ("{ablation}") alike; nothing here touches the disk.
"""

from dataclasses import dataclass

# What a checkpoint is measured against: predictions and accuracies like its own, and no checkpoint.
MAJORITY, TEXT_ONLY = "majority", "text_only"
BASELINES = (MAJORITY, TEXT_ONLY)


@dataclass(frozen=True)
class Paths:
    """The files of one run. `run` is the spec's `run`."""

    run: str

    # --- data -> frames
    def results(self, *parts: str) -> str:
        return "/".join(("results", self.run, *parts))

    def llava(self, split: str) -> str:
        return self.results("data", f"{split}.llava.json")

    def media(self, split: str) -> str:
        """Which media the split's questions name, and a print of each."""
        return self.results("data", f"{split}.media.json")

    def training(self, share: float | str, seed: int | str, name: str = "llava.json") -> str:
        """The conversations that are trained on with `train.share`: all of them, or a part; `json`: how much of all it is."""
        return self.llava("train") if share == 1 else self.results("data", f"train.share-{share}.seed-{seed}.{name}")

    @property
    def audit(self) -> str:
        return self.results("data", "audit.json")

    @property
    def audit_table(self) -> str:
        """The audit as a page to read."""
        return self.results("data", "audit.md")

    def frames(self, vision: str, split: str) -> str:
        return self.results("frames", vision, f"{split}.json")

    # --- one ablation: train -> evaluate -> quantize -> deploy
    def ablation(self, ablation: str, *parts: str) -> str:
        return self.results(ablation, *parts)

    def toml(self, ablation: str) -> str:
        return self.ablation(ablation, "sft.toml")

    def preflight(self, ablation: str) -> str:
        return self.ablation(ablation, "preflight.json")

    def checkpoint(self, ablation: str, checkpoint: str) -> str:
        return self.ablation(ablation, "checkpoints", f"{checkpoint}.json")

    def train_log(self, ablation: str) -> str:
        return self.ablation(ablation, "train_log.jsonl")

    def train_times(self, ablation: str) -> str:
        """When and where it was trained (model/times.py); no output of a rule, as all that is measured and not computed."""
        return self.ablation(ablation, "train.times.json")

    def exported_logs(self, ablation: str) -> str:
        """What was copied to TensorBoard or W&B, and where."""
        return self.ablation(ablation, "logs.json")

    def predictions(self, ablation: str, checkpoint: str) -> str:
        return self.ablation(ablation, "predictions", f"{checkpoint}.jsonl")

    def predictions_source(self, ablation: str, checkpoint: str) -> str:
        """What the predictions were computed from: model, hashes, vision setting, software."""
        return self.ablation(ablation, "predictions", f"{checkpoint}.source.json")

    def predictions_times(self, ablation: str, checkpoint: str) -> str:
        """When, where and how fast they were made, by one job; of shards see there."""
        return self.ablation(ablation, "predictions", f"{checkpoint}.times.json")

    def shard(self, ablation: str, checkpoint: str, shard: str, count: int, kind: str = "jsonl") -> str:
        """Predictions of one of `count` jobs that share a checkpoint's evaluation, and (source.json) their source, (times.json) when."""
        return self.ablation(ablation, "predictions", "shards", f"{checkpoint}.{shard}-of-{count}.{kind}")

    def accuracy(self, ablation: str, checkpoint: str) -> str:
        """Of a checkpoint, or of a baseline: `majority`, `text_only` (the best epoch without the media)."""
        return self.ablation(ablation, "accuracy", f"{checkpoint}.json")

    def submission(self, ablation: str, name: str = "submission.json") -> str:
        """What the best epoch says about the test split, and beside it the predictions that it was made from."""
        return self.ablation(ablation, "submission", name)

    def best(self, ablation: str) -> str:
        """The epoch with the highest validation accuracy (ties: the earlier one)."""
        return self.ablation(ablation, "best.json")

    def quantized(self, ablation: str, precision: str) -> str:
        return self.ablation(ablation, "quantized", f"{precision}.json")

    def open_questions(self, ablation: str) -> str:
        """Answers to the spec's open questions, with pictures."""
        return self.ablation(ablation, "open_questions.json")

    def served(self, ablation: str, precision: str) -> str:
        """What a quantized checkpoint answered over HTTP (deploy.verify: served)."""
        return self.ablation(ablation, "served", f"{precision}.jsonl")

    def served_source(self, ablation: str, precision: str) -> str:
        """What these were computed from: checkpoint, engine and release."""
        return self.ablation(ablation, "served", f"{precision}.source.json")

    def gate(self, ablation: str) -> str:
        """Whether each precision lost too much against the best epoch."""
        return self.ablation(ablation, "quantized", "gate.json")

    def deploy(self, ablation: str, name: str) -> str:
        return self.ablation(ablation, "deploy", name)

    def card(self, ablation: str, checkpoint: str) -> str:
        """The model card of an epoch or a precision; push.py puts it beside the weights as README.md."""
        return self.ablation(ablation, "cards", f"{checkpoint}.md")

    # --- paper
    def paper(self, *parts: str) -> str:
        return self.results("paper", *parts)

    @property
    def spec(self) -> str:
        """The whole spec with every default filled in."""
        return self.results("spec.json")

    @property
    def comparisons(self) -> str:
        """Every pair of checkpoints and ablations: what is significant."""
        return self.results("comparisons.json")

    def metrics(self, *parts: str) -> str:
        """What `dvc metrics` and `dvc plots` show."""
        return self.results("metrics", *parts)

    @property
    def report(self) -> str:
        return self.results("report.html")

    # --- what no rule owns: the programs that write it describe it by manifests
    def weights(self, ablation: str) -> str:
        return f"weights/{self.run}/{ablation}"

    @property
    def frame_cache(self) -> str:
        return "cache/frames"

    # --- beside the results
    def log(self, *parts: str) -> str:
        return "/".join(("logs", self.run, *parts)) + ".log"

    def exported(self, program: str, ablation: str) -> str:
        """Folder of TensorBoard's or W&B's own files."""
        return "/".join(("logs", self.run, program, ablation))

    def benchmark(self, *parts: str) -> str:
        return "/".join(("benchmarks", self.run, *parts)) + ".tsv"
