"""What `bench check` costs: `python benchmarks/checking.py` from the top of a checkout.

Prints processor time (medians of five processes; the machine may be busy otherwise) of

- `bench check submissions --no-run` on this repository, and of `bench --help` for comparison,
- the same for 1,000 small submissions,
- weights of 100 MB, in both formats, by their headers and for numbers that are not finite,
- one result with stored predictions of 50,000 images, all metrics scored again.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

REPEATS = 5


def main() -> None:
    """Prints a line for each case."""
    with tempfile.TemporaryDirectory() as folder:
        many, weights, stored = _make(Path(folder))
        print(f"bench --help                            {_cpu_s('--help'):6.2f} s")
        print(f"the {_count('submissions'):,} submissions of this repository  {_checked('submissions'):6.2f} s")
        print(f"{_count(str(many)):,} submissions                       {_checked(str(many)):6.2f} s")
        for path in weights:
            print(f"100 MB of {path.name:<29} {_checked(str(path)):6.2f} s")
        print(f"predictions of 50,000 images            {_checked(str(stored)):6.2f} s")


def _make(folder: Path) -> tuple[Path, list[Path], Path]:
    import torch
    from check.made import result, submission, weighted
    from safetensors.torch import save_file

    for number in range(1_000):
        submission(folder / "many" / "submissions", team=f"team{number:04d}")
    state = {f"layer{number}.weight": torch.randn(250_000) for number in range(100)}
    paths = []
    for name, save in (("weights.safetensors", save_file), ("weights.pt", torch.save)):
        made = weighted(folder / name, b"", name)
        save(state, made / name)
        paths.append(made.rename(made.with_name(name)))
    return folder / "many" / "submissions", paths, result(folder / "stored", num_samples=50_000)


def _count(path: str) -> int:
    return len(list((ROOT / path).glob("*/*/submission.toml")))


def _checked(path: str) -> float:
    return _cpu_s("check", path, "--no-run")


def _cpu_s(*words: str) -> float:
    """Processor time of a process, median."""
    times = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "bench", *words], cwd=ROOT, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times)


if __name__ == "__main__":
    main()
