"""What reaches the model, on every way to it: the same clips through training, evaluation, vLLM, its server and stock libraries.

clips         makes the clips, whose frames carry their number, and lists what is asked about them
seen          tokens, sizes and pixels that reached the model, on disk; pictures and numbers read back from the pixels
by_us         training's sequence, evaluation's prompt
by_stock      stock transformers' processor, qwen-vl-utils as in the recipe
by_vllm       vLLM offline (in vLLM's Python)
by_server     vLLM's HTTP server, given the file or the frames
by_cosmos     cosmos-rl's packer (in cosmos-rl's Python)
recorder      vLLM's plugin that writes down what the vision tower is given
comparing     one way against training: equal, or by how much
page          the table in docs/conformance.md
"""
