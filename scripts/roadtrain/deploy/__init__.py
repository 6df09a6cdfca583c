"""From a checkpoint to a running service, and questions to it.

In: a checkpoint's manifest, its accuracy, the gate, the spec's deploy section. Out: results/<run>/<ablation>/deploy/,
the command line of a vLLM server, answers over HTTP, a checkpoint with its card in a repository or a folder. Begin
reading with manifests.py for what is written, with serving.py for what is started, with package.py for what is handed on.
"""
