"""Brings a zoo's weights into the caches of this machine, for a sandbox that has no network.

A process of its own, with the user's rights and network, builds the model once as the library has it. Nothing that came
with a submission runs in it: zoo sources have no code of their own, and their keyword arguments are left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.models.source import LoadedSubmission
from bench.sandbox.interpreter import python_view

__all__ = ["fetch_weights"]

_MOST_S = 3600.0
_PROGRAM = """
import json, sys
told = json.load(sys.stdin)
sys.path[:0] = told["paths"]
from pathlib import Path
from bench.errors import BenchError
from bench.models.build import build_model
from bench.models.source import LoadedSubmission
from bench.records.submission import Submission
manifest = Submission.parse(told["manifest"])
submission = LoadedSubmission(manifest=manifest, folder=None, **{key: told[key] for key in ("team", "name", "digest")})
try:
    build_model(submission, cache_folder=Path(told["cache_folder"]))
except BenchError as error:
    sys.exit(str(error))
"""


def fetch_weights(submission: LoadedSubmission, cache_folder: Path) -> bool:
    """Downloads the weights of a zoo's model as its library does; returns whether that went well.

    Args:
        submission: One whose source runs no code of its own.
        cache_folder: Where other downloads are kept.
    """
    manifest = submission.manifest.as_json()
    manifest["model"].pop("kwargs", None)
    told = {
        "paths": [str(Path(__file__).resolve().parent.parent.parent), *python_view().paths[1:]],
        "manifest": manifest,
        "team": submission.team,
        "name": submission.name,
        "digest": submission.digest,
        "cache_folder": str(cache_folder),
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-I", "-B", "-c", _PROGRAM],
            input=json.dumps(told).encode(),
            stdout=subprocess.DEVNULL,
            timeout=_MOST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
