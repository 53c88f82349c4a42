"""Rules for a submission's manifest (L01, L02, L04, L05, L07, L08, L40 to L42), and for files it names (L10)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from bench.check.rule import Finding, finding, findings_of
from bench.check.text import look_at_characters, look_at_markup, mixes_scripts, skeleton
from bench.errors import RecordError, SubmissionError
from bench.files import contained, read_toml
from bench.models.keys import check_keys, named_files
from bench.models.source import MANIFEST, MODEL_SOURCES, check_identifiers
from bench.protocols import load_protocol, protocol_ids
from bench.records.submission import Submission

__all__ = ["MAX_MANIFEST_BYTES", "Teams", "look_at_manifest", "read_manifest"]

MAX_MANIFEST_BYTES = 1 << 20
_MAX_NEIGHBOURS = 10_000
_FRACTIONS = frozenset({"claims.top1", "claims.top5", "input.crop_pct"})
_TEXTS = ("title", "team_title", "description", "contact", "license", "extra_training_data")


@dataclass
class Teams:
    """What the teams beside a submission are called; each root is read once."""

    _by_root: dict[Path, dict[str, dict[str, str]]] = field(default_factory=dict)
    """From a root to its names: from a skeleton to the teams that go by such a name, each with that name."""

    def alike(self, folder: Path, text: str) -> tuple[str, str] | None:
        """Another team whose folder or title can be taken for this text, and that name; None where there is none.

        Args:
            folder: A submission's folder, absolute.
            text: Its team's name or title.
        """
        root = folder.parent.parent
        if root not in self._by_root:
            self._by_root[root] = _names_below(root)
        alike = self._by_root[root].get(skeleton(text), {})
        return next((found for found in sorted(alike.items()) if found[0] != folder.parent.name), None)


def _names_below(root: Path) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = {}
    for path in islice(root.glob(f"*/*/{MANIFEST}"), _MAX_NEIGHBOURS):
        team = path.parent.parent.name
        for name in filter(None, (team, _team_title(path))):
            names.setdefault(skeleton(name), {})[team] = name
    return names


def _team_title(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > MAX_MANIFEST_BYTES:
            return None
        title = read_toml(path).get("team_title")
    except (RecordError, OSError):
        return None
    return title if isinstance(title, str) else None


def read_manifest(path: Path) -> tuple[Submission | None, list[Finding]]:
    """The manifest where it is valid, and what is wrong with it as a file.

    Time and memory stay bounded however large or deep the file is.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return None, [finding("L10", "is no plain file", path)]
        if status.st_size > MAX_MANIFEST_BYTES:
            return None, [
                finding("L01", f"has {status.st_size:,} bytes, at most {MAX_MANIFEST_BYTES:,} are read", path)
            ]
        found = list(look_at_characters(path, path.read_bytes().decode("utf-8", errors="replace")))
        return Submission.load(path), found
    except RecordError as error:
        faults = [_placed(fault) for fault in findings_of("L01", error, path)]
        # A character that a line is refused for is named once.
        return None, faults if any(fault.rule == "L40" for fault in faults) else [*found, *faults]
    except OSError as error:
        return None, [finding("L01", f"cannot be read ({error.strerror or error})", path)]


def _placed(fault: Finding) -> Finding:
    """The finding under the rule that says most about it."""
    if "invisible or control character" in fault.message:
        return finding("L40", fault.message, fault.path, key=fault.key)
    if fault.key in _FRACTIONS and "less than or equal to 1" in fault.message:
        return finding("L41", f"is no fraction: {fault.message}; 76.1 % is 0.761", fault.path, key=fault.key)
    if fault.key in ("team", "name"):
        return finding("L02", fault.message, fault.path, key=fault.key)
    return fault


def look_at_manifest(manifest: Submission, path: Path, teams: Teams) -> Iterator[Finding]:
    """Breaches in a valid manifest, whose names and files are looked at too.

    Args:
        manifest: What `read_manifest` gave.
        path: Its file, absolute.
        teams: The teams of this check.
    """
    folder = path.parent
    yield from _names(manifest, path, teams)
    try:
        check_keys(manifest, path, MODEL_SOURCES)
    except SubmissionError as error:
        yield from findings_of("L01", error, path)
        return
    for key, name in named_files(manifest).items():
        try:
            contained(folder, name, key=f"model.{key}")
        except SubmissionError as error:
            is_link = os.path.islink(folder / name)  # noqa: PTH114 - also where no file can have the name
            leaves = Path(name).is_absolute() or ".." in Path(name).parts or is_link
            yield from findings_of("L10" if leaves else "L01", error, path)
    yield from _declared(manifest, path)
    yield from _measurable(manifest, path)
    yield from _units(manifest, path)
    for key in _TEXTS:
        if isinstance(text := getattr(manifest, key), str) and key != "contact":
            yield from look_at_markup(text, path, key)


