"""Opening submissions: names, keys, contained files, digests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bench.errors import RecordError, SubmissionError, UsageError, WeightsError
from bench.files import sha256_of_file
from bench.models.source import MODEL_SOURCES, checked_file, open_submission, short_form
from bench.records.names import Identifier
from bench.records.result import Result

PYTHON = 'source = "python"\nfile = "model.py"\nfactory = "build_model"\n'
Make = Callable[..., Path]


def test_a_folder_and_its_manifest_name_the_same_submission(make_submission: Make) -> None:
    """A folder and the path of its manifest are two ways to say one thing."""
    folder = make_submission()
    by_folder, by_file = open_submission(str(folder)), open_submission(str(folder / "submission.toml"))
    assert by_folder == by_file
    assert (by_folder.team, by_folder.name, by_folder.label) == ("acme", "net", "acme/net")
    assert by_folder.ref().title == "A small network"
    assert by_folder.ref().digest == by_folder.digest


def test_a_relative_path_takes_the_names_of_the_real_folders(
    make_submission: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bench check .` inside the folder knows team and name."""
    monkeypatch.chdir(make_submission())
    assert open_submission(".").label == "acme/net"


def test_the_digest_covers_the_manifest_and_every_file_of_the_model(make_submission: Make) -> None:
    """Code, weights and manifest change the digest; notes, hidden files and comments do not."""
    folder = make_submission()
    before = open_submission(str(folder)).digest
    (folder / "README.md").write_text("words")
    (folder / "LICENSE").write_text("words")
    (folder / ".hidden").write_text("words")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "model.pyc").write_bytes(b"x")
    manifest = folder / "submission.toml"
    manifest.write_text("# a comment\n" + manifest.read_text())
    assert open_submission(str(folder)).digest == before
    (folder / "layers.py").write_text("x = 1\n")
    with_neighbour = open_submission(str(folder)).digest
    assert with_neighbour != before
    (folder / "layers.py").write_text("x = 2\n")
    assert open_submission(str(folder)).digest not in (before, with_neighbour)
    (folder / "layers.py").unlink()
    manifest.write_text(manifest.read_text().replace("img_size = 32", "img_size = 48"))
    assert open_submission(str(folder)).digest != before


def test_a_hidden_file_that_the_manifest_names_is_covered(make_submission: Make) -> None:
    """Weights cannot hide from the digest behind a dot."""
    folder = make_submission(model=PYTHON + 'weights = ".w.safetensors"\n')
    (folder / ".w.safetensors").write_bytes(b"one")
    before = open_submission(str(folder)).digest
    (folder / ".w.safetensors").write_bytes(b"two")
    assert open_submission(str(folder)).digest != before


def test_the_digest_does_not_depend_on_where_the_folder_lies(make_submission: Make) -> None:
    """The same submission in two places has one digest; team and name are no part of it."""
    first, second = make_submission(), make_submission(team="other", name="copy")
    assert open_submission(str(first)).digest == open_submission(str(second)).digest


