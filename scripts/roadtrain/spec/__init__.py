"""What may be asked for: one typed file, checked before any job starts.

In: a mapping read from YAML (config.yaml, specs/), or one section of it as JSON, which programs take as an argument.
Out: frozen pydantic models, or SpecError with one line a mistake in the spec's own keys.

Begin with spec.py (the sections and their order), then reading.py (`read_spec`). A module a section: data, vision, train,
evaluate, quantize, deploy, logs, open_questions, cluster. A section that has keys which define no result, as how many
jobs share the work, has methods that give the part that does: rules pass that part, so that the rest makes nothing stale.
arguments.py turns sections and keys into options of programs, reference.py into docs/spec.md.
"""
