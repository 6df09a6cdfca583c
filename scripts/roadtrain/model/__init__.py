"""Qwen3-VL: what training, evaluation and quantization have in common.

In come a checkpoint's directory and conversations about clips whose frames are in the cache; out go the logits, the loss and
the answers of every question about a clip, for the price of one pass over the clip.

Begin with sequences.py (why one sequence can hold many questions), then forward.py (how it is computed). prompts.py writes
the tokens, attention.py the mask, loss.py the loss; loading.py finds a model, checkpoints.py describes one on disk, flops.py
and sizes.py reckon with it.

A tensor's name ends in the letters of its dimensions: x_LD, q_1HLE, mask_AL. Digits are sizes.

    L  tokens of a sequence                     N  patches of its videos and pictures, in the processor's order
    P  tokens of a clip's prefix                V  vision tokens that they become: N / 4
    S  tokens of one question with its answer   M  media: videos or pictures, the rows of a grid
    K  questions                                C  clips
    A  places whose next token is an answer's   H  heads of the queries, G those of keys and values
    T  keys that a cache holds                  D  width of a model or tower, E that of one head, U words
"""