@pytest.mark.parametrize(
    ("model", "key", "says"),
    [
        ('source = "pyhton"\n', "model.source", "did you mean python"),
        ('source = "python"\nfile = "model.py"\n', "model.factory", "is missing"),
        ('source = "timm"\nname = "resnet18"\nfactory = "f"\n', "model.factory", "means nothing to source 'timm'"),
        ('source = "predictions"\nfile = "model.py"\nkwargs = { a = 1 }\n', "model.kwargs", "means nothing"),
        (PYTHON + "kwargs = { a = nan }\n", "model.kwargs", "NaN or infinity"),
        (PYTHON.replace("model.py", "../model.py"), "model.file", "leaves the submission's folder"),
        (PYTHON.replace("model.py", "/etc/passwd"), "model.file", "leaves the submission's folder"),
        (PYTHON.replace("model.py", "modell.py"), "model.file", "there is no file 'modell.py'"),
        (PYTHON + 'weights = "w.safetensors"\n', "model.weights", "there is no file 'w.safetensors'"),
        (PYTHON + 'weights = "https://acme.example/w"\n', "model.sha256", "need the sha256"),
        (PYTHON + f'weights = "http://acme.example/w"\nsha256 = "{"a" * 64}"\n', "model.weights", "only https"),
        (f'source = "timm"\nname = "resnet18"\nsha256 = "{"a" * 64}"\n', "model.sha256", "no file or weights"),
        (
            f'source = "torchvision"\nname = "alexnet"\nweights = "IMAGENET1K_V1"\nsha256 = "{"a" * 64}"\n',
            "model.sha256",
            "torchvision checks itself",
        ),
    ],
)
def test_a_wrong_key_or_file_is_named(make_submission: Make, model: str, key: str, says: str) -> None:
    """The message has the manifest, the key and what is wrong."""
    folder = make_submission(model=model)
    with pytest.raises(SubmissionError) as caught:
        open_submission(str(folder))
    assert caught.value.path == folder / "submission.toml"
    assert caught.value.key == key
    assert says in str(caught.value)


def test_an_unknown_key_and_a_wrong_type_are_named(make_submission: Make) -> None:
    """The manifest's own faults come from its record."""
    folder = make_submission(model=PYTHON + 'weihgts = "x"\nkwargs = 3\n')
    with pytest.raises(RecordError, match=r"model\.weihgts: unknown key; did you mean weights") as caught:
        open_submission(str(folder))
    assert "model.kwargs" in str(caught.value)


def test_links_that_leave_the_folder_are_refused(make_submission: Make, tmp_path: Path) -> None:
    """A link cannot smuggle a file in, neither a named one nor a neighbour, nor a whole folder."""
    (tmp_path / "outside.py").write_text("x = 1\n")
    folder = make_submission()
    (folder / "model.py").unlink()
    (folder / "model.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(SubmissionError, match="link that leaves"):
        open_submission(str(folder))
    (folder / "model.py").unlink()
    (folder / "model.py").write_text("")
    (folder / "neighbour.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(SubmissionError, match="link that leaves"):
        open_submission(str(folder))
    (folder / "neighbour.py").unlink()
    (folder / "package").symlink_to(tmp_path)
    with pytest.raises(SubmissionError, match="link to a folder"):
        open_submission(str(folder))


def test_a_pipe_in_the_folder_is_refused(make_submission: Make) -> None:
    """Reading a named pipe would wait for ever."""
    folder = make_submission()
    os.mkfifo(folder / "pipe")
    with pytest.raises(SubmissionError, match="no regular file"):
        open_submission(str(folder))


@pytest.mark.parametrize(("team", "name"), [("Acme", "net"), ("acme", "my net"), ("acme", "_net")])
def test_folder_names_must_be_identifiers(make_submission: Make, team: str, name: str) -> None:
    """Names become paths and keys, so what they hold is narrow."""
    with pytest.raises(SubmissionError, match="rename the folder"):
        open_submission(str(make_submission(team=team, name=name)))


def test_written_names_must_agree_with_the_folders(make_submission: Make) -> None:
    """The optional keys team and name say what the folders say."""
    folder = make_submission(top='team = "acme"\nname = "other"')
    with pytest.raises(SubmissionError, match="is 'other', but the folder is named 'net'"):
        open_submission(str(folder))


def test_a_folder_without_manifest_and_no_folder_at_all_say_what_to_do(make_submission: Make, tmp_path: Path) -> None:
    """Near names are offered, and the command that makes a submission."""
    make_submission()
    with pytest.raises(UsageError, match="did you mean net"):
        open_submission(str(tmp_path / "acme" / "nett"))
    with pytest.raises(SubmissionError, match="bench new"):
        open_submission(str(tmp_path / "acme"))
    with pytest.raises(UsageError, match="torchvision:NAME/WEIGHTS"):
        open_submission("tensorflow:resnet50")


def test_a_wrong_sha256_shows_both(make_submission: Make) -> None:
    """Altered weights are refused before anything reads them."""
    folder = make_submission(model=PYTHON + f'sha256 = "{"a" * 64}"\n')
    submission = open_submission(str(folder))
    with pytest.raises(WeightsError) as caught:
        checked_file(submission, "file")
    assert "a" * 64 in str(caught.value)
    assert sha256_of_file(folder / "model.py") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "label", "model", "extra"),
    [
        ("timm:resnet50.a1_in1k", "timm/resnet50.a1_in1k", {"name": "resnet50.a1_in1k"}, "none"),
        ("timm:resnet50", "timm/resnet50", {"name": "resnet50"}, "not stated"),
        (
            "timm:vit_base_patch16_224.augreg2_in21k_ft_in1k",
            "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k",
            {"name": "vit_base_patch16_224.augreg2_in21k_ft_in1k"},
            "not stated; timm tag augreg2_in21k_ft_in1k",
        ),
        (
            "timm:tf_efficientnet_b0.ns_jft_in1k",
            "timm/tf_efficientnet_b0.ns_jft_in1k",
            {"name": "tf_efficientnet_b0.ns_jft_in1k"},
            "not stated; timm tag ns_jft_in1k",
        ),
        (
            "torchvision:resnet50/IMAGENET1K_V2",
            "torchvision/resnet50--imagenet1k_v2",
            {"name": "resnet50", "weights": "IMAGENET1K_V2"},
            "none",
        ),
        (
            "torchvision:vit_b_16/IMAGENET1K_SWAG_E2E_V1",
            "torchvision/vit_b_16--imagenet1k_swag_e2e_v1",
            {"name": "vit_b_16", "weights": "IMAGENET1K_SWAG_E2E_V1"},
            "IG-3.6B (SWAG)",
        ),
    ],
)
def test_short_forms(text: str, label: str, model: dict[str, str], extra: str) -> None:
    """A short form is a submission of the team timm or torchvision that says what it was trained on, if known."""
    submission = open_submission(text)
    assert submission.label == label
    assert submission.folder is None
    assert submission.manifest.model.model_dump(include=set(model)) == model
    assert submission.manifest.extra_training_data == extra


