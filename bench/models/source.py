"""From what a user names to a submission that is ready to be built: manifest checked, files contained and hashed.

Nothing here imports torch: finding an equal run in the store must not wait for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from bench.errors import SubmissionError, UsageError, WeightsError, nearest
from bench.files import contained, digest_of
from bench.models.contents import file_sha256, hash_files
from bench.models.keys import check_keys, named_files
from bench.records.names import Identifier
from bench.records.result import SubmissionRef
from bench.records.submission import Submission
from bench.registry import LazyTable

if TYPE_CHECKING:
    from bench.models.build import BuiltModel

__all__ = [
    "MANIFEST",
    "MODEL_SOURCES",
    "LoadedSubmission",
    "ModelSource",
    "check_identifiers",
    "checked_file",
    "open_submission",
    "short_form",
]

MANIFEST = "submission.toml"
"""The name of the file that makes a folder a submission."""

_IDENTIFIER = TypeAdapter(Identifier)
_SHORT_FORMS = ("timm", "torchvision")
# Tags of timm name the data that a model was trained on, last what it was trained on last: "a1_in1k" has seen
# ImageNet-1k alone. "ft" (fine-tuned) says that something came before, "jft" that Noisy Student saw JFT-300M.
_TAG_OF_MORE_DATA = re.compile(r"(^|_)(ft|jft|in12k|in21k|in22k|ig1b|yfcc\w*|laion\w*|openai|webli)(_|$)")


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """One entry of `MODEL_SOURCES`: which keys of `[model]` it takes, and how it builds the model."""

    takes: frozenset[str]
    """The keys of `[model]` besides `source` that mean something to it."""
    needs: frozenset[str]
    """Those that must be there."""
    runs_code: bool
    """Building the model runs code that came with the submission."""
    build: Callable[[LoadedSubmission, Path, bool], BuiltModel] | None
    """From submission, cache folder and "with weights" to the model; None where there is nothing to run."""


MODEL_SOURCES: LazyTable[ModelSource] = LazyTable(
    "model source",
    {
        "python": "bench.models.python_file:SOURCE",
        "timm": "bench.models.timm_zoo:SOURCE",
        "torchvision": "bench.models.torchvision_zoo:SOURCE",
        "exported": "bench.models.exported:SOURCE",
        "predictions": "bench.models.answers:SOURCE",
    },
)
"""Where models come from. Importing an entry imports no torch; building a model does."""


@dataclass(frozen=True, kw_only=True)
class LoadedSubmission:
    """A submission whose manifest is valid and whose files lie where they should."""

    manifest: Submission
    """The manifest."""
    team: str
    """The team's folder name, or the zoo of a short form."""
    name: str
    """The submission's folder name, or the model's name in its zoo."""
    folder: Path | None
    """The submission's folder, absolute; None for a short form."""
    digest: str
    """The sha256 of the manifest's content and of every file that belongs to the model."""

    @property
    def label(self) -> str:
        """`team/name`."""
        return f"{self.team}/{self.name}"

    @property
    def source(self) -> ModelSource:
        """The model source that the manifest names."""
        return MODEL_SOURCES[self.manifest.model.source]

    @property
    def manifest_path(self) -> Path | str:
        """What an error message names as the file at fault."""
        return self.label if self.folder is None else self.folder / MANIFEST

    def ref(self) -> SubmissionRef:
        """What a result says about the submission."""
        manifest = self.manifest
        return SubmissionRef(
            team=self.team,
            name=self.name,
            title=manifest.title,
            team_title=manifest.team_title,
            digest=self.digest,
            source=manifest.model.source,
            license=manifest.license,
            extra_training_data=manifest.extra_training_data,
            paper=manifest.paper,
            code=manifest.code,
            description=manifest.description,
            claims=manifest.claims,
            training=manifest.training,
        )


def open_submission(text: str) -> LoadedSubmission:
    """The submission that a user names.

    Args:
        text: A submission's folder, the path of its `submission.toml`, or a short form: `timm:NAME`,
            `torchvision:NAME/WEIGHTS`.

    Raises:
        UsageError: It is none of these; what lies near is offered.
        RecordError: The manifest is not valid.
        SubmissionError: Folder names, keys or files do not fit.
    """
    zoo, colon, name = text.partition(":")
    if colon and zoo in _SHORT_FORMS:
        return _open_short_form(zoo, name)
    try:
        return _open_path(text)
    except OSError as error:
        raise SubmissionError(f"cannot be read ({error.strerror or error})", path=error.filename or text) from error


def _open_path(text: str) -> LoadedSubmission:
    path = Path(os.path.abspath(text))  # noqa: PTH100 - Path.resolve would follow links and so change the names
    if path.name == MANIFEST and path.is_file():
        path = path.parent
    if not path.is_dir():
        known = [item.parent.name for item in path.parent.glob(f"*/{MANIFEST}")]
        raise UsageError(
            f"{text!r} is no submission: give a folder with a {MANIFEST}, timm:NAME or torchvision:NAME/WEIGHTS"
            + (f"; in {path.parent}, {nearest(path.name, known)}" if known else "")
        )
    if not (path / MANIFEST).is_file():
        raise SubmissionError(f"holds no {MANIFEST}; `bench new {text}` writes one", path=path)
    return _open_folder(path)