def _names(manifest: Submission, path: Path, teams: Teams) -> Iterator[Finding]:
    folder = path.parent
    try:
        team, name = check_identifiers(folder)
    except (SubmissionError, ValidationError) as error:
        message = error.message if isinstance(error, SubmissionError) else str(error)
        yield finding("L02", message, folder)
        return
    for key, found, written in (("team", team, manifest.team), ("name", name, manifest.name)):
        if written not in (None, found):
            message = f"is {written!r}, but the folder is named {found!r}; make them agree or remove the key"
            yield finding("L02", message, path, key=key)
    own = {"team": team} | ({"team_title": manifest.team_title} if manifest.team_title else {})
    for key, text in own.items():
        if (word := mixes_scripts(text)) is not None:
            yield finding("L02", f"mixes letters of several scripts in {word!r}", path, key=key)
        if (alike := teams.alike(folder, text)) is not None:
            other, name_of_other = alike
            message = f"{text!r} looks like {name_of_other!r} of the team {other!r}; choose another name"
            yield finding("L02", message, path, key=key)


def _declared(manifest: Submission, path: Path) -> Iterator[Finding]:
    missing = [] if manifest.license else ["license"]
    missing += [] if manifest.contact or manifest.code else ["contact"]  # the owner of the code can be asked
    if missing:
        yield finding("L04", f"does not state {' and '.join(missing)}", path)
    if "extra_training_data" not in manifest.model_fields_set:
        yield finding("L05", "is not declared; write 'none' if it is none", path, key="extra_training_data")
    if manifest.input is None and manifest.model.source in ("python", "exported"):
        yield finding("L05", "is not declared: 224 px and ImageNet's colours are taken", path, key="input")
    claims = manifest.claims
    if claims is not None and claims.precision is None and (claims.top1 or claims.top5):
        yield finding("L05", "is not declared beside the claimed accuracy", path, key="claims.precision")
    if "weights" in named_files(manifest) and manifest.model.sha256 is None:
        yield finding("L07", "is missing; the weights lie in the folder", path, key="model.sha256")


def _measurable(manifest: Submission, path: Path) -> Iterator[Finding]:
    """L08: the claims against the protocols."""
    claims, classes = manifest.claims, manifest.outputs.classes
    if claims is None or (claims.top1, claims.top5, claims.precision) == (None, None, None):
        return
    allowed = _precisions_by_classes().get(classes)
    if allowed is None:
        yield finding("L08", f"are of classes {classes!r}, which no protocol evaluates", path, key="claims")
    elif claims.precision is not None and claims.precision not in allowed:
        message = f"is {claims.precision!r}; protocols for {classes} allow {', '.join(sorted(allowed))}"
        yield finding("L08", message, path, key="claims.precision")


@lru_cache(maxsize=1)
def _precisions_by_classes() -> dict[str, frozenset[str]]:
    """From the classes that are evaluated to the precisions that a protocol for them allows."""
    found: dict[str, frozenset[str]] = {}
    for protocol in map(load_protocol, protocol_ids()):
        if protocol.kind == "evaluate" and protocol.precision is not None:
            name = protocol.dataset.name
            found[name] = found.get(name, frozenset()) | frozenset(protocol.precision.allowed)
    return found


def _units(manifest: Submission, path: Path) -> Iterator[Finding]:
    claims, spec = manifest.claims, manifest.input
    if claims is not None:
        for key in ("top1", "top5"):
            value = getattr(claims, key)
            if value is not None and 0 < value <= 0.01 and manifest.outputs.classes == "imagenet-1k":
                message = f"is {value}, which is {value:.2%}; 76.1 % is 0.761"
                yield finding("L41", message, path, key=f"claims.{key}")
        if claims.top1 is not None and claims.top5 is not None and claims.top5 < claims.top1:
            message = f"is {claims.top5}, less than top1 = {claims.top1}, which it includes"
            yield finding("L41", message, path, key="claims.top5")
    if spec is not None:
        for key, values in (("input.mean", spec.mean), ("input.std", spec.std)):
            if max(values) > 2:
                yield finding("L41", f"is {list(values)}, for colours from 0 to 255; divide by 255", path, key=key)
