"""`bench data verify` names what is odd and what is wrong, and exits 1 for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.data.classes import ClassTable
from bench.data.contents import dataset_digest
from bench.data.dataset import open_dataset
from bench.data.report import DatasetReport, SplitReport
from bench.data.verify import verify
from bench.errors import DataError
from bench.records.protocol import DatasetSpec

SPEC = DatasetSpec(name="shapes2", split="val", num_samples=4)
MakeLayout = Callable[[Path, str], Path]


def report_of(root: Path, *, splits: list[str] | None = None, spec: DatasetSpec | None = None) -> DatasetReport:
    def on_split(_split: str, _count: int) -> Callable[[int], None]:
        return [].append

    return verify(root, splits=splits, spec=spec, num_threads=2, on_split=on_split)


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["data", *map(str, arguments)])


@pytest.fixture
def shapes(tmp_path: Path, photo_bytes: Callable[..., bytes]) -> Path:
    """A sound set of two drawn classes: four validation and six training images."""
    from bench.data.classes import class_table

    for label, wnid in enumerate(class_table("shapes2").wnids):
        for split, count in (("val", 2), ("train", 3)):
            (tmp_path / split / wnid).mkdir(parents=True)
            for number in range(count):
                content = photo_bytes(40, 30, seed=100 * count + 10 * label + number)
                (tmp_path / split / wnid / f"{wnid}_{number}.JPEG").write_bytes(content)
    return tmp_path


def val_folder(root: Path, label: int = 0) -> Path:
    return sorted((root / "val").iterdir())[label]


def val_report(root: Path, spec: DatasetSpec | None = SPEC) -> SplitReport:
    return report_of(root, splits=["val"], spec=spec).splits[0]


class TestSound:
    """A dataset without faults."""

    def test_both_splits_are_found_and_counted(self, shapes: Path) -> None:
        """The class table is recognised by the names of the folders."""
        report = report_of(shapes)

        assert report.dataset == "shapes2"
        assert [(split.split, split.num_images, split.layout) for split in report.splits] == [
            ("train", 6, "wnid-folders"),
            ("val", 4, "wnid-folders"),
        ]
        assert report.is_sound
        assert report.splits[0].balance.model_dump() == {"smallest": 3, "median": 3.0, "largest": 3}

    def test_the_digest_is_that_of_an_evaluation(self, shapes: Path) -> None:
        """What is verified is what results are filed under."""
        dataset = open_dataset(shapes, SPEC)

        assert val_report(shapes).digest == dataset_digest(dataset, cache_folder=None, num_threads=1)

    def test_oddities_of_imagenet_are_told_and_are_no_faults(
        self, shapes: Path, photo_bytes: Callable[..., bytes], picture_files: dict[str, bytes]
    ) -> None:
        """CMYK, a PNG named JPEG, a rotation tag, equal content."""
        folder = val_folder(shapes)
        (folder / "cmyk.JPEG").write_bytes(photo_bytes(mode="CMYK"))
        (folder / "png.JPEG").write_bytes(photo_bytes(kind="PNG"))
        (folder / "rotated.jpg").write_bytes(picture_files["exif-rotated"])
        (folder / "again.jpeg").write_bytes(photo_bytes(kind="PNG"))

        report = val_report(shapes, spec=None)

        assert report.faults == ()
        assert report.cmyk == (str(folder / "cmyk.JPEG"),)
        assert [(Path(found.path).name, found.note) for found in report.misnamed] == [
            ("again.jpeg", "is PNG"),
            ("png.JPEG", "is PNG"),
        ]
        assert report.num_exif_rotated == 1
        assert report.duplicates == ((str(folder / "again.jpeg"), str(folder / "png.JPEG")),)

    def test_every_layout_is_read(self, layout: str, layout_name: str, tmp_path: Path, make_layout: MakeLayout) -> None:
        """Four numbered ImageNet images: few, but found and decoded."""
        report = report_of(make_layout(tmp_path, layout))

        assert report.dataset == "imagenet-1k"
        assert [(split.split, split.num_images, split.layout) for split in report.splits] == [("val", 4, layout_name)]
        assert report.splits[0].undecodable == ()
        assert report.splits[0].misplaced == ()


class TestFaults:
    """What no protocol can use."""

    def test_missing_classes_and_images(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """ImageNet's numbers are known without a protocol."""
        report = report_of(make_layout(tmp_path, "wnid-folders")).splits[0]

        assert report.num_classes == 3
        assert len(report.missing_classes) == 997
        assert report.faults[0].startswith("997 of the 1,000 classes of imagenet-1k have no image, first n01440764 (te")
        assert report.faults[1] == "there are 4 images, expected 50,000"

    @pytest.mark.parametrize("content", [b"", b"no image"])
    def test_undecodable_files_are_named(self, content: bytes, shapes: Path) -> None:
        """All of them, with the reason; the rest is still looked at."""
        folder = val_folder(shapes)
        for path in list(folder.iterdir())[:2]:
            path.write_bytes(content)

        report = val_report(shapes)

        assert sorted(found.path for found in report.undecodable) == sorted(str(path) for path in folder.iterdir())
        assert report.faults[0].startswith("2 images cannot be used, first ")

    def test_truncated_files_are_named(self, shapes: Path) -> None:
        """A header alone is no image."""
        path = next(val_folder(shapes).iterdir())
        path.write_bytes(path.read_bytes()[:-200])

        report = val_report(shapes)

        assert [found.path for found in report.undecodable] == [str(path)]
        assert report.undecodable[0].note.startswith("cannot be decoded")

    def test_extra_folders_and_stray_files(self, shapes: Path, photo_bytes: Callable[..., bytes]) -> None:
        """They are named, and their images are not counted."""
        (shapes / "val" / "cats").mkdir()
        (shapes / "val" / "cats" / "cat.JPEG").write_bytes(photo_bytes())
        (val_folder(shapes, 1) / "._x.JPEG").touch()

        report = val_report(shapes)

        assert report.num_images == 4
        assert report.extra_folders == ("cats",)
        assert report.stray_files == (str(val_folder(shapes, 1) / "._x.JPEG"),)
        assert len(report.faults) == 2

    def test_images_in_a_wrong_class_folder(
        self, tmp_path: Path, make_layout: MakeLayout, imagenet: ClassTable, numbered_labels: tuple[int, ...]
    ) -> None:
        """Numbered images are checked against a development kit beside them."""
        make_layout(tmp_path, "wnid-folders")
        make_layout(tmp_path / "kit", "flat, ground truth at the root")
        right, wrong = (imagenet.wnids[label] for label in numbered_labels[:2])
        name = "ILSVRC2012_val_00000001.JPEG"
        (tmp_path / "val" / right / name).rename(tmp_path / "val" / wrong / name)

        report = report_of(tmp_path, splits=["val"]).splits[0]

        assert [(Path(found.path).name, found.note) for found in report.misplaced] == [(name, f"belongs to {right}")]

    def test_a_protocol_decides_the_number(self, shapes: Path) -> None:
        """A sound set of another size is not what the protocol needs."""
        report = val_report(shapes, spec=DatasetSpec(name="shapes2", split="val", num_samples=500))

        assert report.faults == ("there are 4 images, expected 500",)

    def test_a_split_that_is_asked_for_must_be_there(self, shapes: Path) -> None:
        """No silent success on half a dataset."""
        (shapes / "val").rename(shapes / "elsewhere")

        with pytest.raises(DataError, match="holds no val images"):
            report_of(shapes, splits=["train", "val"])


