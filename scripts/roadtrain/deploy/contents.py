"""The files that launch a model: results/<run>/<ablation>/deploy/. Rules read this too: it imports nothing."""

# Each from templates/<name>.j2.
NIM = ("docker.sh", "compose.yaml", "nimservice.yaml", "deployment.yaml")
VLLM = ("vllm-compose.yaml", "vllm-deployment.yaml")  # for who has no NIM
TEMPLATES = (*NIM, *VLLM, "vss.env")
MANIFEST = "manifest.json"  # what is deployed, and why that was allowed
FILES = (*TEMPLATES, MANIFEST)
LAUNCHERS = (*NIM, *VLLM)  # what starts a service; the report shows them