@pytest.mark.parametrize("text", ["timm:", "torchvision:resnet50", "torchvision:/IMAGENET1K_V1", "torchvision:"])
def test_incomplete_short_forms_show_a_complete_one(text: str) -> None:
    """The message holds an example to copy."""
    with pytest.raises(UsageError, match=r"write for example (timm:resnet50|torchvision:resnet50/)"):
        open_submission(text)


@given(st.text(min_size=1, max_size=120))
def test_every_short_form_name_is_an_identifier(name: str) -> None:
    """Whatever a zoo calls a model, the name can be a folder; or nothing is left of it and that is said."""
    try:
        found = short_form("timm", name)
    except UsageError:
        return
    assert TypeAdapter(Identifier).validate_python(found) == found


def test_every_source_takes_what_it_needs() -> None:
    """The table of sources is whole."""
    assert set(MODEL_SOURCES) == {"python", "timm", "torchvision", "exported", "predictions"}
    for name in MODEL_SOURCES:
        source = MODEL_SOURCES[name]
        assert source.needs <= source.takes


def test_opening_does_not_import_torch(make_submission: Make) -> None:
    """An equal run is found in the store without waiting for torch."""
    code = (
        "import sys; from bench.models.source import open_submission; "
        f"open_submission({str(make_submission())!r}); open_submission('timm:resnet50.a1_in1k'); "
        "open_submission('torchvision:resnet50/IMAGENET1K_V1'); "
        "print(sorted({'torch', 'timm', 'torchvision', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_records_know_which_sources_run_code(make_result: Callable[..., Result]) -> None:
    """They may not import the sources; what is counted beside a submission's code is what it declares."""
    for name in MODEL_SOURCES:
        ref = make_result().submission.model_copy(update={"source": name})
        assert make_result(submission=ref).declares_costs == MODEL_SOURCES[name].runs_code
