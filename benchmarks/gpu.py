"""On a CUDA GPU: `python benchmarks/gpu.py` for evaluation, `python benchmarks/gpu.py train` for training.

Evaluation is measured against the bare forward pass and timm's loader path; `gpu_training.py` says how training is. One
command, under ten minutes, torch 2.11 or later; it draws its own JPEG files and installs nothing. Rows:

- ResNet-50 in bf16 from a warm cache: images/s over the bare forward pass on batches that lie on the device
- eight light models by one `bench evaluate`, cold and warm, against eight runs of timm's loader path
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import versus_timm
from workload import CROP_PCT, MODELS, Clock, Ratios, build, plain_decode, preloaded, write_photos, write_submissions

from bench.backends.base import RunSpec
from bench.backends.inference import answer
from bench.backends.local import LocalBackend
from bench.data.cache import open_crops
from bench.data.contents import dataset_digest
from bench.data.dataset import open_dataset
from bench.data.loader import iter_batches
from bench.data.transforms import geometry_of
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.submission import InputSpec

BATCH = 256
THREADS = 8


def resnet50(data: Path, work: Path, pairs: int) -> None:
    """ResNet-50 in bf16 at 224 px, from a warm cache, over the bare forward pass on the device."""
    spec = InputSpec(img_size=224, crop_pct=CROP_PCT)
    geometry = geometry_of(spec)
    dataset = open_dataset(data, load_protocol("imagenet-val-open").dataset, allow_partial=True)
    (folder,) = write_submissions(work / "resnet", ["resnet50"], img_size=224)
    images_NHWC = plain_decode([sample.path for sample in dataset.samples[: 4 * BATCH]], THREADS)
    on_device = [batch.cuda() for batch in preloaded(images_NHWC, BATCH)]
    repeats = max(1, len(dataset) // (len(on_device) * BATCH))
    model = build("resnet50").cuda()
    digest = dataset_digest(dataset, cache_folder=work, num_threads=THREADS)
    run = RunSpec(device="cuda:0", precision="bf16", num_classes=1000, cache_folder=work)

    def bare() -> float:
        with torch.inference_mode(), torch.autocast("cuda", dtype=torch.bfloat16), Clock() as clock:
            for _ in range(repeats):
                for inputs_NCHW in on_device:
                    model(inputs_NCHW)
            torch.cuda.synchronize()
        return repeats * len(on_device) * BATCH / clock.seconds

    def ours() -> float:
        with ExitStack() as stack:
            session = stack.enter_context(LocalBackend().start(open_submission(str(folder)), run))
            cache = open_crops(work, dataset, digest, geometry, "single", on_note=print)
            assert cache is not None
            stack.enter_context(cache)
            with Clock() as clock:
                batches = iter_batches(dataset, geometry, batch_size=BATCH, num_threads=THREADS, cache=cache)
                (answered,) = answer([session], batches, dataset)
        assert not isinstance(answered, Exception), answered
        return len(dataset) / clock.seconds

    bare(), ours()  # kernels are chosen, the cache is filled
    rates = [(ours(), bare()) for _ in range(pairs)]
    print(f"ResNet-50, bf16, batch {BATCH}: bare forward {rates[-1][1]:,.0f} img/s", flush=True)
    print(f"  warm cache over the bare forward pass: {Ratios(tuple(a / b for a, b in rates))}", flush=True)


def main() -> None:
    """Prints the ratios."""
    if sys.argv[1:2] == ["train"]:
        script = Path(__file__).with_name("gpu_training.py")
        sys.exit(subprocess.run([sys.executable, script, *sys.argv[2:]], check=False).returncode)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=4096)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("there is no CUDA device here")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = write_photos(work / "photos", options.photos)
        resnet50(data, work, options.pairs)
        words = ["--photos", str(options.photos), "--pairs", str(options.pairs), "--device", "cuda"]
        words += ["--data", str(work / "versus"), "--models", str(len(MODELS))]
        subprocess.run([sys.executable, versus_timm.__file__, *words], check=True)


if __name__ == "__main__":
    main()
