"""A model card has the hub's format, the run's numbers, and no word that a hostile name could make markup of."""

import json

import pytest
from huggingface_hub import ModelCard

from roadtrain.evaluate.accuracy import read_accuracy
from roadtrain.files import read_json, sha256_file, write_json
from roadtrain.results.cards import card_text
from roadtrain.results.reader import Results
from roadtrain.spec.card import UNFILLED, Card
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from roadtrain.spec.resolved import resolve
from support.fabricate import SPEC, fabricate

FILLED = Card(license="cc-by-nc-4.0", data_license="WTS: research only", datasets=["org/wts"])


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("cards"), scenarios=6, frames=False)


@pytest.fixture
def ablation(spec):
    return Results.load(spec).ablations[0]


def card_of(ablation, checkpoint="epoch_3", card=FILLED):
    """As the hub's own library reads it."""
    return ModelCard(card_text(ablation, checkpoint, card), ignore_metadata_errors=False)


def test_the_hubs_library_reads_the_accuracy(ablation):
    (result,) = card_of(ablation).data.eval_results
    accuracy = ablation.accuracy("epoch_3")
    assert (result.metric_type, result.metric_value) == ("accuracy", round(accuracy["accuracy"], 4))
    assert result.dataset_type == "org/wts" and result.dataset_split == "validation"
    assert result.metric_args["questions"] == accuracy["total_questions"] and result.metric_args["scenarios"] == 6
    assert result.metric_args["ci95"] == [round(bound, 4) for bound in accuracy["ci95"]]


def test_the_front_matter_says_base_data_licence_and_kind(ablation):
    results = ablation.results
    file = results.at(results.paths.checkpoint(ablation.name, "zero_shot"))
    manifest = read_json(file)
    data = card_of(ablation).data.to_dict()
    assert (
        data["license"] == "cc-by-nc-4.0" and data["datasets"] == ["org/wts"] and data["library_name"] == "transformers"
    )
    assert "base_model" not in data  # a folder is no name of the hub
    ablation.settings["model"] = "nvidia/Cosmos-Reason2-2B@abc123"
    try:
        write_json(file, manifest | {"path": "/cache/hub/snapshots/abc123"})
        data, quantized = card_of(ablation).data.to_dict(), card_of(ablation, "fp8").data.to_dict()
    finally:
        write_json(file, manifest)
    assert (data["base_model"], data["base_model_relation"]) == ("nvidia/Cosmos-Reason2-2B", "finetune")
    assert quantized["base_model_relation"] == "quantized" and {"compressed-tensors", "fp8"} <= set(quantized["tags"])


def test_the_body_has_the_hashes_the_setting_and_the_gate(ablation):
    results, text = ablation.results, card_text(ablation, "fp8", FILLED)
    for split in ("train", "val"):
        assert sha256_file(results.at(results.paths.llava(split))) in text
    assert ablation.manifest("fp8")["sha256"] in text and ablation.settings["spec_hash"] in text
    assert ablation.gate["precisions"]["fp8"]["in_words"] in text and "nframes 8" in text
    for checkpoint in ("zero_shot", "majority", "text_only", "epoch_3", "fp8"):
        accuracy = read_accuracy(results.at(results.paths.accuracy(ablation.name, checkpoint)))["accuracy"]
        assert f"| {accuracy:.2%} |" in text
    assert "WTS: research only" in text and UNFILLED not in text


def test_an_adapter_alone_is_peft_and_says_what_it_needs(ablation):
    results = ablation.results
    file = results.at(results.paths.checkpoint(ablation.name, "epoch_2"))
    manifest = read_json(file)
    write_json(file, manifest | {"adapter": {"path": "x", "rank": 8, "merged": False}})
    try:
        card = card_of(ablation, "epoch_2")
    finally:
        write_json(file, manifest)
    assert card.data.library_name == "peft" and "PeftModel.from_pretrained(base" in card.text
    assert "an adapter that needs its base model" in card.text


def test_licences_that_nobody_said_stand_there_as_missing(ablation):
    card = card_of(ablation, card=Card())
    assert card.data.license is None
    assert f"{UNFILLED}: card.license\n" in card.text and f"{UNFILLED}: card.data_license\n" in card.text


def test_names_are_no_markup_and_no_yaml(ablation):
    hostile = "x: [</b>\u202e<script> `a` | b"
    text = card_text(ablation, "epoch_3", Card(license="other", license_name=hostile, data_license=hostile))
    card = ModelCard(text)
    assert card.data.license_name == hostile
    body = text.split("---\n", 2)[2]
    assert "<script>" not in body and "\u202e" not in body and "&lt;script&gt;" in body


def test_another_licence_changes_no_result():
    """It makes the cards anew, and nothing else."""
    plain = read_spec(SPEC, "s")
    filled = read_spec(SPEC | {"card": {"license": "apache-2.0", "data_license": "mine"}}, "s")
    assert filled.card.license == "apache-2.0"
    assert plain.results() == filled.results() and json.dumps(resolve(plain)) == json.dumps(resolve(filled))
    assert plain.hash("nframes8") == filled.hash("nframes8")


@pytest.mark.parametrize(
    "card, words",
    [
        ({"license": "other"}, "card: license_name is missing: license: other needs one"),
        ({"license": "apache-2.0", "license_name": "x"}, "card: license_name and license_link go with license: other"),
        ({"license": "Apache 2.0"}, "card.license: 'Apache 2.0': characters allowed"),
    ],
)
def test_a_licence_is_named_as_the_hub_names_it(card, words):
    with pytest.raises(SpecError, match=words):
        read_spec(SPEC | {"card": card}, "s")
