"""From the best epoch to a quantized checkpoint, and the verdict on what that cost.

In: best.json, a checkpoint, training conversations and their frames; predictions for the gate. Out: a complete
compressed-tensors directory below weights/ with its manifest, and gate.json. Begin reading with checkpoint.py; gate.py
stands for itself.
"""
