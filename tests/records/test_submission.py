"""The manifest of a submission."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import RecordError
from bench.records.submission import InputSpec


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"img_size": 10_000_000}, "img_size: input should be less than or equal to 4096, found 10000000"),
        ({"resize": 10_000_000}, "resize: input should be less than or equal to 8192, found 10000000"),
        ({"crop_pct": 1e-6}, "crop_pct 1e-06 makes the resized side larger than 8,192 pixels"),
        ({"std": [0.2, 0.0, 0.2]}, "std must be greater than zero in every channel"),
    ],
)
def test_an_input_that_would_fill_the_memory_is_refused(value: dict[str, Any], message: str) -> None:
    """The parent makes these pixels, for code that it does not trust."""
    with pytest.raises(RecordError) as caught:
        InputSpec.parse(value, path="submission.toml")

    assert str(caught.value) == f"submission.toml: {message}"


def test_the_largest_networks_of_the_field_fit() -> None:
    """The largest of timm's inputs has 1,024 pixels, resized to no more than their double."""
    assert InputSpec.parse({"img_size": 4096, "crop_pct": 0.5}).img_size == 4096
