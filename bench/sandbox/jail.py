"""The jail of one submission: what is copied, what is bound, and what its child is told."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from bench.errors import BenchError, IsolationError
from bench.models.source import LoadedSubmission
from bench.sandbox.bubblewrap import INSIDE_UID, Bind, find_bubblewrap, system_binds
from bench.sandbox.cgroups import ControlGroup, find_places
from bench.sandbox.copying import copy_submission
from bench.sandbox.failure import failure_of, outside_paths
from bench.sandbox.interpreter import python_view
from bench.sandbox.limits import Limits
from bench.sandbox.printed import harmless
from bench.sandbox.probe import layers_of, probe
from bench.sandbox.start import Child, Confinement, start_child
from bench.sandbox.weights_cache import cached_weights

__all__ = ["Jail", "Run", "jail_of"]

_SUBMISSION = "/submission"
_CHILD = "backends/child.py"
_PACKAGE = Path(__file__).resolve().parent.parent
# So many turns the threads of OpenMP spin before they sleep, some milliseconds: longer than they wait for the parent's
# turn between two batches, since to sleep and to be woken costs a virtual machine more than that (a tenth of these
# turns: 0.90 of the local throughput at 7 ms a batch, instead of 0.97); less than the 13 ms of a process that is left
# to itself, for another model of the same evaluation may want the core by then.
_SPINS = "100000"
_PASSED_ON = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


class Run(Protocol):
    """What a jail must know of how a model is run; `bench.backends.base.RunSpec` is one."""

    @property
    def device(self) -> str:
        """A torch device."""

    @property
    def precision(self) -> str:
        """The arithmetic."""

    @property
    def num_classes(self) -> int:
        """C."""

    @property
    def cache_folder(self) -> Path:
        """Where downloaded weights are kept."""

    @property
    def with_weights(self) -> bool:
        """Load its weights."""

    @property
    def compiled(self) -> bool:
        """Run the model through torch.compile."""

    @property
    def limits(self) -> Limits | None:
        """What the child may take."""

    @property
    def hidden(self) -> tuple[Path, ...]:
        """Folders that no child may see."""


@dataclass(frozen=True, kw_only=True)
class Jail:
    """A jail that is ready for its child."""

    level: Literal["process", "sandbox"]
    limits: Limits
    """With numbers for the machine."""
    confinement: Confinement
    arguments: tuple[str, ...]
    """The child's program."""
    config: dict[str, Any]
    """What it is told."""
    shown: Callable[[str], str]
    """From a path inside to the path that the user knows."""

    def begin(self, memory: int) -> Child:
        """Starts the child; the thread that calls this must outlive it."""
        group = ControlGroup(find_places(), self.limits)
        try:
            return start_child(
                self.arguments,
                self.config,
                memory=memory,
                confinement=self.confinement,
                limits=self.limits,
                group=group,
            )
        except OSError as error:
            group.end()
            raise IsolationError(f"no process can be started: {error}") from error

    def layers(self, of_group: tuple[str, ...]) -> tuple[str, ...]:
        """The names of its layers.

        Args:
            of_group: Those of its control group.
        """
        if self.level == "sandbox":
            return layers_of(of_group, drops_root=self.confinement.drops_root)
        return (*of_group, *(("processes:rlimit",) if os.geteuid() != 0 else ()), "files:rlimit")

    def check_seen(self, seen: object) -> None:
        """Compares what the child saw of its confinement, before the submission's code ran, with what must be.

        Raises:
            IsolationError: A layer does not hold.
        """
        if self.level != "sandbox":
            return
        if not isinstance(seen, dict):
            raise IsolationError("the child does not say what it sees")
        wanted = {"uid": INSIDE_UID, "capabilities": 0, "num_processes": 2}
        if "seccomp" in self.layers(()):
            wanted["seccomp"] = 2  # SECCOMP_MODE_FILTER
        for name, value in wanted.items():
            if seen.get(name) != value:
                found = harmless(seen.get(name), 40)
                raise IsolationError(f"the sandbox does not hold: {name} is {found}, expected {value}")

    def failure(self, told: Mapping[str, Any]) -> BenchError:
        """The error that a child tells of itself."""
        return failure_of(told, self.shown)


