"""The order in which a submission that is not trusted sees the images: secret while it runs, kept in the result."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

__all__ = ["secret_order"]


def secret_order(num_samples: int, seed: int) -> npt.NDArray[np.int64]:
    """A permutation of the positions 0 to N - 1, int64 (N), that follows from the seed alone.

    Sorted by a keyed hash of each position: no version of a library can change it, so a run can be repeated years
    later, and no part of it tells the rest.

    Args:
        num_samples: N.
        seed: The secret, 0 or more.
    """
    key = seed.to_bytes(16, "little")
    hashed = (
        hashlib.blake2b(position.to_bytes(8, "little"), digest_size=8, key=key).digest()
        for position in range(num_samples)
    )
    keys_N = np.frombuffer(b"".join(hashed), dtype="<u8")
    return np.argsort(keys_N, kind="stable").astype(np.int64)
