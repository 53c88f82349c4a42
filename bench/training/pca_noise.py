"""Noise along the principal components of colour (Krizhevsky, Sutskever, Hinton 2012, section 4.1).

Ours, since neither torchvision nor timm has it.

Shape letters: H height, W width, C = 3 colours, K = 3 components.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["add_pca_noise"]

# The paper gives the method and the standard deviation 0.1, not the components. These are those of the ImageNet
# training set that the authors' successors published with their code, for pixels from 0 to 1 (facebookarchive/
# fb.resnet.torch, datasets/imagenet.lua: pca.eigval, pca.eigvec), and that everyone has used since.
_EIGENVALUES_K = np.array([0.2175, 0.0188, 0.0045])
_EIGENVECTORS_CK = np.array(
    [
        [-0.5675, 0.7192, 0.4009],
        [-0.5808, -0.0045, -0.8140],
        [-0.5836, -0.6948, 0.4203],
    ]
)


def add_pca_noise(
    pixels_HWC: npt.NDArray[np.uint8], normals_K: tuple[float, float, float], sd: float
) -> npt.NDArray[np.uint8]:
    """An image with one colour added to every pixel: the components, times their eigenvalues and random factors.

    The original adds in floating point and clips nothing; uint8 costs at most half a level, and clipping only where
    the pixel is black or white already.

    Args:
        pixels_HWC: uint8 RGB (H, W, C); not changed.
        normals_K: Three draws of mean 0 and standard deviation 1, one a component.
        sd: The standard deviation of the noise; 0.1 in the paper.

    Returns:
        uint8 RGB (H, W, C).

    >>> add_pca_noise(np.full((1, 1, 3), 100, np.uint8), (1.0, 0.0, 0.0), 0.1)[0, 0].tolist()
    [97, 97, 97]
    """
    shift_C = 255 * _EIGENVECTORS_CK @ (sd * np.asarray(normals_K) * _EIGENVALUES_K)
    # Of 256 levels only: a table is a tenth of the work of arithmetic on all pixels.
    table_LC = np.clip(np.rint(np.arange(256)[:, None] + shift_C), 0, 255).astype(np.uint8)
    return np.stack([table_LC[pixels_HWC[..., colour], colour] for colour in range(3)], axis=-1)
