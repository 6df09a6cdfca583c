"""The tiny base model of the sample: made once on a GPU from generic material, committed in specs/sample/base.

words         pseudo-words, so that nothing of the sample's language is in the pre-training
tokenizer     byte-level BPE and the Hugging Face processor directory
architecture  Qwen3-VL with deepstack, about 5.4 million parameters
world         what can be asked about an abstract clip, in pseudo-words
clips         draws an abstract clip
lookups       text-only rows: which letter stands before which words
batches       questions and clips to token arrays of fixed shape
forward       the same function as transformers', batched over clips and over questions that share a clip
muon          the optimizer of the matrices
progress      held-out accuracy while training
"""
