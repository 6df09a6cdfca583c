"""The function that builds each of the paper's tables."""

from collections.abc import Callable

from roadtrain.paper.table import Table
from roadtrain.paper.tables.accuracy import accuracy_table
from roadtrain.paper.tables.captions import captions_table
from roadtrain.paper.tables.comparisons import comparisons_table
from roadtrain.paper.tables.data import data_table
from roadtrain.paper.tables.kinds import kinds_table
from roadtrain.paper.tables.quantization import quantization_table
from roadtrain.paper.tables.sets import sets_table
from roadtrain.paper.tables.tokens import tokens_table
from roadtrain.paper.tables.training import training_table
from roadtrain.results.reader import Results

# The keys are those of roadtrain.paper.contents.TABLES.
TABLE_BUILDERS: dict[str, Callable[[Results], Table]] = {
    "t1_data": data_table,
    "t2_tokens": tokens_table,
    "t3_accuracy": accuracy_table,
    "t4_training": training_table,
    "t5_comparisons": comparisons_table,
    "t6_quantization": quantization_table,
    "t7_captions": captions_table,
    "t8_kinds": kinds_table,
    "t9_sets": sets_table,
}