def jail_of(level: Literal["process", "sandbox"], submission: LoadedSubmission, run: Run, folder: Path) -> Jail:
    """Copies the submission and decides what its child sees.

    Args:
        level: How far it is kept.
        submission: What is run.
        run: How.
        folder: An empty folder that lasts as long as the child.

    Raises:
        IsolationError: The level cannot be had on this machine.
        SubmissionError: The submission cannot be copied; see `copy_submission`.
        WeightsError: Weights behind a link cannot be downloaded.
    """
    found = probe() if level == "sandbox" else None
    if found is not None and found.why_not is not None:
        raise IsolationError(f"there is no sandbox on this machine: {found.why_not}")
    if not sys.platform.startswith("linux"):
        raise IsolationError(f"the level {level!r} needs Linux; use --isolation none for code that you trust")
    limits = (run.limits or Limits()).resolved()
    copied = None if submission.folder is None else copy_submission(submission, folder / "copy")
    weights = cached_weights(submission, run.cache_folder, with_weights=run.with_weights)
    scratch = folder / "scratch"
    scratch.mkdir()
    if found is not None:
        inside = None if copied is None else _SUBMISSION
        confinement, paths, child = _sandboxed(
            copied, weights.binds, run, drops_root=found.drops_root and weights.is_readable
        )
        cache, variables = weights.inside, dict(weights.variables_inside)
        home = "/tmp"  # noqa: S108 - inside the sandbox
    else:
        inside = None if copied is None else str(copied)
        paths, child = (str(_PACKAGE.parent), *_extra_paths()), str(_PACKAGE / _CHILD)
        confinement, cache, variables = Confinement(folder=str(scratch)), str(run.cache_folder), dict(weights.variables)
        home = str(scratch)
    environment = {"PATH": "/usr/bin:/bin", "HOME": home, "LANG": "C.UTF-8", "USER": "nobody"}
    environment |= {"GOMP_SPINCOUNT": _SPINS} | variables
    if level == "sandbox":
        environment["HF_HUB_OFFLINE"] = "1"
    given = {name: os.environ.get(name, "") for name in _PASSED_ON}
    environment |= {name: value for name, value in given.items() if re.fullmatch(r"[\w,:.-]+", value)}
    return Jail(
        level=level,
        limits=limits,
        confinement=Confinement(**{**vars(confinement), "environment": environment}),
        arguments=(sys.executable, "-I", "-B", child),
        config={
            "paths": paths,
            "num_processes": limits.num_processes,
            "num_threads": _num_threads(),
            "spec": {
                "device": run.device,
                "precision": run.precision,
                "num_classes": run.num_classes,
                "with_weights": run.with_weights,
                "compiled": run.compiled,
                "cache_folder": cache,
            },
            "submission": {
                "manifest": submission.manifest.as_json(),
                "team": submission.team,
                "name": submission.name,
                "folder": inside,
                "digest": submission.digest,
            },
        },
        shown=outside_paths(inside, submission.folder),
    )


def _sandboxed(
    copied: Path | None, weights: tuple[Bind, ...], run: Run, *, drops_root: bool
) -> tuple[Confinement, tuple[str, ...], str]:
    binds, links = system_binds(with_gpu=run.device.startswith("cuda"))
    view = python_view((*(bind.target for bind in binds), *(place for _, place in links)))
    links += view.links
    binds += [*view.binds, *weights]
    if copied is not None:
        binds.append(Bind(str(copied), _SUBMISSION))
    confinement = Confinement(
        bubblewrap=find_bubblewrap(),
        drops_root=drops_root,
        binds=tuple(binds),
        links=tuple(links),
        hidden=_covered(run.hidden, binds, view.needed),
    )
    return confinement, view.paths, f"{view.paths[0]}/bench/{_CHILD}"


def _covered(hidden: tuple[Path, ...], binds: list[Bind], needed: tuple[str, ...]) -> tuple[str, ...]:
    """The places inside the sandbox at which hidden folders would show: a dataset below /usr/local, say.

    Args:
        hidden: Folders; of a file all that lies beside it is hidden, too.
        binds: What the sandbox sees.
        needed: Places without which no child starts.

    Raises:
        IsolationError: A folder shows, and cannot be covered.
    """
    folders = dict.fromkeys((path if path.is_dir() else path.parent).resolve() for path in hidden if path.exists())
    must_stay = (*(bind.target for bind in binds), *needed)
    places: list[Path] = []
    for folder in folders:
        for bind in binds:
            source = Path(bind.source).resolve()
            if not folder.is_relative_to(source):
                continue
            place = Path(bind.target) / folder.relative_to(source)
            if other := next((other for other in must_stay if Path(other).is_relative_to(place)), None):
                raise IsolationError(
                    f"cannot be hidden from the sandbox, which needs {other}; move what lies there and nobody may see "
                    "(the dataset and its labels, results, caches) to another folder",
                    path=folder,
                )
            places.append(place)
    # A place inside another one is gone with it, and nothing can be mounted there any more.
    outermost = [one for one in places if not any(one != other and one.is_relative_to(other) for other in places)]
    return tuple(dict.fromkeys(map(str, outermost)))


def _extra_paths() -> tuple[str, ...]:
    return python_view().paths[1:]


def _num_threads() -> int | None:
    """Torch's threads, where this process has torch and may have been told how many."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())
