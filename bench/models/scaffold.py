"""The files of a new submission, commented, so that `bench check` passes before anything is changed."""

from __future__ import annotations

from pathlib import Path

from bench.data.classes import ClassTable
from bench.files import write_atomic
from bench.models.source import MANIFEST

__all__ = ["write_scaffold"]

_MANIFEST = """\
# Every key: docs/formats.md. After a change: `bench check` and this folder.
format_version = 1
title = "{title}"  # what a board shows; team and name are the folders' names
# team_title = "Acme Research"
# description = "What is special about it, in a sentence or two."
# contact = "models@acme.example"
# license = "Apache-2.0"         # of the weights
extra_training_data = "none"     # or the name of the data beyond ILSVRC-2012 that it was trained on
# paper = "https://arxiv.org/abs/1512.03385"
# code = "https://github.com/acme/model"

[model]
{model}
[outputs]
classes = "{classes}"  # the class table that names the order of the outputs
background = false               # true: output 0 is an extra background class

{input}# [claims]                       # what you report; a gap larger than the interval is flagged
# top1 = 0.75
"""
_INPUT = """\
[input]                          # the geometry counts in the open division, mean and std everywhere
img_size = {img_size}
crop_pct = 0.875
crop_mode = "center"             # center | squash | border
interpolation = "bilinear"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

"""
_ZOO_INPUT = "# [input] is left out: the zoo knows what the model wants to see.\n\n"
_MODELS = {
    "python": """\
source = "python"
file = "model.py"
factory = "build_model"          # returns a torch.nn.Module: normalised images (N, 3, H, W) to logits (N, num_outputs)
kwargs = {{ num_outputs = {num_classes} }}
# weights = "weights.safetensors"  # save_file(model.state_dict(), ...), or an https link
# sha256 = "..."                   # of the weights: sha256sum weights.safetensors
""",
    "timm": """\
source = "timm"
name = "resnet18.a1_in1k"        # architecture.tag; without weights below, timm's own are downloaded
{kwargs}# weights = "weights.safetensors"
# sha256 = "..."
""",
    "torchvision": """\
source = "torchvision"
name = "resnet18"
{kwargs}{weights}""",
    "exported": """\
source = "exported"
file = "model.pt2"               # written by `python export.py`
# sha256 = "..."                 # of the file: sha256sum model.pt2
""",
    "predictions": """\
source = "predictions"
file = "answers.csv"             # or a devkit .txt, or .parquet; every image of the split once
# sha256 = "..."                 # of the file: sha256sum answers.csv
""",
}
_NETWORK = '''\
"""A small convolutional network; replace it with yours."""

from torch import nn


def build_model(num_outputs: int = {num_classes}) -> nn.Module:
    """Returns the network: normalised images (N, 3, H, W) to logits (N, num_outputs)."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, num_outputs),
    )
'''
_EXPORT = '''\
"""Writes model.pt2: run `python export.py` again after every change."""

from pathlib import Path

import torch
from model import build_model

IMG_SIZE = {img_size}

network = build_model().eval()
images_NCHW = torch.zeros(2, 3, IMG_SIZE, IMG_SIZE)
program = torch.export.export(network, (images_NCHW,), dynamic_shapes=({{0: torch.export.Dim("batch")}},))
torch.export.save(program, Path(__file__).with_name("model.pt2"))
'''


def write_scaffold(folder: Path, *, source: str, classes: ClassTable) -> list[Path]:
    """Writes the files of a new submission.

    Args:
        folder: The submission's folder; `<team>/<name>` are its last two parts.
        source: A model source.
        classes: The class table of its outputs.

    Returns:
        The files that were written.
    """
    img_size = 224 if classes.name == "imagenet-1k" else 64
    own_head = classes.num_classes != 1000
    kwargs = f"kwargs = {{ num_classes = {classes.num_classes} }}\n" if own_head else ""
    weights = 'weights = "IMAGENET1K_V1"        # a member of the weights enum, a file, or an https link\n'
    model = _MODELS[source].format(
        num_classes=classes.num_classes,
        kwargs=kwargs,
        weights='# weights = "weights.safetensors"\n# sha256 = "..."\n' if own_head else weights,
    )
    shows_input = source in ("python", "exported")
    texts = {
        MANIFEST: _MANIFEST.format(
            title=folder.name,
            model=model,
            classes=classes.name,
            input=_INPUT.format(img_size=img_size) if shows_input else "" if source == "predictions" else _ZOO_INPUT,
        )
    }
    if shows_input:
        texts["model.py"] = _NETWORK.format(num_classes=classes.num_classes)
    if source == "exported":
        texts["export.py"] = _EXPORT.format(img_size=img_size)
    if source == "predictions":
        texts["answers.csv"] = f"ImageId,PredictionString\nILSVRC2012_val_00000001,{' '.join(classes.wnids[:2])}\n"
    for name, text in texts.items():
        write_atomic(folder / name, text)
    return [folder / name for name in texts]
