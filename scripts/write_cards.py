#!/usr/bin/env python3
"""Write the model card of every epoch and every quantized checkpoint: results/<run>/<ablation>/cards/<checkpoint>.md.

    python scripts/write_cards.py --spec results/sample/spec.json --card '{"license": "apache-2.0", "data_license": "rendered"}'

In the hub's format: base model, data by name and hash, setting, metrics, intended use and limits, how to load. Everything in it
comes from the run's files, but for --card, the spec's section: licences that it doesn't say stand there as not filled in, and
push.py sends no such card.
"""

import argparse

from roadtrain import cli
from roadtrain.files import write_text
from roadtrain.results.cards import card_text
from roadtrain.results.reader import Results
from roadtrain.spec.arguments import add_section
from roadtrain.spec.card import Card


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    add_section(parser, "card", Card)
    args = parser.parse_args()

    results = Results.load(args.spec)
    count = 0
    for ablation, checkpoint in results.all_checkpoints():
        if checkpoint == "zero_shot":  # not made here
            continue
        write_text(
            results.at(results.paths.card(ablation.name, checkpoint)), card_text(ablation, checkpoint, args.card)
        )
        count += 1
    print(f"{count} cards")


if __name__ == "__main__":
    main()
