"""Captions and questions about one clip in one go: each ends where it says, and draws by itself."""

import pytest
import torch

from roadtrain.evaluate.generation import TokenChoice, generate_answers
from roadtrain.evaluate.wording import Wording, wording_of
from roadtrain.files import read_json
from roadtrain.model.prompts import Prompter
from roadtrain.spec.evaluate import Evaluate
from support import tiny
from support.caption_split import DRAWN, SETTINGS, predictions, prepare_captions
from support.programs import run_program


def asked_together(wordings, only=None):
    """The tokens of each of three questions about one clip; `only`: of that one alone."""
    processor, model = tiny.processor(), tiny.model("float32").eval()
    model.config.use_cache = True
    prompter = Prompter(processor, "You are a helpful assistant.")
    entries = tiny.entries(3) if only is None else [tiny.entries(3)[only]]
    segments = [prompter.segment(entry) for entry in entries]
    prefix = prompter.prefix(tiny.clip())
    answers = generate_answers(model, prefix, segments, stop_tokens=set(), max_new_tokens=1, wordings=wordings)
    return [answer.tokens for answer in answers]


def test_each_ends_at_its_own_length_and_says_what_it_says_alone():
    wordings = [Wording(2), Wording(7), Wording(4)]
    together = asked_together(wordings)
    assert [len(tokens) for tokens in together] == [2, 7, 4]
    assert together == [asked_together([wording], only=k)[0] for k, wording in enumerate(wordings)]


def test_draws_depend_on_the_seed_alone_and_change_no_other_answer():
    greedy = asked_together([Wording(3), Wording(6), Wording(6)])
    drawn = asked_together([Wording(3), Wording(6, 2.0, 5), Wording(6, 2.0, 6)])
    assert drawn[0] == greedy[0] and drawn[1] != greedy[1]
    assert (
        drawn[1] == asked_together([Wording(6, 2.0, 5)], only=1)[0] != asked_together([Wording(6, 2.0, 6)], only=1)[0]
    )


def test_tokens_are_drawn_with_their_probabilities():
    """2,000 draws at temperature 2: shares within 4 standard deviations."""
    logits = torch.tensor([[2.0, 0.0, -1.0, 1.0]])
    shares, draws = (logits[0] / 2).softmax(-1), 2000
    choice = TokenChoice([Wording(1, 2.0, 3)])
    counts = torch.bincount(torch.stack([choice.next_tokens(logits)[0] for _ in range(draws)]), minlength=4)
    assert ((counts / draws - shares).abs() < 4 * (shares * (1 - shares) / draws).sqrt()).all()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return prepare_captions(tmp_path_factory.mktemp("captions"))


def test_predictions_hold_both_texts_of_a_phase(root):
    rows = predictions(root, "all", SETTINGS)
    assert [(row["id"], row["phase"], row["group"]) for row in rows[:3]] == [
        ("q0", "action", "ungrouped"),
        ("caption_pedestrian0", "action", "caption of the pedestrian"),
        ("caption_vehicle0", "action", "caption of the vehicle"),
    ]
    assert all(
        row["response"] is not None and row["answer"] is None and row["probabilities"] is None for row in rows[1:3]
    )
    assert read_json(root / "all.source.json")["captions"] == SETTINGS["captions"]
    scored = run_program(
        "score.py",
        predictions=root / "all.jsonl",
        source=root / "all.source.json",
        spec_hash="x",
        accuracy=root / "a.json",
    )
    accuracy = read_json(root / "a.json")
    assert scored.returncode == 0 and accuracy["total_questions"] == 2, scored.stderr
    assert accuracy["captions"]["sets"]["internal"]["captions"] == 4


def test_drawn_captions_are_the_same_in_shards(root):
    whole = predictions(root, "whole", DRAWN)
    parts = [row for n in (1, 2) for row in predictions(root, f"part{n}", DRAWN, shard=f"{n}/2")]
    assert parts == whole
    other = predictions(root, "other", DRAWN | {"captions": DRAWN["captions"] | {"seed": 2}})
    assert [row["response"] for row in other] != [row["response"] for row in whole]
    assert other[0] == whole[0]  # a question is answered greedily


def test_only_captions_have_the_captions_wording():
    settings, question = Evaluate.model_validate(DRAWN), tiny.entries(1)[0]
    assert wording_of(question, settings) == Wording(3)
    open_question = tiny.entries(1)[0].__class__(
        id="c", scenario="s", clip=question.clip, type="", phase="", text="", prompt="", answer="x", group="ungrouped"
    )
    assert wording_of(open_question, settings) == Wording(3)
