"""Pseudo-words: the whole vocabulary of the pre-training.

The base model must learn *that* options are bound to letters and words to what is seen, not the sample's
words. So every content word is built from syllables by a seeded generator; only function words (what, is,
the, of ..) and the format of the prompt are English.
"""

import random

ONSETS = (
    "b bl br c ch cl d dr f fl fr g gl gr h j k l m n p pl pr qu r s sh sk sl sm sn sp st t th tr v w y z"
).split() + [""]
NUCLEI = "a a e e i i o o u ai ea ee ou oo ie".split()
CODAS = [
    "",
    "",
    "n",
    "r",
    "l",
    "m",
    "s",
    "t",
    "d",
    "k",
    "p",
    "ck",
    "nd",
    "nt",
    "rt",
    "st",
    "sh",
    "th",
    "ng",
    "ft",
    "lt",
    "rd",
    "lk",
    "ve",
    "ne",
    "te",
]
RUDE = ("shit", "fuc", "cock", "dick", "cunt", "tit", "poop", "piss", "rape")  # syllables make these, too
ENDINGS = ["ing", "er", "ed", "y", "ly", "tion", "est", "al", "ess", "ent", "en", "ous"]


def make_word(rng: random.Random, syllables: int) -> str:
    """A pronounceable lower-case pseudo-word, e.g. `strelk`, `voundaiting`."""
    word = "".join(
        rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS if k == syllables - 1 else CODAS[:9])
        for k in range(syllables)
    )
    return word + rng.choice(ENDINGS) if rng.random() < 0.35 else word


def lexicon(count: int, seed: int) -> list[str]:
    """`count` different pseudo-words of 4-11 letters, in a fixed order: a pure function of its arguments.

    Two thirds have two or three syllables. Short ones exist because real option words are often short.
    """
    rng = random.Random(seed)
    vocabulary: dict[str, None] = {}
    while len(vocabulary) < count:
        word = make_word(rng, rng.choice([1, 1, 2, 2, 2, 3]))
        if 4 <= len(word) <= 11 and not any(part in word for part in RUDE):
            vocabulary[word] = None
    return list(vocabulary)


LEXICON_SEED = 21
TRAIN_WORDS = 4000  # look-ups are drawn from these (the world's words included)
HELD_OUT_WORDS = 400  # never trained: the look-up test on unseen words

_ALL = lexicon(TRAIN_WORDS + HELD_OUT_WORDS, LEXICON_SEED)
TRAINED, HELD_OUT = _ALL[:TRAIN_WORDS], _ALL[TRAIN_WORDS:]
WORLD = [word for word in TRAINED if len(word) <= 7][:400]  # these name things in the clips
SHORT = [word for word in TRAINED if len(word) <= 9]  # and these in languages 1, 2, ..


STYLES = (str.capitalize, str.lower, str.title, str.upper)


def draw_style(rng: random.Random):
    """How a list of options is written: `Like this` three times in four; or lower, Title or UPPER case."""
    return rng.choices(STYLES, (75, 13, 8, 4))[0]


def random_phrase(rng: random.Random, words: list[str]) -> str:
    """One to three words (60/30/10 %)."""
    return " ".join(rng.sample(words, rng.choices((1, 2, 3), (6, 3, 1))[0]))


def random_options(rng: random.Random, words: list[str], count: int, simple: bool = False) -> list[str]:
    """`count` different option texts. One list in three shares a stem ("to the x", "to the y"), as real ones do.

    simple: single capitalised words, for the first steps of the training.
    """
    if simple:
        return [word.capitalize() for word in rng.sample(words, count)]
    kind, stem = rng.random(), rng.choice(words)
    if kind < 0.36:
        form = "to the {0}" if kind < 0.12 else "{1} {0}" if kind < 0.24 else "{0} {1}"
        phrases = [form.format(word, stem) for word in rng.sample(words, count)]
    else:
        phrases = []
        while len(phrases) < count:
            phrase = random_phrase(rng, words)
            if phrase not in phrases:
                phrases.append(phrase)
    style = draw_style(rng)
    return [style(phrase) for phrase in phrases]
