#!/usr/bin/env python3
"""The AI City challenge's score of a submission by hand: captions, and with --vqa the answers and S2.

    python scripts/score_captions.py --submission captions.json --references data/wts --split val --output score.json

Output (JSON): sets (internal: WTS, external: BDD_PC_5K; of each the means of BLEU-4, METEOR, ROUGE-L and CIDEr over the
phases, pedestrian and vehicle apart, the score from 0 to 100, each scenario's, what is missing), captions (their mean),
and with --vqa: vqa and s2. Numbers are those of the official scorer (woven-visionai/wts-dataset, evaluation/).
"""

import argparse

from roadtrain import cli
from roadtrain.evaluate.caption_metrics import wordless_warning
from roadtrain.evaluate.captions import (
    absent_sets,
    leaves_out,
    read_caption_submission,
    read_letters,
    read_references,
    s2,
    score_challenge,
    score_questions,
)
from roadtrain.files import write_json
from roadtrain.markup import visible


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submission", required=True, help="the captions' JSON")
    parser.add_argument("--references", required=True, help="a folder with annotations/ and external/BDD_PC_5K/")
    parser.add_argument("--split", help="only references below a folder of this name, as val (default: all)")
    parser.add_argument("--vqa", help='the answers\' JSON: [{"id", "correct"}]')
    parser.add_argument("--vqa-references", help="the right answers in the same form")
    parser.add_argument("--output", required=True, help="the JSON to write")
    args = parser.parse_args()
    if (args.vqa is None) != (args.vqa_references is None):
        raise cli.UserError("--vqa and --vqa-references go together: answers and the right ones")

    references = read_references(args.references, args.split)
    score = score_challenge(read_caption_submission(args.submission), references)
    if args.vqa is not None:
        score["vqa"] = score_questions(read_letters(args.vqa), read_letters(args.vqa_references))
        score["s2"] = s2(score["captions"], score["vqa"]["accuracy"])
    write_json(args.output, score)
    for name, part in score["sets"].items():
        print(f"{name}: {part['score']:.2f} over {part['phases']} phases of {part['scenarios']} scenarios")
        for line in leaves_out(part):
            print(visible(f"warning: {name}: {line}"))
    phases = [phase for captions in references.values() for rows in captions.values() for _, phase in rows]
    if warning := wordless_warning(text for phase in phases for text in phase.values()):
        print(f"warning: {args.references}: {warning}")
    for line in absent_sets(args.references, references):
        print(visible(f"warning: {line}"))
    if unknown := score["unknown"]:
        print(visible(f"warning: {len(unknown)} scenarios have no reference and are not scored, first {unknown[0]}"))
    print(f"captions: {score['captions']:.2f}")
    if "s2" in score:
        answers = score["vqa"]
        if answers["missing"]:
            print(
                f"warning: {answers['missing']} of {answers['questions']} questions have no answer and count as wrong"
            )
        if unknown := answers["unknown"]:
            print(visible(f"warning: {len(unknown)} answers are to no question and are not scored, first {unknown[0]}"))
        print(f"answers: {answers['accuracy']:.2%} of {answers['questions']}; S2: {score['s2']:.2f}")


if __name__ == "__main__":
    main()
