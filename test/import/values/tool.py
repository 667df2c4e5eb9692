"""Asks onnx-values, which imports, compiles and runs models."""

import json
import subprocess
import sys


def ask(tool, requests):
    """The tool's answers, one to each request (a line of JSON); ends the process where it gives fewer."""
    run = subprocess.run([tool], input="\n".join(requests) + "\n", capture_output=True, text=True)
    replies = [json.loads(line) for line in run.stdout.splitlines()]
    if len(replies) != len(requests):
        sys.exit(f"{requests[len(replies)]}: the tool ended with status {run.returncode}: {run.stderr}")
    return replies
