"""From the logits of several views of an image to those of the image.

Shape letters: N images, V views of an image, M = N x V rows, C classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.backends.base import Logits

__all__ = ["average_views"]


def average_views(logits_MC: Logits, *, num_images: int) -> Logits:
    """The logarithm of the softmax averaged over the views of each image; one view is returned as it is.

    Args:
        logits_MC: M = N x V rows, the views of an image next to each other.
        num_images: N.

    Returns:
        Shape (N, C); for several views these are log-probabilities, which are logits too.
    """
    if len(logits_MC) == num_images:
        return logits_MC
    logits_NVC = logits_MC.reshape(num_images, -1, logits_MC.shape[1]).astype(np.float64)
    shifted_NVC = logits_NVC - logits_NVC.max(axis=2, keepdims=True)
    probs_NVC = np.exp(shifted_NVC)
    probs_NVC /= probs_NVC.sum(axis=2, keepdims=True)
    # The smallest positive float keeps a probability that underflowed finite, and last.
    mean_NC = np.maximum(probs_NVC.mean(axis=1), np.finfo(np.float64).tiny)
    logits_NC: npt.NDArray[np.float32] = np.log(mean_NC).astype(np.float32)
    return logits_NC
