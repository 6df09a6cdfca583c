"""merged.csv: what several cameras said about a question or a phase of the test, and what of it was submitted."""

import csv
import io
from collections.abc import Iterator, Mapping

from roadtrain.evaluate.submission import Ballot
from roadtrain.evaluate.submitted_captions import Choice, Phase, Texts

COLUMNS = ("kind", "name", "phase", "subject", "cameras", "with_answer", "different", "submitted", "weight", "answers")


def merged_table(ballots: Mapping[str, Ballot], texts: Mapping[Phase, Texts], rule: Choice) -> str:
    """CSV, a row a question (`name`: its id, `submitted`: a letter, `weight`: its share of all votes or probabilities) and a row a
    caption (`name`: the scenario, `submitted`: the video whose text it is, `weight`, with `consensus`: its mean score against the other texts)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(_questions(ballots))
    writer.writerows(_captions(texts, rule))
    return out.getvalue()


def _questions(ballots: Mapping[str, Ballot]) -> Iterator[dict[str, str | int]]:
    for id, ballot in ballots.items():
        total, winner = sum(ballot.weights.values()), ballot.winner
        yield {
            "kind": "question",
            "name": id,
            "cameras": ballot.cameras,
            "with_answer": sum(answer is not None for answer in ballot.answers),
            "different": "yes" if ballot.is_disputed else "no",
            "submitted": winner or "",
            "weight": f"{ballot.weights[winner] / total:.4f}" if winner and total else "",
            "answers": " ".join(answer or "-" for answer in ballot.answers),
        }


def _captions(texts: Mapping[Phase, Texts], rule: Choice) -> Iterator[dict[str, str | int]]:
    for (scenario, label, subject), here in texts.items():
        chosen = here.choose(rule)
        compared = rule == "consensus" and len(here.candidates) > 1
        yield {
            "kind": "caption",
            "name": scenario,
            "phase": label,
            "subject": subject,
            "cameras": len(here.videos),
            "with_answer": len(here.candidates),
            "different": "yes" if here.is_disputed else "no",
            "submitted": "" if chosen is None else here.videos[chosen],
            "weight": f"{here.likeness(chosen):.2f}" if compared and chosen is not None else "",
        }
