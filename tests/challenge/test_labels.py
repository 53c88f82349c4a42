"""Hidden labels: readable for those who are named, and for nobody else."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.challenge.images import open_hidden
from bench.challenge.labels import SealedLabels, open_labels, read_labels_csv, seal_labels
from bench.challenge.loaded import LoadedChallenge
from bench.data.classes import class_table
from bench.errors import ChallengeError, DataError
from bench.files import sha256_of_file
from bench.records.challenge import Challenge, Evaluator, LabelSet
from bench.records.protocol import DatasetSpec
from bench.signing import SecretKey

ANN, BEN, EVE = (SecretKey(name * 32) for name in (b"a", b"b", b"x"))
READERS = [Evaluator(name="Ann", key=ANN.public), Evaluator(name="Ben", key=BEN.public)]
LABELS = {"image_1": "n01440764", "image_2": "n01443537"}
SPEC = DatasetSpec(name="shapes6", split="test", num_samples=12)


def sealed_file(tmp_path: Path, **change: object) -> tuple[Path, LabelSet]:
    """An encrypted file, and what a challenge says about it."""
    sealed = seal_labels(LABELS, challenge="tiny", name="secret", readers=READERS)
    path = tmp_path / "labels.json"
    path.write_text(sealed.model_copy(update=change).to_text())
    return path, LabelSet(name="secret", file="labels.json", sha256=sha256_of_file(path), readers=("Ann", "Ben"))


@pytest.mark.parametrize("key", [ANN, BEN])
def test_each_reader_opens_the_labels(tmp_path: Path, tiny_challenge: LoadedChallenge, key: SecretKey) -> None:
    """One file serves all readers, each with the key that also signs."""
    path, expected = sealed_file(tmp_path)
    assert open_labels(path, expected, tiny_challenge.rules, key) == LABELS


def test_nobody_else_opens_them(tmp_path: Path, tiny_challenge: LoadedChallenge) -> None:
    """The file says for whom it is; another key gets a sentence, also when it takes a reader's place in the file."""
    path, expected = sealed_file(tmp_path)
    with pytest.raises(ChallengeError, match="only for Ann, Ben"):
        open_labels(path, expected, tiny_challenge.rules, EVE)
    readers = SealedLabels.load(path).readers
    forged = (readers[0].model_copy(update={"key": EVE.public}), readers[1])
    path, expected = sealed_file(tmp_path, readers=forged)
    with pytest.raises(ChallengeError, match="cannot be decrypted"):
        open_labels(path, expected, tiny_challenge.rules, EVE)


def test_file_shows_neither_labels_nor_sample_ids(tmp_path: Path) -> None:
    """What lies in git says how many there are, and who can read them."""
    text = sealed_file(tmp_path)[0].read_text()
    assert not any(word in text for pair in LABELS.items() for word in pair)
    assert json.loads(text)["num_samples"] == 2


def test_readers_on_record_are_those_of_the_file(tmp_path: Path, tiny_challenge: LoadedChallenge) -> None:
    """A reader more or less than the challenge says is a fault."""
    path, expected = sealed_file(tmp_path)
    fewer = expected.model_copy(update={"readers": ("Ann",)})
    with pytest.raises(ChallengeError, match="can be read by Ann, Ben, the challenge names Ann"):
        open_labels(path, fewer, tiny_challenge.rules, ANN)


def test_set_cannot_be_passed_off_as_another(tmp_path: Path, tiny_challenge: LoadedChallenge) -> None:
    """The names of set and challenge are encrypted with the labels."""
    path, expected = sealed_file(tmp_path)
    other = expected.model_copy(update={"name": "other"})
    with pytest.raises(ChallengeError, match="holds the labels 'secret' of 'tiny'"):
        open_labels(path, other, tiny_challenge.rules, ANN)


def test_another_file_is_found_by_its_digest(tmp_path: Path, tiny_challenge: LoadedChallenge) -> None:
    """A set that was sealed again has another digest, which the challenge must name first."""
    _, expected = sealed_file(tmp_path)
    path, _ = sealed_file(tmp_path)
    with pytest.raises(ChallengeError, match="the challenge names"):
        open_labels(path, expected, tiny_challenge.rules, ANN)


@given(data=st.data())
def test_any_changed_byte_of_the_box_is_found(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Labels cannot be altered without being noticed, whatever the challenge says of the file."""
    tmp_path = tmp_path_factory.mktemp("box")
    path, _ = sealed_file(tmp_path)
    sealed = SealedLabels.load(path)
    box = bytearray(base64.b64decode(sealed.box))
    bit = data.draw(st.integers(0, 8 * len(box) - 1))
    box[bit // 8] ^= 1 << bit % 8
    path.write_text(sealed.model_copy(update={"box": base64.b64encode(box).decode()}).to_text())
    found = LabelSet(name="secret", file="labels.json", sha256=sha256_of_file(path), readers=("Ann", "Ben"))
    with pytest.raises(ChallengeError, match="cannot be decrypted"):
        open_labels(path, found, CHALLENGE, ANN)


CHALLENGE = Challenge.parse(
    {
        "format_version": 1,
        "id": "tiny",
        "title": "Tiny",
        "evaluators": [{"name": "Ann", "key": ANN.public}],
        "phases": [
            {
                "name": "test",
                "start": "2026-10-01T00:00:00Z",
                "end": "2026-10-02T00:00:00Z",
                "tracks": [{"division": "closed", "protocol": "p", "board": "b"}],
            }
        ],
    }
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "does not begin with"),
        ("id,label\n", "does not begin with"),
        ("sample_id,wnid\n", "holds no labels"),
        ("sample_id,wnid\na,n99999999\n", "line 2 is not"),
        ("sample_id,wnid\na,n01440764\na,n01440764\n", "line 3: the image 'a' is there twice"),
        ("sample_id,wnid\na,n01440764,1\n", "line 2 is not"),
    ],
)
def test_broken_tables_of_labels_are_named_without_a_label(tmp_path: Path, content: str, message: str) -> None:
    """The message has the line and not what stands there."""
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as raised:
        read_labels_csv(path, class_table("imagenet-1k"))
    assert "n01440764" not in str(raised.value)


def test_hidden_images_join_their_labels(images: Path, hidden_labels: dict[str, str]) -> None:
    """Every image has its class, in the order of the sample ids."""
    dataset = open_hidden(images, SPEC, hidden_labels)
    wnids = [dataset.classes.wnids[label] for label in dataset.labels_N]
    assert dict(zip(dataset.sample_ids, wnids, strict=True)) == hidden_labels
    assert dataset.complete


def test_images_and_labels_must_be_about_the_same_ids(images: Path, hidden_labels: dict[str, str]) -> None:
    """An image without a label, a label without an image, a second file of one name: each is a sentence."""
    fewer = dict(list(hidden_labels.items())[:-1])
    with pytest.raises(DataError, match="1 sample ids have no label"):
        open_hidden(images, SPEC, fewer)
    with pytest.raises(DataError, match="1 sample ids have no image"):
        open_hidden(images, SPEC, hidden_labels | {"more": "n01440764"})
    with pytest.raises(DataError, match="12 images, the protocol needs 13"):
        open_hidden(images, SPEC.model_copy(update={"num_samples": 13}), hidden_labels)
    (images / "test" / "picture_val_00000001.png").touch()
    with pytest.raises(DataError, match="differ only in their endings"):
        open_hidden(images, SPEC, hidden_labels)