def short_form(zoo: str, name: str) -> str:
    """The submission name of a model in a zoo: lower case, `/` as `--`, other refused characters as `-`.

    >>> short_form("torchvision", "resnet50/IMAGENET1K_V2")
    'resnet50--imagenet1k_v2'
    """
    identifier = re.sub(r"[^a-z0-9._-]", "-", name.lower().replace("/", "--")).lstrip("._-")[:80]
    if not identifier:
        raise UsageError(f"'{zoo}:{name}' names no model; write for example {_example(zoo)}")
    return identifier


def check_identifiers(folder: Path) -> tuple[str, str]:
    """The team and the name of a submission, which are the last two parts of its folder.

    Args:
        folder: An absolute path; the folder need not exist.

    Raises:
        SubmissionError: A part holds what an identifier may not hold.
    """
    team, name = folder.parent.name, folder.name
    for noun, found in (("team", team), ("name", name)):
        try:
            _IDENTIFIER.validate_python(found)
        except ValidationError as error:
            raise SubmissionError(
                f"the {noun} is the folder name {found!r}, which may hold only a-z, 0-9, '.', '_' and '-', starts with "
                "a letter or digit and has at most 80 characters; rename the folder",
                path=folder,
            ) from error
    return team, name


def checked_file(submission: LoadedSubmission, key: str) -> Path:
    """The file that `model.<key>` names, inside the folder and with the sha256 that the manifest promises.

    Args:
        submission: A submission with a folder.
        key: `file` or `weights`.

    Raises:
        SubmissionError: The file is missing or leaves the folder.
        WeightsError: The file's sha256 differs from the manifest's.
    """
    model = submission.manifest.model
    name = getattr(model, key)
    if submission.folder is None or name is None:
        raise SubmissionError(
            "names no file of a submission's folder", path=submission.manifest_path, key=f"model.{key}"
        )
    path = contained(submission.folder, name, key=f"model.{key}")
    covered = "weights" if model.weights is not None else "file"
    if model.sha256 is not None and key == covered and (found := file_sha256(path)) != model.sha256:
        raise WeightsError(
            f"expected {model.sha256}, but {name!r} has {found}: the file was altered or is another one; "
            "restore it, or write its sha256 if it is meant",
            path=submission.manifest_path,
            key="model.sha256",
        )
    return path


def _open_folder(folder: Path) -> LoadedSubmission:
    manifest_path = folder / MANIFEST
    manifest = Submission.load(manifest_path)
    team, name = check_identifiers(folder)
    for key, found, written in (("team", team, manifest.team), ("name", name, manifest.name)):
        if written not in (None, found):
            raise SubmissionError(
                f"is {written!r}, but the folder is named {found!r}; make them agree or remove the key",
                path=manifest_path,
                key=key,
            )
    check_keys(manifest, manifest_path, MODEL_SOURCES)
    named = named_files(manifest)
    for key, file in named.items():
        contained(folder, file, key=f"model.{key}")
    hashes = hash_files(folder, frozenset(named.values()))
    digest = digest_of({"manifest": _content(manifest), "files": hashes})
    return LoadedSubmission(manifest=manifest, team=team, name=name, folder=folder, digest=digest)


def _open_short_form(zoo: str, name: str) -> LoadedSubmission:
    identifier = short_form(zoo, name)
    model = {"source": zoo, "name": name}
    extra = "none"
    if zoo == "timm":
        tag = name.partition(".")[2]
        if not tag.endswith("in1k") or _TAG_OF_MORE_DATA.search(tag):
            extra = f"not stated; timm tag {tag}" if tag else "not stated"
    else:
        architecture, slash, weights = name.partition("/")
        if not (architecture and slash and weights):
            raise UsageError(f"'{zoo}:{name}' does not say which weights; write for example {_example(zoo)}")
        model = {"source": zoo, "name": architecture, "weights": weights}
        if "SWAG" in weights.upper():
            extra = "IG-3.6B (SWAG)"
    content = {"format_version": 1, "title": name, "model": model, "extra_training_data": extra}
    manifest = Submission.parse(content, path=f"{zoo}:{name}")
    digest = digest_of({"manifest": _content(manifest), "files": {}})
    return LoadedSubmission(manifest=manifest, team=zoo, name=identifier, folder=None, digest=digest)


def _example(zoo: str) -> str:
    return "timm:resnet50.a1_in1k" if zoo == "timm" else "torchvision:resnet50/IMAGENET1K_V2"


def _content(manifest: Submission) -> dict[str, object]:
    """The part of the manifest that the digest covers: team and name are the folder's."""
    return {key: value for key, value in manifest.as_json().items() if key not in ("team", "name")}
