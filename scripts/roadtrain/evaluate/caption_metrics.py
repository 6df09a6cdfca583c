"""A caption against its reference: BLEU-4, METEOR, ROUGE-L and CIDEr, as the AI City challenge's scorer computes them.

The scorer is evaluation/eval-metrics-AIC-Track2 of woven-visionai/wts-dataset; tests run it beside this on the same
captions. Each caption is scored by itself, in its quirks too: identical texts of four words or more have 1, 1 - 0.5 / words^3, 1 and 10.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from math import exp, sqrt
from typing import TypedDict

from roadtrain.evaluate.wordnet import wordnet

_WORD = re.compile(r"[a-z0-9]", re.IGNORECASE)
LONGEST = 4  # words of the longest n-gram, in BLEU and CIDEr
SIGMA = 6.0  # of CIDEr's penalty for another length


class CaptionScores(TypedDict):
    """Of one caption, or means over many."""

    bleu: float  # 0 to 1
    meteor: float  # 0 to 1
    rouge_l: float  # 0 to 1
    cider: float  # 0 to 10


@cache
def caption_scores(caption: str, reference: str) -> CaptionScores:
    """Of one caption. Cached: the cameras of a scenario share references, and a resting model repeats itself. Raises UserError
    where WordNet is missing."""
    words, reference_words = _tokens(caption), _tokens(reference)
    return {
        "bleu": _bleu(words, reference_words),
        "meteor": _meteor(words, reference_words),
        "rouge_l": _rouge_l(caption, reference),
        "cider": cider(words, reference_words),
    }


def mean_scores(scores: Sequence[CaptionScores], count: int | None = None) -> CaptionScores:
    """Their mean; with `count`, over so many captions, those that are missing counting 0."""
    count = len(scores) if count is None else count
    return {
        "bleu": sum(score["bleu"] for score in scores) / count,
        "meteor": sum(score["meteor"] for score in scores) / count,
        "rouge_l": sum(score["rouge_l"] for score in scores) / count,
        "cider": sum(score["cider"] for score in scores) / count,
    }


def caption_points(scores: CaptionScores) -> float:
    """The challenge's caption score: the mean of 100 BLEU-4, 100 METEOR, 100 ROUGE-L and 10 CIDEr."""
    return (100 * scores["bleu"] + 100 * scores["meteor"] + 100 * scores["rouge_l"] + 10 * scores["cider"]) / 4


def wordless_warning(references: Iterable[str]) -> str | None:
    """A warning where references have no word that the metrics know, else None: ROUGE-L takes Latin letters and digits alone, and
    the others take words between blanks, so that the very same text in Chinese gets about a quarter of the points."""
    texts = list(references)
    wordless = sum(not _WORD.search(text) for text in texts)
    if not wordless:
        return None
    return (
        f"{wordless} of {len(texts)} reference texts have no word of Latin letters: the caption metrics are made for English, and give few"
        " points to the very same text"
    )


def _tokens(text: str) -> list[str]:
    """Words and punctuation by the rules of the Penn Treebank."""
    from nltk.tokenize import TreebankWordTokenizer

    words: list[str] = TreebankWordTokenizer().tokenize(text)
    return words


def _bleu(words: list[str], reference: list[str]) -> float:
    """Sentence BLEU-4, smoothed by method 3 of Chen & Cherry (2014): NIST's."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smoothing = SmoothingFunction().method3
    weights = (1 / LONGEST,) * LONGEST
    return float(sentence_bleu([_as_split(reference)], _as_split(words), weights, smoothing))


def _meteor(words: list[str], reference: list[str]) -> float:
    from nltk.translate.meteor_score import meteor_score

    return float(meteor_score([_as_split(reference)], _as_split(words), wordnet=wordnet()))


def _as_split(words: list[str]) -> list[str]:
    """What the scorer gives BLEU and METEOR: the joined words split at spaces, so that no word is one empty word."""
    return words or [""]


def _rouge_l(caption: str, reference: str) -> float:
    """F of the longest common subsequence of stems; on the text itself, which it tokenizes its own way."""
    from rouge_score.rouge_scorer import RougeScorer

    return float(RougeScorer(["rougeL"], use_stemmer=True).score(reference, caption)["rougeL"].fmeasure)


def cider(words: Sequence[str], reference: Sequence[str]) -> float:
    """CIDEr-D (Vedantam, Zitnick & Parikh, CVPR 2015) of a corpus of one caption, from 0 to 10.

    Document frequencies over one reference say nothing: every n-gram weighs its count. That leaves the cosine between
    counts, those of the caption clipped to the reference's, with a Gaussian penalty for the difference of lengths (of
    which the scorer counts the bigrams), averaged over n-grams of 1 to 4 words, times 10.
    """
    difference = max(len(words) - 1, 0) - max(len(reference) - 1, 0)
    total = 0.0
    for n in range(1, LONGEST + 1):
        counts, wanted_counts = _ngrams(words, n), _ngrams(reference, n)
        overlap = sum(min(count, wanted_counts[gram]) * wanted_counts[gram] for gram, count in counts.items())
        norm = _norm(counts) * _norm(wanted_counts)
        total += overlap / norm if norm else 0.0
    return 10 * total / LONGEST * exp(-(difference**2) / (2 * SIGMA**2))


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _norm(counts: Counter[tuple[str, ...]]) -> float:
    return sqrt(sum(count * count for count in counts.values()))
