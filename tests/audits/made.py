"""A small task that honest code solves by colour, submissions that cheat at it, and one audited run of one of them.

Images are 16 px squares of ten colours with noise: their mean colour tells the class, mirrored and shifted or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.audits import judge
from bench.backends import BACKENDS
from bench.backends.audited import AuditPlan
from bench.backends.base import RunSpec
from bench.backends.inference import Answered, answer
from bench.data.classes import class_table
from bench.data.dataset import Dataset, Sample
from bench.data.loader import Batch
from bench.errors import BenchError
from bench.models.source import open_submission
from bench.records.audit import Audit

NUM_IMAGES, BATCH_SIZE, SIDE = 160, 16, 16

_MODEL = """
import hashlib, json, pathlib, time
import torch
from torch import nn

COLOURS = torch.tensor({colours})


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.colours = nn.Parameter(COLOURS.clone())
        self.calls = 0
        self.seen = {{}}

    def honest(self, images):
        means = ((images + 1) / 2).mean((2, 3))
        return -100 * ((means[:, None] - self.colours) ** 2).sum(2)

    def forward(self, images):
        self.calls += 1
{body}


def build_model():
    return Model()
"""

HONEST = "return self.honest(images)"

CHEATS: dict[str, tuple[str, set[str]]] = {
    "replays-its-first-answers": (
        """
if self.calls == 1:
    self.seen["first"] = self.honest(images)
first = self.seen["first"]
return first if len(first) == len(images) else self.honest(images)""",
        {"A1", "A5"},
    ),
    "is-right-for-the-first-batches-only": (
        """
right = self.honest(images)
return right if self.calls <= 3 else torch.arange(10.0).expand_as(right) + 0""",
        {"A1"},
    ),
    "is-right-in-other-batch-sizes-only": (
        f"""
right = self.honest(images)
return -right if len(images) == {BATCH_SIZE} else right""",
        {"A4"},
    ),
    "knows-a-batch-again": (
        """
key = hashlib.sha256(images.contiguous().numpy().tobytes()).digest()
if key not in self.seen:
    time.sleep(0.05)
    self.seen[key] = self.honest(images)
return self.seen[key]""",
        {"A2"},
    ),
    "answers-copies-once": (
        """
if not bool((images[:1] == images).all()):
    time.sleep(0.05)
return self.honest(images)""",
        {"A2"},
    ),
    "looks-images-up": (
        """
table = json.loads((pathlib.Path(__file__).parent / "table.json").read_text())
pixels = ((images + 1) / 2 * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
keys = [hashlib.sha256(image.numpy().tobytes()).hexdigest()[:8] for image in pixels]
return torch.nn.functional.one_hot(torch.tensor([table.get(key, 0) for key in keys]), 10).float()""",
        {"A3"},
    ),
    "adapts-to-its-batch": (
        """
images = torch.nn.functional.batch_norm(images, None, None, training=True)
return self.honest(images)""",
        {"A4", "A5"},
    ),
    "is-random": ("return self.honest(images) + torch.randn(len(images), 10)", {"A6"}),
    "counts-its-calls": ("return self.honest(images) + self.calls * torch.arange(10.0)", {"A6"}),
    "switches-settings": (
        """
if self.calls == 3:
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.fp32_precision = "tf32"
return self.honest(images)""",
        {"A10"},
    ),
    "goes-into-training-mode": ("self.train()\nreturn self.honest(images)", {"A10"}),
    "changes-its-weights": ("self.colours.mul_(1 + 1e-7)\nreturn self.honest(images)", {"A11"}),
}
"""From what a submission does to the body of its forward pass and the audits that must fail, others may fail with them.
"""


@dataclass(frozen=True)
class Task:
    """The images, their labels and what a run needs to know of them."""

    images_NHWC: npt.NDArray[np.uint8]
    dataset: Dataset
    colours: list[list[float]]

    def batches(self) -> Iterator[Batch]:
        """The images in order."""
        for start in range(0, len(self.images_NHWC), BATCH_SIZE):
            images_NHWC = self.images_NHWC[start : start + BATCH_SIZE]
            yield Batch(start, len(images_NHWC), images_NHWC.copy())


def make_task(num_images: int = NUM_IMAGES) -> Task:
    """The task, the same each time."""
    random = np.random.default_rng(0)
    colours = random.uniform(0.2, 0.8, (10, 3)).round(3)
    labels_N = random.integers(0, 10, num_images)
    noise_NHWC = random.normal(0, 0.1, (num_images, SIDE, SIDE, 3))
    pixels_NHWC = ((colours[labels_N][:, None, None] + noise_NHWC).clip(0, 1) * 255).round().astype(np.uint8)
    samples = tuple(Sample(f"{index:06d}", int(label), Path(), 0, None) for index, label in enumerate(labels_N))
    classes = class_table("shapes10")
    dataset = Dataset(
        name="shapes10", split="val", root=Path(), layout="folders", classes=classes, samples=samples, complete=True
    )
    return Task(pixels_NHWC, dataset, colours.tolist())


def write_submission(make_submission: Callable[..., Path], task: Task, name: str, body: str) -> Path:
    """The folder of a submission whose forward pass is `body`."""
    indented = "\n".join(f"        {line}" for line in body.strip().splitlines())
    outputs = '[outputs]\nclasses = "shapes10"\n'
    sizes = f"[input]\nimg_size = {SIDE}\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n"
    folder = make_submission(
        _MODEL.format(colours=task.colours, body=indented), team="cheats", name=name, more=outputs + sizes
    )
    if "table.json" in body:
        import hashlib

        keys = [hashlib.sha256(image.tobytes()).hexdigest()[:8] for image in task.images_NHWC]
        (folder / "table.json").write_text(json.dumps(dict(zip(keys, task.dataset.labels_N.tolist(), strict=True))))
    return folder


def run(
    folder: Path, task: Task, cache_folder: Path, *, backend: str = "local", seed: int | None = 7
) -> Answered | BenchError:
    """One run of a submission over the task, audited unless there is no seed."""
    plan = None if seed is None else AuditPlan(seed=seed, precision="fp32", batch_size=BATCH_SIZE)
    spec = RunSpec(device="cpu", precision="fp32", num_classes=10, cache_folder=cache_folder)
    with BACKENDS[backend]().start(open_submission(str(folder)), spec) as session:
        (outcome,) = answer([session], task.batches(), task.dataset, audits=[plan])
    return outcome


def audits_of(outcome: Answered | BenchError) -> dict[str, Audit]:
    """The audits of a run that gave answers, by id."""
    assert isinstance(outcome, Answered), outcome
    assert outcome.evidence is not None
    return {audit.id: audit for audit in judge(outcome.evidence)}
