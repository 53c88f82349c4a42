"""What the manifest's input and the zoo's input make together."""

from __future__ import annotations

from bench.models.build import merged_input
from bench.records.submission import InputSpec

ZOO = InputSpec(img_size=224, crop_pct=224 / 232, resize=232, interpolation="bicubic", mean=(0.5, 0.5, 0.5))


def test_without_an_input_the_zoo_decides() -> None:
    """A short form sees what the zoo's authors showed the model."""
    assert merged_input(None, ZOO) == ZOO


def test_keys_that_are_written_replace_those_of_the_zoo() -> None:
    """One key can be changed without repeating the others."""
    merged = merged_input(InputSpec(interpolation="bilinear"), ZOO)
    assert (merged.interpolation, merged.resize, merged.mean) == ("bilinear", 232, (0.5, 0.5, 0.5))


def test_another_size_drops_the_resized_side_of_the_zoo() -> None:
    """The zoo's resized side belongs to the zoo's size."""
    merged = merged_input(InputSpec(img_size=288, crop_pct=1.0), ZOO)
    assert (merged.img_size, merged.crop_pct, merged.resize) == (288, 1.0, None)
    assert merged.interpolation == "bicubic"
    assert merged_input(InputSpec(img_size=288, resize=300), ZOO).resize == 300
