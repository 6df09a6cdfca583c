"""Names that can't be had: the one list. A name becomes a folder, and folders are copied to Windows and macOS, too.

What else a name may contain is `Name` in section.py; how names reach Kubernetes and Docker, deploy/quoting.py.
"""

from collections.abc import Iterable

# What lies in results/<run>/ beside the folders of ablations (roadtrain.paths; a test compares).
RESERVED = ("data", "frames", "paper", "metrics", "spec.json", "comparisons.json", "report.html")
# Windows' devices, with any ending: no file or folder there has such a name.
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def folder_fault(name: str) -> str | None:
    """Why no folder can have a name, None when one can."""
    if name.casefold().split(".")[0] in DEVICES:
        return f"can't be called {name}: Windows has a device of that name"
    if name.endswith("."):
        return f"can't be called {name}: Windows leaves the dot at the end away"
    return None


def ablations_fault(names: Iterable[str]) -> str | None:
    """Why ablations can't have these names, None when they can. Upper and lower case are one where folders are copied to."""
    folders = {name.casefold(): f"results/<run>/{name} is taken" for name in RESERVED}
    for name in names:
        fault = folder_fault(name)
        if fault is None and name.casefold() in folders:
            fault = f"can't be called {name}: {folders[name.casefold()]}"
        if fault is not None:
            return f"an ablation {fault}"
        folders[name.casefold()] = f"{name} is another's; on Windows and macOS they are one folder"
    return None
