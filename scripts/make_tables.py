#!/usr/bin/env python3
"""Write the paper's tables: each as csv, md and tex (booktabs) with the same numbers.

Inputs, found from the run's spec.json: audit, frame indexes, accuracy, best epochs, manifests, gates, comparisons.

    python scripts/make_tables.py --spec results/sample/spec.json --output-dir tables
"""

import argparse

from tqdm import tqdm

from roadtrain import cli
from roadtrain.paper.contents import TABLES
from roadtrain.paper.tables.builders import TABLE_BUILDERS
from roadtrain.results.reader import Results


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    parser.add_argument("--output-dir", required=True, help="results/<run>/paper")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), help="which ones (all)")
    args = parser.parse_args()

    results = Results.load(args.spec)
    for name in tqdm(args.tables, desc="tables", unit="table"):
        table = TABLE_BUILDERS[name](results)
        table.write(args.output_dir)
        tqdm.write(f"{name}: {len(table.rows)} rows")


if __name__ == "__main__":
    main()
