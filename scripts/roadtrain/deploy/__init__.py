"""From a checkpoint to a running service, and questions to it.

In: a checkpoint's manifest, its accuracy, the gate, the spec's deploy section. Out: results/<run>/<ablation>/deploy/,
the command line of a vLLM server, answers over HTTP. Begin reading with manifests.py for what is written, with
serving.py for what is started.
"""
