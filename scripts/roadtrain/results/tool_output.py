"""What a program of this machine says, where there is one and it answers."""

import shutil
import subprocess

PATIENCE = 5  # seconds: squeue hangs where its controller is away


def tool_output(program: str, *arguments: str) -> str:
    """Its standard output; empty where the program isn't installed, fails, or doesn't answer for PATIENCE seconds."""
    if shutil.which(program) is None:
        return ""
    command = [program, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
