"""What training, evaluation, quantization and deployment left of one ablation of the made-up run (fabricate.py)."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from roadtrain.data.llava import read_questions
from roadtrain.deploy.contents import FILES
from roadtrain.evaluate.accuracy import computed_from, score
from roadtrain.evaluate.caption_predictions import read_captions, score_captions
from roadtrain.evaluate.majority import MajorityAnswers
from roadtrain.evaluate.predictions import prediction_row, read_predictions
from roadtrain.evaluate.replies import Reply
from roadtrain.files import sha256_file, write_json
from roadtrain.paths import Paths
from roadtrain.quantize.gate import judge_all
from roadtrain.spec.quantize import Quantize
from roadtrain.spec.resolved import AblationSettings
from support.captions import caption, reworded
from support.fabricated_data import SOFTWARE

CHANCE = {"zero_shot": 0.1, "epoch_1": 0.75, "epoch_2": 0.85, "epoch_3": 0.88}  # of knowing, else a guess
TEXT_ONLY_KNOWS = 0.3
STEPS = 20  # of an epoch
MAX_ACCURACY_DROP = 0.02
BOOTSTRAP_SAMPLES = 500


def write_ablation(root, run, name, settings, entries, rng, quantize=None):
    """`entries`: {split: its conversations}."""
    ablation = Ablation(root, run, name, settings)
    ablation.questions = len(entries["train"])
    ablation.write_plan(questions=len(entries["train"]))
    ablation.write_training(rng)
    answers = {checkpoint: draw_answers(entries["val"], knows, rng) for checkpoint, knows in CHANCE.items()}
    best = answers[ablation.best]
    answers["fp8"] = {id: ("Z" if rng.random() < 0.01 and len(answer) < 40 else answer) for id, answer in best.items()}
    training = run.training(settings["train"]["share"], settings["train"]["seed"])
    majority = MajorityAnswers.of(read_questions(root / training))
    answers["majority"] = {q.id: majority.answer(q) for q in read_questions(root / run.llava("val"))}
    answers["text_only"] = draw_answers(entries["val"], TEXT_ONLY_KNOWS, random.Random(1))
    for checkpoint, responses in answers.items():
        ablation.write_evaluation(checkpoint, responses)
    ablation.write_best()
    ablation.write_quantized(quantize or Quantize(max_accuracy_drop=MAX_ACCURACY_DROP))
    ablation.write_deployment()


@dataclass
class Ablation:
    root: Path
    run: Paths
    name: str
    settings: AblationSettings
    questions: int = 480  # of an epoch

    @property
    def epochs(self):
        return self.settings["train"]["epochs"]

    @property
    def best(self):
        return f"epoch_{self.epochs}"

    def write_plan(self, questions):
        cost = {"training_flops": 1e12, "seconds": 100.0, "gpu_hours": 0, "memory_gib_per_gpu": 0.4}
        plan = {
            "model": self.settings["model"],
            "sequences": "shared-video",
            "clips": {"total": 40, "left_out": []},
            "questions": questions,
            "vision_tokens": {"min": 60, "mean": 60.0, "max": 60, "total": 2400},
            "longest_sequence": 700,
            "model_max_length": 2048,
            "epochs": self.epochs,
            "steps": self.epochs * STEPS,
            "gpus": 0,
            "estimate": {"shared-video": cost, "per-question": cost, "shared_video_saves": 4.2, "assumes": "x"},
            "checks": [{"name": "one-frame-rule", "state": "ok", "found": "vision: nframes", "remedy": "-"}],
        }
        write_json(self.root / self.run.preflight(self.name), plan)
        (self.root / self.run.toml(self.name)).write_text('[policy]\nmodel_name_or_path = "specs/sample/base"\n')

    def write_training(self, rng):
        steps = self.epochs * STEPS
        log = [
            {
                "step": step + 1,
                "epoch": step // STEPS + 1,
                "loss": 1.4 * 0.95**step + 0.02 * rng.random(),
                "learning_rate": 1e-3 * (1 - step / steps),
                "grad_norm": 1.0,
                "questions": 96,
                "tokens": 5000,
            }
            for step in range(steps)
        ]
        write_lines(self.root / self.run.train_log(self.name), log)
        for epoch in range(self.epochs + 1):
            checkpoint = f"epoch_{epoch}" if epoch else "zero_shot"
            write_json(self.root / self.run.checkpoint(self.name, checkpoint), self.manifest(checkpoint, epoch))

    def manifest(self, checkpoint, epoch):
        training = {
            "steps": self.epochs * STEPS,
            "questions": self.questions * epoch,
            "device": "cpu",
            "seconds": 61.5 * epoch,
            "fingerprint": "f",
        }
        return {
            "checkpoint": checkpoint,
            "path": f"{self.run.weights(self.name)}/{checkpoint}",
            "sha256": f"{epoch:064}",
            "files": {},
            "precision": "bfloat16",
            "epoch": epoch,
            "step": STEPS * epoch,
            "base_model": self.settings["model"],
            "software": SOFTWARE,
        } | (training if epoch else {})

    def write_evaluation(self, checkpoint, responses):
        """`responses`: {question id: what the model wrote}."""
        predictions = self.root / self.run.predictions(self.name, checkpoint)
        write_predictions(predictions, self.root / self.run.llava("val"), responses)
        source = self.root / self.run.predictions_source(self.name, checkpoint)
        write_json(
            source,
            {
                "checkpoint": checkpoint,
                "checkpoint_sha256": "0" * 64,
                "model": self.settings["model"],
                "precision": "bfloat16",
                "vision": self.settings["vision"],
                "llava_sha256": sha256_file(self.root / self.run.llava("val")),
                "engine": "local",
                "software": SOFTWARE,
            },
        )
        answers, captions = read_predictions(predictions), read_captions(predictions)
        scores = score(answers, BOOTSTRAP_SAMPLES)
        if captions:
            scores["captions"] = score_captions(captions, answers, BOOTSTRAP_SAMPLES)
        accuracy = {**scores, "computed_from": computed_from(source, self.settings["spec_hash"])}
        write_json(self.root / self.run.accuracy(self.name, checkpoint), accuracy)

    def write_best(self):
        accuracy = json.loads((self.root / self.run.accuracy(self.name, self.best)).read_text())["accuracy"]
        best = {
            "checkpoint": self.best,
            "epoch": self.epochs,
            "accuracy": accuracy,
            "manifest": self.run.checkpoint(self.name, self.best),
            "path": f"{self.run.weights(self.name)}/{self.best}",
        }
        write_json(self.root / self.run.best(self.name), best)

    def write_quantized(self, settings):
        """The manifest and the gate."""
        manifest = self.manifest("fp8", self.epochs) | {
            "precision": "fp8",
            "parent": self.best,
            "bytes": 5_000_000,
            "parent_bytes": 8_000_000,
            "size_ratio": 0.625,
            "quantized_layers": [f"model.language_model.layers.{n}.mlp.up_proj" for n in range(14)],
            "calibration_videos": 32,
        }
        write_json(self.root / self.run.quantized(self.name, "fp8"), manifest)
        before, after = (
            str(self.root / self.run.predictions(self.name, checkpoint)) for checkpoint in (self.best, "fp8")
        )
        best = str(self.root / self.run.best(self.name))
        gate = judge_all(best, [before], [after], settings)
        write_json(self.root / self.run.gate(self.name), gate)

    def write_deployment(self):
        for name in FILES:
            file = self.root / self.run.deploy(self.name, name)
            file.parent.mkdir(exist_ok=True)
            launcher = f"# {name} of {self.name}\ndocker run <x> && true\n"
            file.write_text("{}\n" if name.endswith("json") else launcher)


def draw_answers(values, knows, rng):
    """{id: response}: what is right, or a guess; a few in words and a few that can't be read."""
    responses = {}
    hard = {value["wts_id"]: rng.betavariate(6, 2) for value in values}
    for value in values:
        if value["type"] == "caption":
            responses[value["id"]] = draw_caption(value, knows)
            continue
        letters = [c for c in "ABCD" if f"\n {c}: " in value["conversations"][0]["value"]]
        right = rng.random() < knows * (0.6 + 0.5 * hard[value["wts_id"]])
        letter = value["conversations"][1]["value"] if right else rng.choice(letters)
        forms = [letter, f"The answer is {letter}", "I cannot tell"]
        responses[value["id"]] = rng.choices(forms, [0.96, 0.03, 0.01])[0]
    return responses


def draw_caption(value, knows):
    """The reference with words changed, or something else. A generator of its own: the answers stay what they were."""
    rng, reference = random.Random(f"{value['id']} {knows}"), value["conversations"][1]["value"]
    return reworded(rng, reference) if rng.random() < knows else caption(rng)


def write_predictions(path, llava, responses):
    rows = [prediction_row(question, Reply(responses[question.id])) for question in read_questions(llava)]
    shares = [draw_probabilities(row) if row["options"] else None for row in rows]
    write_lines(path, [row | {"probabilities": share} for row, share in zip(rows, shares, strict=True)])


def draw_probabilities(row):
    """Surer when right, but too sure when wrong. A generator of its own: the answers stay what they were."""
    rng, others = random.Random(row["id"] + str(row["answer"])), [c for c in row["options"] if c != row["answer"]]
    if row["answer"] not in row["options"]:
        return {c: round(1 / len(others), 6) for c in others}
    sure = rng.uniform(0.55, 0.99) if row["is_correct"] else rng.uniform(0.4, 0.97)
    return {c: round(sure if c == row["answer"] else (1 - sure) / len(others), 6) for c in row["options"]}


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
