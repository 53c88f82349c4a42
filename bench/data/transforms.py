"""From the bytes of an image file to the uint8 pixels that a model sees, byte for byte as timm and torchvision do it.

Both libraries resize PIL images with Pillow's own filter on uint8 and crop with Python's half-even rounding; their
steps, in the order given here, are those of `timm.data.create_transform(..., is_training=False)` (1.0.31) and of
`torchvision.transforms._presets.ImageClassification` (0.29), and the tests compare every byte.

Shape letters: V views, H height, W width, C = 3 colours.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from bench.errors import DataError
from bench.records.protocol import Geometry
from bench.records.submission import InputSpec

__all__ = [
    "DECODE_FAILURES",
    "ViewKind",
    "cut_views",
    "decode",
    "geometry_of",
    "identify",
    "num_views",
    "pixels",
    "resized",
    "resized_size",
    "uncut_pixels",
    "uncut_side",
    "view_pixels",
]

ViewKind = Literal["single", "ten-crop"]

_NUM_VIEWS: dict[ViewKind, int] = {"single": 1, "ten-crop": 10}
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP")
"""What is opened at all; Pillow would hand other contents to outside programs (EPS) or rare parsers."""
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}
DECODE_FAILURES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's parsers raise on files that are not what they seem."""


def decode(content: bytes, name: str) -> Image.Image:
    """The image in a file, as RGB, at its own size.

    As `Image.open(...).convert("RGB")` in both libraries: the format is found by content, no `draft()`, no EXIF
    rotation, no colour profile, CMYK converted naively, before any resize.

    Args:
        content: The whole file.
        name: How an error names the file.

    Raises:
        DataError: The file is empty, truncated, or no image (it is never replaced by another one), or Pillow has been
            told to accept truncated files.
    """
    image = identify(content, name)
    if ImageFile.LOAD_TRUNCATED_IMAGES:  # process-wide; many training scripts set it when they are imported
        raise DataError(
            "is not decoded: Pillow's LOAD_TRUNCATED_IMAGES is on, so cut-off files would pass as half-grey images; "
            "remove the line that sets it from the submission's code",
            path=name,
        )
    try:
        image.load()
        # convert("RGB") of an RGB image is a copy of equal bytes: left out.
        return image if image.mode == "RGB" else image.convert("RGB")
    except DECODE_FAILURES as error:
        raise DataError(f"cannot be decoded ({error}); replace the file with an intact copy", path=name) from error


def identify(content: bytes, name: str) -> Image.Image:
    """The image in a file with its format, size and colour mode known and its pixels not yet read.

    Raises:
        DataError: The file is empty or no image.
    """
    if not content:
        raise DataError("is empty (0 bytes); replace the file with an intact copy", path=name)
    try:
        return Image.open(io.BytesIO(content), formats=_FORMATS)
    except DECODE_FAILURES as error:
        raise DataError(
            f"is not an image that can be read ({', '.join(_FORMATS)}); it begins with {content[:8]!r}", path=name
        ) from error


def geometry_of(spec: InputSpec) -> Geometry:
    """The geometry that a submission asks for (open division).

    The resized side is floor(img_size / crop_pct) in floating point, as in timm: 224 / 0.9 gives 248.
    """
    fill = tuple(round(255 * value) for value in spec.mean)
    return Geometry(
        resize=spec.resize or math.floor(spec.img_size / spec.crop_pct),
        crop=spec.img_size,
        crop_mode=spec.crop_mode,
        interpolation=spec.interpolation,
        fill=(fill[0], fill[1], fill[2]) if spec.crop_mode == "border" else None,
    )


def num_views(kind: ViewKind) -> int:
    """How many views one image gives."""
    return _NUM_VIEWS[kind]


def pixels(image: Image.Image, geometry: Geometry) -> npt.NDArray[np.uint8]:
    """The resized central crop of an image.

    Args:
        image: An RGB image.
        geometry: Resize, crop and filter.

    Returns:
        uint8 (H, W, C), H = W = geometry.crop, 0 to 255, read-only.
    """
    return np.asarray(_center_crop(resized(image, geometry), geometry.crop, geometry.fill))


