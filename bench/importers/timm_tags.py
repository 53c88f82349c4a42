"""The training data that the tag of a timm model names."""

from __future__ import annotations

import re

__all__ = ["NO_WEIGHTS", "UNKNOWN", "extra_training_data"]

NO_WEIGHTS = "no weights"
"""What is written in place of training data where the speed of an architecture was measured."""

UNKNOWN = "not known"
"""What is written where a tag names no training data at all."""

# timm's words for what a network saw before or beside ILSVRC-2012, in the order in which they are named. A tag may hold
# several: `clip_laion2b_soup_ft_in12k_in1k`. What a teacher saw (`dist`, `usi`) no tag says.
_PAIRS = {
    "laion2b": "LAION-2B",
    "laion400m": "LAION-400M",
    "laiona": "LAION-Aesthetic",
    "openai": "WIT-400M (OpenAI)",
    "webli": "WebLI",
    "datacompxl": "DataComp-1B",
    "dfn2b": "DFN-2B",
    "dfn5b": "DFN-5B",
    "merged2b": "Merged-2B",
}
_IMAGES = {
    "m30m": "Merged-30M",
    "m38m": "Merged-38M",
    "jft": "JFT-300M",
    "ig1b": "IG-1B",
    "seer": "IG-1B (SEER)",
    "swag": "IG-3.6B (SWAG)",
    "yfcc100m": "YFCC-100M",
    "lvd142m": "LVD-142M",
    "lvd1689m": "LVD-1689M",
    # All of ImageNet, 21,841 classes, has two names; PaddlePaddle's SSLD drew 4 to 6 million images from it.
    "in21k": "ImageNet-21k",
    "in22k": "ImageNet-21k",
    "ssld": "ImageNet-21k",
    "in12k": "ImageNet-12k",
}
_UNNAMED_PAIRS = "Image-text pairs (CLIP)"
_ILSVRC = "in1k"


def extra_training_data(model: str) -> str:
    """What a model saw beyond ILSVRC-2012, read from its tag; `none`, or names joined by " + ".

    Args:
        model: The model's name, `architecture.tag`.

    >>> extra_training_data("convnext_xxlarge.clip_laion2b_soup_ft_in12k_in1k")
    'LAION-2B + ImageNet-12k'
    >>> extra_training_data("resnet50.a1_in1k")
    'none'
    """
    words = re.split(r"[_.-]", model.partition(".")[2])
    pairs = [name for word, name in _PAIRS.items() if word in words]
    if not pairs and "clip" in words:
        pairs = [_UNNAMED_PAIRS]
    images = [name for word, name in _IMAGES.items() if word in words]
    if pairs or images:
        return " + ".join(dict.fromkeys(pairs + images))
    return "none" if _ILSVRC in words else UNKNOWN
