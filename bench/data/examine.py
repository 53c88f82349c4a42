"""What one image file is: intact or not, its content hash, true format, colour mode and rotation tag."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from PIL import ExifTags, Image

from bench.data.dataset import Sample, read_sample
from bench.data.transforms import DECODE_FAILURES, decode, identify
from bench.errors import DataError

__all__ = ["Examined", "examine", "examine_all"]

_CHUNK_SAMPLES = 16
_FORMAT_OF_SUFFIX = {".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG"}
_UPRIGHT = (0, 1)
"""Orientation tags that say nothing (0 is outside the standard) or say upright."""


class Examined(NamedTuple):
    """What was found out about one sample; unknown parts are None."""

    sample: Sample
    """The sample."""
    fault: str | None
    """Why it cannot be read or decoded."""
    sha256: bytes | None
    """The hash of the file's content."""
    format: str | None
    """The format by content, such as JPEG."""
    mode: str | None
    """The colour mode as stored, such as RGB, L or CMYK."""
    is_rotated: bool
    """An EXIF tag asks for a rotation (which is ignored)."""

    @property
    def is_misnamed(self) -> bool:
        """The content has another format than the name says."""
        suffix = self.sample.path.suffix.lower() if self.sample.num_bytes is None else ".jpeg"
        return self.format is not None and self.format != _FORMAT_OF_SUFFIX.get(suffix, self.format)


def examine(sample: Sample) -> Examined:
    """Reads and decodes one sample; what is wrong with it becomes part of the answer."""
    sha256 = file_format = mode = None
    try:
        content = read_sample(sample)
        sha256 = hashlib.sha256(content).digest()
        header = identify(content, sample.shown)
        # A JPEG with a second picture inside (MPO) is a JPEG to every other reader.
        file_format, mode = "JPEG" if header.format == "MPO" else header.format, header.mode
        is_rotated = _is_rotated(header)
        decode(content, sample.shown)
    except DataError as error:
        return Examined(sample, error.message, sha256, file_format, mode, is_rotated=False)
    return Examined(sample, None, sha256, file_format, mode, is_rotated)


def examine_all(
    samples: Sequence[Sample], *, num_threads: int, on_progress: Callable[[int], None] | None = None
) -> Iterator[Examined]:
    """Examines samples with threads, in order.

    Args:
        samples: What to look at.
        num_threads: How many at once.
        on_progress: Takes how many more samples are done.
    """
    chunks = [samples[start : start + _CHUNK_SAMPLES] for start in range(0, len(samples), _CHUNK_SAMPLES)]
    pool = ThreadPoolExecutor(max_workers=max(1, num_threads), thread_name_prefix="bench-examine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd EXIF data and palettes, which change no pixel
        try:
            for examined in pool.map(lambda chunk: [examine(sample) for sample in chunk], chunks):
                yield from examined
                if on_progress is not None:
                    on_progress(len(examined))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _is_rotated(image: Image.Image) -> bool:
    with contextlib.suppress(*DECODE_FAILURES):  # broken EXIF data ask for nothing
        return image.getexif().get(ExifTags.Base.Orientation, 1) not in _UPRIGHT
    return False
