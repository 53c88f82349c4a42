"""How far honest models stay from the thresholds of the audits, and what audits cost.

    BENCH_TEST_DATA=DIR python benchmarks/audits.py [--seeds 20] [--device cpu] [--demo bench-demo] [--only NAME]

Two pretrained MobileNets answer 300 photographs under `imagenet-val-open`; a convolutional and an attention network of
torchvision with seeded random weights answer 96 of them, for their arithmetic (their accuracy is chance); with
`--demo`, the networks that `bench demo` trained answer its drawn images. Each is audited once a seed in each
arithmetic. A line of the table is the worst of all seeds: the margin is the threshold over the largest figure, so 1 is
an alarm and 10 is far from it.

What audits cost is told twice: as images shown besides the scored ones, and as time. Both fall with the number of
images; `shown_at_50000` is what 50,000 images take.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.audits.auditor import num_audited
from bench.audits.evidence import TOLERANCE
from bench.backends.device import DEFAULT_BATCH_SIZES, device_type
from bench.backends.measured import Measured
from bench.backends.run import RunOptions, run_all
from bench.data.dataset import Dataset, open_dataset
from bench.errors import BenchError
from bench.files import sha256_of_file
from bench.models.source import LoadedSubmission, open_submission
from bench.protocols import load_protocol
from bench.records.audit import Audit
from bench.records.protocol import Protocol

MOBILENETS = (("0.25", 128), ("0.5", 160))
ARCHITECTURES = ("resnet18", "vit_b_32")
PRECISIONS = ("fp32", "bf16")
HALF = "mean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]"
MOST_DROP, LEAST_SHARE = 0.10, 0.9


class Line(NamedTuple):
    """The worst of all seeds for one network in one arithmetic."""

    name: str
    precision: str
    alarms: int
    difference: float
    margin: float
    drop_low: float
    agreement: float
    copies_ratio: float
    again_ratio: float
    phase_ratio: float
    shown: float
    time: float


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="audits of each network in each arithmetic")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--demo", type=Path, help="the folder that `bench demo` wrote")
    parser.add_argument("--only", metavar="TEXT", default="", help="only networks whose name has this in it")
    chosen = parser.parse_args()
    print("\t".join(Line._fields))
    alarms = total = 0
    with tempfile.TemporaryDirectory() as folder:
        for submission, protocol, dataset in _cases(Path(folder), chosen.demo):
            for precision in PRECISIONS if chosen.only in submission.name else ():
                # 96 images of random networks in bf16 on a CPU without such instructions take minutes.
                if precision != "fp32" and submission.name in ARCHITECTURES and chosen.device == "cpu":
                    continue
                line = _measure(submission, protocol, dataset, precision, chosen, Path(folder) / "cache")
                alarms, total = alarms + line.alarms, total + chosen.seeds
                print("\t".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in line))
    batch_size = DEFAULT_BATCH_SIZES[device_type(chosen.device)]
    shown = num_audited(50_000, 224 * 224 * 3) * 3 + 6 * (3 * batch_size + 8)
    print(f"shown_at_50000\t{shown / 50_000:.3f}\t({shown:,} images at batch size {batch_size})")
    print(f"alarms\t{alarms} of {total}")
    sys.exit(1 if alarms else 0)


def _cases(folder: Path, demo: Path | None) -> Iterator[tuple[LoadedSubmission, Protocol, Dataset]]:
    data = Path(os.environ["BENCH_TEST_DATA"])
    protocol = load_protocol("imagenet-val-open")
    photographs = open_dataset(data / "imagenet-sample", protocol.dataset, allow_partial=True)
    code = (Path(__file__).parents[1] / "tests" / "data" / "mobilenet_v1" / "model.py").read_text()
    for width, img_size in MOBILENETS:
        weights = data / "real-models" / f"mobilenet_v1_{width}_{img_size}.safetensors"
        more = f'kwargs = {{ width = {width} }}\nweights = "w.safetensors"\nsha256 = "{sha256_of_file(weights)}"\n'
        made = _submission(
            folder, weights.stem, code, f"{more}[outputs]\nbackground = true\n[input]\nimg_size = {img_size}\n{HALF}"
        )
        (made / "w.safetensors").write_bytes(weights.read_bytes())
        yield open_submission(str(made)), protocol, photographs
    for name in ARCHITECTURES:
        few = open_dataset(data / "imagenet-sample", protocol.dataset, allow_partial=True, limit=96)
        code = f"import torchvision\n\n\ndef build_model():\n    return torchvision.models.{name}()\n"
        made = _submission(folder, name, code, f"[input]\nimg_size = 224\n{HALF}")
        yield open_submission(str(made)), protocol, few
    if demo is not None:
        protocol = load_protocol("shapes10-val")
        drawn = open_dataset(demo / "data" / "shapes10", protocol.dataset, allow_partial=True)
        for manifest in sorted((demo / "submissions").glob("*/*/submission.toml")):
            yield open_submission(str(manifest.parent)), protocol, drawn


def _submission(folder: Path, name: str, code: str, more: str) -> Path:
    made = folder / "submissions" / "honest" / name
    made.mkdir(parents=True)
    (made / "model.py").write_text(code)
    model = '[model]\nsource = "python"\nfile = "model.py"\nfactory = "build_model"'
    (made / "submission.toml").write_text(f'format_version = 1\ntitle = "Honest"\n{model}\n{more}\n')
    return made


def _measure(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    precision: str,
    chosen: argparse.Namespace,
    cache: Path,
) -> Line:
    runs = [_run(submission, protocol, dataset, precision, chosen.device, seed, cache) for seed in range(chosen.seeds)]
    by_id = [{audit.id: audit for audit in run.audits} for run in runs]
    difference = max(_numbers(one, "max_difference") for one in by_id)
    shown_s = [run.timing["audit_s"] / run.timing["model_s"] for run in runs]
    return Line(
        name=submission.name,
        precision=precision,
        alarms=sum(any(audit.outcome == "failed" for audit in run.audits) for run in runs),
        difference=difference,
        margin=TOLERANCE[precision] / difference if difference else float("inf"),
        drop_low=max(_numbers({"A3": one["A3"]}, "_drop_low") for one in by_id),
        agreement=min(_numbers({"A3": one["A3"]}, "_agreement", least=True) for one in by_id),
        copies_ratio=min(float(one["A2"].figures["copies_ratio"]) for one in by_id),
        again_ratio=min(float(one["A2"].figures["again_ratio"]) for one in by_id),
        phase_ratio=median(float(one["A7"].figures.get("time_ratio", 1.0)) for one in by_id),
        shown=_shown(len(dataset)),
        time=median(shown_s),
    )


def _numbers(audits: dict[str, Audit], ending: str, *, least: bool = False) -> float:
    """The largest (or least) figure whose name has this ending."""
    found = [float(value) for one in audits.values() for name, value in one.figures.items() if name.endswith(ending)]
    return (min if least else max)(found, default=0.0)


def _shown(num_images: int) -> float:
    return (num_audited(num_images, 1) * 3 + 6 * (3 * 32 + 8)) / num_images


def _run(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    precision: str,
    device: str,
    seed: int,
    cache: Path,
) -> Measured:
    options = RunOptions(
        device=device, num_threads=os.cpu_count() or 1, cache_folder=cache, audit=True, audit_seed=seed
    )
    ((_, measured),) = run_all(
        [submission],
        protocol,
        dataset,
        options,
        devices=[device],
        precision=precision,
        open_cache=lambda *_: None,
        on_progress=None,
    )
    if isinstance(measured, BenchError):
        raise measured
    return measured


if __name__ == "__main__":
    main()
