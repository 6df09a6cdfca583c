"""The files that launch a model: results/<run>/<ablation>/deploy/. Rules read this too: it imports nothing."""

# Each from templates/<name>.j2.
TEMPLATES = ("docker.sh", "compose.yaml", "nimservice.yaml", "deployment.yaml", "vss.env")
MANIFEST = "manifest.json"  # what is deployed, and why that was allowed
FILES = (*TEMPLATES, MANIFEST)
LAUNCHERS = TEMPLATES[:4]  # what starts a service; the report shows them
