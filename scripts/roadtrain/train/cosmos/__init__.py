"""The engine cosmos-rl: the same run as the local engine's, trained by NVIDIA's cosmos-rl on NVIDIA GPUs.

Enters: the rendered TOML, its questions, their frames, the base model. Leaves: a Hugging Face checkpoint and a manifest an
epoch, train_log.jsonl. Nothing outside of this folder imports it but programs.

Two sides, in cosmos-rl's own Python environment both. Around it (scripts/train_cosmos_rl.py): begin with training.py, then
node_process.py, supervise.py, exports.py. Inside of it (scripts/cosmos_sft.py): begin with data.py, then plan.py, own_forward.py,
hooks.py.
"""
