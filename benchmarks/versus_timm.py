"""Our evaluation against timm's own loader path, over the same files and models, run after run.

    python benchmarks/versus_timm.py [--photos 1000] [--pairs 5] [--models 8]

timm's path is that of its `validate.py`: `timm.data.create_dataset`, `create_loader` (two workers; on a GPU eight, and
its prefetcher), and the loop, in a process a model, as its users run it. Ours is one `bench evaluate` of all, cold
(an empty cache) and warm. The top-5 answers of both must agree. Ratios are timm's wall time over ours: above 1, ours is
faster.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from workload import CROP_PCT, IMG_SIZE, MODELS, Clock, Ratios, write_photos, write_submissions

from bench.records.predictions import Predictions

TIMM = """
import sys
import numpy as np, torch, timm
from timm.data import create_dataset, create_loader

name, data, out, img_size, crop_pct, device = sys.argv[1:]
torch.manual_seed(0)
model = timm.create_model(name, num_classes=1000).eval().to(device)
dataset = create_dataset(root=data, name="", split="val")
loader = create_loader(
    dataset, input_size=(3, int(img_size), int(img_size)), batch_size=32 if device == "cpu" else 256,
    use_prefetcher=device != "cpu", num_workers=2 if device == "cpu" else 8,
    interpolation="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), crop_pct=float(crop_pct),
    device=torch.device(device),
)
answers = []
with torch.inference_mode():
    for images, targets in loader:
        answers.append(model(images).topk(5).indices.cpu().numpy())
names = [path for path, _ in dataset.reader.samples]
np.savez(out, answers=np.concatenate(answers), names=names)
"""


def ours(
    folders: list[Path], data: Path, work: Path, cache: Path, device: str
) -> tuple[float, dict[str, dict[str, list[int]]]]:
    """Wall time of one command for all models, and the top-5 answers by model and image."""
    results = work / "results"
    shutil.rmtree(results, ignore_errors=True)
    command = [sys.executable, "-m", "bench", "evaluate", *map(str, folders), "--protocol", "imagenet-val-open"]
    command += ["--data", str(data), "--allow-partial", "--device", device, "--results", str(results), "--json"]
    with Clock() as clock:
        done = subprocess.run([*command, "--cache-dir", str(cache)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    answers = {}
    for record in json.loads(done.stdout):
        path = work / "predictions" / f"{record['predictions']['sha256']}.parquet"
        predictions = Predictions.read(path)
        rows = predictions.top_classes_NK[:, :5].tolist()
        answers[record["submission"]["name"]] = dict(zip(predictions.sample_ids, rows, strict=True))
    return clock.seconds, answers


def timms(models: list[str], data: Path, work: Path, device: str) -> tuple[float, dict[str, dict[str, list[int]]]]:
    """Wall time of a process a model, and the top-5 answers by model and image."""
    seconds, answers = 0.0, {}
    for name in models:
        out = work / f"{name}.npz"
        arguments = [name, str(data), str(out), str(IMG_SIZE), str(CROP_PCT), device]
        with Clock() as clock:
            subprocess.run([sys.executable, "-c", TIMM, *arguments], check=True, capture_output=True)
        seconds += clock.seconds
        found = np.load(out)
        ids = [Path(str(path)).stem for path in found["names"]]
        answers[name.replace("_", "-")] = dict(zip(ids, found["answers"].tolist(), strict=True))
    return seconds, answers


def main() -> None:
    """Prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--models", type=int, default=len(MODELS))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "bench-photos")
    options = parser.parse_args()
    models = list(MODELS[: options.models])
    data = write_photos(options.data / str(options.photos), options.photos)
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folders = write_submissions(work / "submissions", models)
        for pair in range(options.pairs):
            cache = work / f"cache-{pair}"
            cold_s, cold_answers = ours(folders, data, work, cache, options.device)
            timm_s, timm_answers = timms(models, data, work, options.device)
            warm_s, warm_answers = ours(folders, data, work, cache, options.device)
            for model, by_image in timm_answers.items():
                wrong = [image for image, five in by_image.items() if cold_answers[model][image] != five]
                # On a GPU the two paths may pick other kernels: near ties then differ on a few images.
                most = 0 if options.device == "cpu" else len(by_image) // 100
                if len(wrong) > most or cold_answers[model] != warm_answers[model]:
                    sys.exit(f"{model}: the top-5 answers differ on {len(wrong)} images, first {wrong[:1]}")
            cold.append(timm_s / cold_s)
            warm.append(timm_s / warm_s)
            shutil.rmtree(cache, ignore_errors=True)
            print(f"pair {pair + 1}: timm {timm_s:.1f} s, ours cold {cold_s:.1f} s, warm {warm_s:.1f} s", flush=True)
    print(f"{len(models)} models, {options.photos} photos on {options.device}, top-5 answers agree")
    print(f"timm / ours, cold cache: {Ratios(tuple(cold))}")
    print(f"timm / ours, warm cache: {Ratios(tuple(warm))}")


if __name__ == "__main__":
    main()