class TestCommand:
    """`bench data verify`."""

    def test_a_sound_dataset_exits_0(self, shapes: Path) -> None:
        """The table goes to stdout, the verdict is a note."""
        done = bench("verify", shapes, "--workers", 1)

        assert done.exit_code == 0
        assert "images\t6\t4\n" in done.stdout
        assert "No fault found." in done.stderr

    def test_a_fault_exits_1_and_is_printed(self, shapes: Path) -> None:
        """Each fault is one line that says so."""
        path = next(val_folder(shapes).iterdir())
        path.write_bytes(b"")

        done = bench("verify", shapes, "--split", "val")

        assert done.exit_code == 1
        assert f"FAULT val: 1 images cannot be used, first {path}: is empty (0 bytes)" in done.stdout
        assert f"val\tcannot be decoded\t{path}\tis empty" in done.stdout

    def test_json_holds_everything(self, shapes: Path) -> None:
        """The JSON is the report, also with faults."""
        done = bench("verify", shapes, "--json", "--protocol", "shapes10-val")

        assert done.exit_code == 1
        report = json.loads(done.stdout)
        assert report["dataset"] == "shapes10"
        assert report["splits"][0]["num_expected"] == 500
        assert len(report["splits"][0]["missing_classes"]) == 8

    def test_a_folder_that_is_no_dataset_exits_1_with_one_sentence(self, tmp_path: Path) -> None:
        """No traceback."""
        done = bench("verify", tmp_path)

        assert done.exit_code == 1
        assert "holds no val images; looked for" in done.stderr

    def test_an_unknown_protocol_exits_2(self, tmp_path: Path) -> None:
        """The nearest names are offered."""
        done = bench("verify", tmp_path, "--protocol", "imagenet-val-close")

        assert done.exit_code == 2
        assert "did you mean imagenet-val-closed" in done.stderr

    def test_a_drawn_dataset_is_sound_in_every_layout(self, tmp_path: Path) -> None:
        """`synth` writes what `verify` accepts; without class folders, validation labels come from its devkit."""
        root = tmp_path / "drawn"
        drawn = bench("synth", root, "--classes", 3, "--train-per-class", 2, "--val-per-class", 2, "--workers", 1)
        assert (drawn.exit_code, drawn.stdout) == (0, f"{root}\n")
        first = json.loads(bench("verify", root, "--split", "val", "--json").stdout)
        for path in sorted((root / "val").glob("*/*")):
            path.rename(root / "val" / path.name)
        for folder in (root / "val").glob("n*"):
            folder.rmdir()

        second = bench("verify", root, "--split", "val", "--json")

        assert second.exit_code == 0
        report = json.loads(second.stdout)
        assert report["dataset"] == first["dataset"] == "shapes3"
        assert report["splits"][0]["layout"] == "flat"
        assert report["splits"][0]["digest"] == first["splits"][0]["digest"]

    def test_the_real_photographs_have_no_undecodable_file(self, real_data: Path) -> None:
        """300 photographs of 300 classes; that 700 are missing is a fault."""
        done = bench("verify", real_data / "imagenet-sample", "--json")

        report = json.loads(done.stdout)["splits"][0]
        assert done.exit_code == 1
        assert (report["num_images"], report["num_classes"], report["undecodable"]) == (300, 300, [])
        assert report["num_exif_rotated"] == 1
