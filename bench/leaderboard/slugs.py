"""File names of pages: made from keys, never the keys themselves."""

from __future__ import annotations

import hashlib
import re
from functools import cache

__all__ = ["slug"]

_LONGEST = 60


@cache  # every page asks for its own and for its neighbours'
def slug(key: str) -> str:
    """A file name for any key: `[a-z0-9-]`, never empty or reserved, different for different keys.

    The hash at its end keeps apart keys that differ only in what a file name cannot hold.

    >>> slug("timm/resnet50.a1_in1k")
    'timm-resnet50-a1-in1k-a5183cfc'
    """
    words = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:_LONGEST].strip("-")
    return f"{words or 'entry'}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
