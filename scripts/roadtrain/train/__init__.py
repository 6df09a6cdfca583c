"""Training: a run's TOML, its questions and their frames become a checkpoint an epoch.

In come sft.toml (toml_config.py), the questions and the frame index that it names (questions.py) and a base model; out go
epoch_<n>/ with a manifest each and the two logs. What is on disk between them is enough to go on after a kill (state.py).

Begin with trainer.py, the local engine from top to bottom; then batches.py (which questions a step holds), passes.py (their
tokens and pixels), step.py (one optimizer step) and execution.py (what this machine does fastest). distributed.py is FSDP2,
memory.py decides what fits a GPU, preflight says before a run what it will cost. cosmos/ is the other engine, and has the
same batches, sequences, loss and checks.
"""