def view_pixels(image: Image.Image, geometry: Geometry, kind: ViewKind) -> npt.NDArray[np.uint8]:
    """The views of an image.

    `ten-crop` (Krizhevsky et al. 2012, section 4.1): of the central square of side `resize`, the crops at (top, left)
    = (0, 0), (0, m), (m, 0), (m, m) and the centre, m = resize - crop; then the mirror images of the five.

    Args:
        image: An RGB image.
        geometry: Resize, crop and filter.
        kind: Which views.

    Returns:
        uint8 (V, H, W, C), H = W = geometry.crop, 0 to 255, read-only for a single view.

    Raises:
        DataError: Ten crops of a geometry whose crop is larger than its resize.
    """
    uncut_HWC = uncut_pixels(image, geometry, kind)
    if kind == "single":
        return uncut_HWC[np.newaxis]
    views_VHWC = np.empty((num_views(kind), geometry.crop, geometry.crop, 3), dtype=np.uint8)
    cut_views(uncut_HWC, geometry, kind, views_VHWC)
    return views_VHWC


def uncut_side(geometry: Geometry, kind: ViewKind) -> int:
    """The side, in pixels, of the square that all views of an image are cut from: for a single view the crop itself.

    Raises:
        DataError: Ten crops of a geometry whose crop is larger than its resize.
    """
    if kind == "single":
        return geometry.crop
    if geometry.resize < geometry.crop:
        raise DataError(f"ten crops need resize >= crop, but resize is {geometry.resize} and crop is {geometry.crop}")
    return geometry.resize


def uncut_pixels(image: Image.Image, geometry: Geometry, kind: ViewKind) -> npt.NDArray[np.uint8]:
    """The square that all views of an image are cut from: uint8 (S, S, C), S = uncut_side(...), read-only.

    Raises:
        DataError: Ten crops of a geometry whose crop is larger than its resize.
    """
    return np.asarray(_center_crop(resized(image, geometry), uncut_side(geometry, kind), geometry.fill))


def cut_views(
    uncut_HWC: npt.NDArray[np.uint8], geometry: Geometry, kind: ViewKind, views_VHWC: npt.NDArray[np.uint8]
) -> None:
    """Cuts the views, in the order of `view_pixels`, out of what `uncut_pixels` gave.

    Args:
        uncut_HWC: uint8 (S, S, C), S = uncut_side(...).
        geometry: Its crop.
        kind: Which views.
        views_VHWC: Takes them: uint8 (V, H, W, C), H = W = geometry.crop.
    """
    if kind == "single":
        views_VHWC[0] = uncut_HWC
        return
    crop, margin = geometry.crop, geometry.resize - geometry.crop
    center = round(margin / 2)
    corners = [(0, 0), (0, margin), (margin, 0), (margin, margin), (center, center)]
    # Mirrored once as a whole: a third of the time of mirroring each crop.
    mirrored_HWC = np.ascontiguousarray(uncut_HWC[:, ::-1])
    for number, (top, left) in enumerate(corners):
        rows = slice(top, top + crop)
        views_VHWC[number] = uncut_HWC[rows, left : left + crop]
        views_VHWC[number + len(corners)] = mirrored_HWC[rows, margin - left : margin - left + crop]


def resized(image: Image.Image, geometry: Geometry) -> Image.Image:
    """The whole image, its size as the geometry says."""
    size = resized_size(image.size, geometry)
    return image if size == image.size else image.resize(size, _FILTERS[geometry.interpolation])


def resized_size(size: tuple[int, int], geometry: Geometry) -> tuple[int, int]:
    """(width, height) after resizing an image of (width, height)."""
    width, height = size
    side = geometry.resize
    if geometry.crop_mode == "squash":
        return side, side
    if geometry.crop_mode == "border":
        # timm's ResizeKeepRatio divides by the ratio instead of multiplying: the last bit decides some roundings.
        ratio = max(width / side, height / side)
        return max(1, round(width / ratio)), max(1, round(height / ratio))
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def _center_crop(image: Image.Image, crop: int, fill: tuple[int, int, int] | None) -> Image.Image:
    """The central square, offsets rounded half to even; what is smaller is padded first, the odd pixel after it."""
    width, height = image.size
    if width < crop or height < crop:
        padded = Image.new("RGB", (max(width, crop), max(height, crop)), fill or (0, 0, 0))
        padded.paste(image, (max(0, (crop - width) // 2), max(0, (crop - height) // 2)))
        image, (width, height) = padded, padded.size
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    return image if (width, height) == (crop, crop) else image.crop((left, top, left + crop, top + crop))
