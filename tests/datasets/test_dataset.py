"""Datasets open in every layout people have, and say in one sentence what is wrong with the others."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.classes import ClassTable
from bench.data.dataset import Dataset, open_dataset, read_sample
from bench.data.groundtruth import label_folders, read_devkit
from bench.errors import DataError, UsageError
from bench.records.protocol import DatasetSpec

VAL = DatasetSpec(name="imagenet-1k", split="val", num_samples=50_000)
THOUSAND = DatasetSpec(name="imagenet-1k", split="val", num_samples=1_000)
TRAIN = DatasetSpec(name="imagenet-1k", split="train", num_samples=1_000)

MakeLayout = Callable[[Path, str], Path]
IDS = tuple(f"ILSVRC2012_val_{number:08d}" for number in range(1, 5))


def open_part(root: Path, spec: DatasetSpec = VAL) -> Dataset:
    return open_dataset(root, spec, allow_partial=True)


@pytest.fixture
def thousand(tmp_path: Path, imagenet: ClassTable) -> Path:
    """A complete tree with one image (of no content) a class."""
    for wnid in imagenet.wnids:
        (tmp_path / "val" / wnid).mkdir(parents=True)
        (tmp_path / "val" / wnid / f"{wnid}_7.JPEG").touch()
    return tmp_path


class TestLayouts:
    """Every layout gives the same samples."""

    def test_every_layout_gives_equal_samples(
        self,
        layout: str,
        layout_name: str,
        tmp_path: Path,
        make_layout: MakeLayout,
        numbered_files: dict[str, bytes],
        numbered_labels: tuple[int, ...],
    ) -> None:
        """Ids, labels and contents do not depend on how the files lie there."""
        dataset = open_part(make_layout(tmp_path, layout))

        assert dataset.layout == layout_name
        assert dataset.sample_ids == IDS
        assert dataset.labels_N.tolist() == list(numbered_labels)
        assert dataset.labels_N.dtype == np.int64
        assert [read_sample(sample) for sample in dataset.samples] == list(numbered_files.values())
        assert not dataset.complete

    @pytest.mark.parametrize("inside", ["val", "ILSVRC", "ILSVRC/Data/CLS-LOC", "ILSVRC/Data/CLS-LOC/val"])
    def test_the_folder_may_be_the_split_or_lie_in_between(
        self, inside: str, tmp_path: Path, make_layout: MakeLayout, numbered_labels: tuple[int, ...]
    ) -> None:
        """The split's folder itself and the inner folders of the Kaggle tree are accepted as well."""
        make_layout(tmp_path, "wnid-folders" if inside == "val" else "kaggle")

        assert open_part(tmp_path / inside).labels_N.tolist() == list(numbered_labels)

    def test_a_flat_split_folder_finds_the_devkit_beside_it(
        self, tmp_path: Path, make_layout: MakeLayout, numbered_labels: tuple[int, ...]
    ) -> None:
        """Pointing at val/ works when the development kit is its neighbour."""
        make_layout(tmp_path, "flat, devkit folder")

        assert open_part(tmp_path / "val").labels_N.tolist() == list(numbered_labels)

    def test_the_tar_itself_may_be_given(
        self, tmp_path: Path, make_layout: MakeLayout, numbered_labels: tuple[int, ...]
    ) -> None:
        """A path that is the tar is read in place, with the ground truth beside it."""
        make_layout(tmp_path, "tar")

        assert open_part(tmp_path / "ILSVRC2012_img_val.tar").labels_N.tolist() == list(numbered_labels)

    def test_the_kaggle_training_tree_has_class_folders(self, tmp_path: Path) -> None:
        """Training images get their class from the WNID of the folder, wherever the tree hangs."""
        folder = tmp_path / "ILSVRC/Data/CLS-LOC/train/n01443537"
        folder.mkdir(parents=True)
        (folder / "n01443537_2.JPEG").touch()

        dataset = open_part(tmp_path, TRAIN)

        assert dataset.layout == "kaggle"
        assert [(sample.id, sample.label) for sample in dataset.samples] == [("n01443537/n01443537_2", 1)]

    def test_a_missing_image_shifts_no_label(
        self, tmp_path: Path, make_layout: MakeLayout, numbered_labels: tuple[int, ...]
    ) -> None:
        """The label comes from the number in the name, not from the position in the listing."""
        root = make_layout(tmp_path, "flat, devkit folder")
        (root / "val" / "ILSVRC2012_val_00000001.JPEG").unlink()

        assert open_part(root).labels_N.tolist() == list(numbered_labels[1:])

    def test_a_missing_class_shifts_no_label(self, thousand: Path, imagenet: ClassTable) -> None:
        """The label comes from the WNID of the folder, not from its position."""
        (thousand / "val" / imagenet.wnids[0] / f"{imagenet.wnids[0]}_7.JPEG").unlink()
        (thousand / "val" / imagenet.wnids[0]).rmdir()

        dataset = open_part(thousand)

        assert dataset.labels_N.tolist() == list(range(1, 1000))

    def test_a_synthetic_set_in_one_folder_uses_its_own_kit_ids(self, tmp_path: Path) -> None:
        """Tables of drawn classes have kit ids as well."""
        from bench.data.classes import class_table

        table = class_table("shapes10")
        (tmp_path / "val").mkdir()
        for number in range(1, 11):
            (tmp_path / "val" / f"ILSVRC2012_val_{number:08d}.JPEG").touch()
        text = "".join(f"{known}\n" for known in table.ilsvrc_ids)
        (tmp_path / "ILSVRC2012_validation_ground_truth.txt").write_text(text)

        dataset = open_dataset(tmp_path, DatasetSpec(name="shapes10", split="val", num_samples=10))

        assert dataset.labels_N.tolist() == list(range(10))
        assert dataset.complete


class TestCompleteness:
    """A complete split is told from a partial one."""

    def test_a_whole_split_is_complete(self, thousand: Path) -> None:
        """All classes and the right number of images need no permission."""
        dataset = open_dataset(thousand, THOUSAND)

        assert dataset.complete
        assert len(dataset) == 1_000

    def test_limit_keeps_the_first_in_canonical_order(self, thousand: Path) -> None:
        """A limited dataset holds the first ids and is not complete."""
        whole, part = open_dataset(thousand, THOUSAND), open_dataset(thousand, THOUSAND, limit=3)

        assert part.sample_ids == whole.sample_ids[:3]
        assert not part.complete

    def test_a_limit_beyond_the_end_changes_nothing(self, thousand: Path) -> None:
        """All images are all images."""
        assert open_dataset(thousand, THOUSAND, limit=5_000).complete

    def test_limit_must_be_positive(self, thousand: Path) -> None:
        """A limit of zero is a mistake, not an empty dataset."""
        with pytest.raises(UsageError, match="--limit is 0"):
            open_dataset(thousand, THOUSAND, limit=0)

    def test_a_missing_class_is_named(self, thousand: Path, imagenet: ClassTable) -> None:
        """Without permission for a part, a class without images stops the run."""
        (thousand / "val" / imagenet.wnids[3] / f"{imagenet.wnids[3]}_7.JPEG").unlink()

        with pytest.raises(DataError, match=r"misses 1 of the 1,000 classes.*n01491361 \(tiger shark\).*--allow-part"):
            open_dataset(thousand, THOUSAND)

    def test_a_wrong_number_of_images_is_told(self, thousand: Path) -> None:
        """The number found and the number needed stand in the message."""
        with pytest.raises(DataError, match=r"val: holds 1,000 val images, the protocol needs 50,000"):
            open_dataset(thousand, VAL)

    @pytest.mark.parametrize("name", ["n01440764/._n01440764_7.JPEG", "n01440764/notes.txt", "list.csv", "extra.JPEG"])
    def test_a_stray_file_is_named(self, name: str, thousand: Path) -> None:
        """A file that other loaders might count, or that might be a lost image, stops the run."""
        (thousand / "val" / name).touch()

        with pytest.raises(DataError, match=rf"{name}: is no image of a known class"):
            open_dataset(thousand, THOUSAND)
        assert len(open_part(thousand, THOUSAND)) == 1_000

    @pytest.mark.parametrize("name", [".DS_Store", "n01440764/.gitkeep"])
    def test_hidden_files_that_are_no_images_do_not_matter(self, name: str, thousand: Path) -> None:
        """What a file browser leaves behind is passed over."""
        (thousand / "val" / name).touch()

        assert open_dataset(thousand, THOUSAND).complete

    def test_ground_truth_of_a_neighbour_is_not_taken(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """Labels of another dataset beside this one are no labels of this one."""
        make_layout(tmp_path / "other", "flat, ground truth at the root")
        root = make_layout(tmp_path / "mine", "flat, ground truth at the root")
        (root / "ILSVRC2012_validation_ground_truth.txt").unlink()

        for place in (root, root / "val"):
            with pytest.raises(DataError, match="no ground truth"):
                open_part(place)


class TestFaults:
    """What is wrong is told with the file and what to do."""

    def test_no_such_folder(self, tmp_path: Path) -> None:
        """A mistyped path says so."""
        with pytest.raises(DataError, match=r"nowhere: there is no such folder; give the folder that holds val/"):
            open_dataset(tmp_path / "nowhere", VAL)

    def test_a_folder_without_images_says_what_was_looked_for_and_found(self, tmp_path: Path) -> None:
        """The layouts that are known and what lies there stand in the message."""
        (tmp_path / "pictures").mkdir()
        (tmp_path / "readme.txt").touch()

        with pytest.raises(
            DataError, match=r"no val images; looked for val/<WNID>.*img_val\.tar.*; found pictures/, rea"
        ):
            open_dataset(tmp_path, VAL)

    def test_test_images_get_no_validation_labels(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """The kit's ground truth is of the validation images; the numbers of test images mean nothing in it."""
        root = make_layout(tmp_path, "flat, devkit folder")
        for path in sorted((root / "val").iterdir()):
            path.rename(path.with_name(path.name.replace("_val_", "_test_")))
        with pytest.raises(DataError, match="holds no val images"):
            open_part(root)
        (root / "val").rename(root / "test")

        with pytest.raises(DataError, match="holds no test images"):
            open_part(root, DatasetSpec(name="imagenet-1k", split="test", num_samples=100_000))

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        """An empty folder is called one."""
        with pytest.raises(DataError, match="found an empty folder"):
            open_dataset(tmp_path, TRAIN)

    @pytest.mark.parametrize("name", ["0", "tench", "n0144076"])
    def test_a_folder_that_is_no_wnid(self, name: str, thousand: Path) -> None:
        """Class numbers and class words are no names of folders, even in a partial set."""
        (thousand / "val" / name).mkdir()

        with pytest.raises(DataError, match=rf"{name}: is not named by a WNID such as n01440764"):
            open_part(thousand)

    def test_an_unknown_wnid(self, thousand: Path) -> None:
        """A WordNet id of another dataset is told from a wrong name."""
        (thousand / "val" / "n00000001").mkdir()

        with pytest.raises(DataError, match=r"n00000001: is not one of the 1,000 classes of imagenet-1k"):
            open_part(thousand)

    def test_flat_images_without_ground_truth(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """What to put where stands in the message."""
        root = make_layout(tmp_path, "flat, ground truth at the root")
        (root / "ILSVRC2012_validation_ground_truth.txt").unlink()

        with pytest.raises(DataError, match=r"no ground truth.*ILSVRC2012_validation_ground_truth.txt.*LOC_val"):
            open_part(root)

    @pytest.mark.parametrize(("line", "shown"), [("0", "'0'"), ("1001", "'1001'"), ("n01440764", "'n01440764'")])
    def test_ground_truth_of_another_dataset(self, line: str, shown: str, tmp_path: Path, imagenet: ClassTable) -> None:
        """A line that is no class id is named."""
        path = tmp_path / "truth.txt"
        path.write_text(f"490\n{line}\n")

        with pytest.raises(DataError, match=rf"truth.txt: line 2 is {shown}, expected a class id.*1 to 1,000"):
            read_devkit(path, imagenet)

    def test_an_image_beyond_the_ground_truth(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """An image number without a line is named."""
        root = make_layout(tmp_path, "flat, devkit folder")
        (root / "val" / "ILSVRC2012_val_00000009.JPEG").touch()

        with pytest.raises(DataError, match=r"ILSVRC2012_val_00000009 is not among the 4 lines"):
            open_part(root)

    def test_a_flat_image_without_a_number(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """A name without number cannot be looked up and is no class."""
        root = make_layout(tmp_path, "flat, devkit folder")
        (root / "val" / "cat.jpg").touch()

        with pytest.raises(DataError, match=r"cat.jpg: has no number in its name"):
            open_part(root)

    def test_an_image_that_kaggle_does_not_list(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """The image and the solution file stand in the message."""
        root = make_layout(tmp_path, "kaggle")
        (root / "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000005.JPEG").touch()

        with pytest.raises(DataError, match=r"00000005.JPEG: is not among the 4 images of .*LOC_val_solution.csv"):
            open_part(root)

    @pytest.mark.parametrize("row", ["ILSVRC2012_val_00000001,n00000001 1 2 3 4", "ILSVRC2012_val_00000001"])
    def test_a_kaggle_row_without_a_known_class(self, row: str, tmp_path: Path, make_layout: MakeLayout) -> None:
        """The line that is wrong is shown."""
        root = make_layout(tmp_path, "kaggle")
        (root / "LOC_val_solution.csv").write_text(f"ImageId,PredictionString\n{row}\n")

        with pytest.raises(DataError, match=r"LOC_val_solution.csv: line 2 .*does not name one class of imagenet-1k"):
            open_part(root)

    def test_one_image_in_two_class_folders(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """A sample id occurs once, or both files are named."""
        root = make_layout(tmp_path, "wnid-folders")
        folder = root / "val" / "n01440764"
        folder.mkdir()
        (folder / "ILSVRC2012_val_00000002.JPEG").touch()

        with pytest.raises(DataError, match=r"is the image 'ILSVRC2012_val_00000002', and so is .*; remove one"):
            open_part(root)

    def test_a_cut_off_tar(self, tmp_path: Path, make_layout: MakeLayout) -> None:
        """A download that stopped early is told, never read as a smaller set."""
        path = make_layout(tmp_path, "tar") / "ILSVRC2012_img_val.tar"
        with tarfile.open(path) as archive:
            last = archive.getmembers()[-1]
        os.truncate(path, last.offset_data + last.size // 2)

        with pytest.raises(DataError, match=r"is not a whole, uncompressed tar|is cut off: the tar ends within it"):
            [read_sample(sample) for sample in open_part(tmp_path).samples]

    def test_an_unreadable_class_folder(self, thousand: Path) -> None:
        """A folder without permission is named; root reads everything, so a child gives up its rights first."""
        (thousand / "val" / "n01440764").chmod(0)
        for folder in (thousand, *list(thousand.parents)[:3]):
            folder.chmod(folder.stat().st_mode | 0o555)  # adds what is missing: one of them may be shared
        code = (
            "import os, sys; from pathlib import Path\n"
            "from bench.data.dataset import open_dataset; from bench.records.protocol import DatasetSpec\n"
            "from bench.data.classes import class_table\n"
            "class_table('imagenet-1k')\n"  # where bench is installed, not everybody may read
            "if os.getuid() == 0: os.setuid(65534)\n"
            "try: open_dataset(Path(sys.argv[1]), DatasetSpec(name='imagenet-1k', split='val', num_samples=1000))\n"
            "except Exception as error: print(type(error).__name__, error)\n"
        )

        done = subprocess.run([sys.executable, "-c", code, thousand], capture_output=True, text=True, check=True)
        (thousand / "val" / "n01440764").chmod(0o755)

        assert "DataError" in done.stdout
        assert "n01440764: cannot be read (Permission denied)" in done.stdout


def test_label_folders_hold_images_and_every_ground_truth(tmp_path: Path, make_layout: Callable[..., Path]) -> None:
    """A sandbox must show none of them: the split, what lies beside it, and a devkit there."""
    root = make_layout(tmp_path / "top", "flat, devkit folder")
    (devkit,) = {path.parent for path in root.rglob("*_validation_ground_truth.txt")}

    for given in (root, root / "val"):
        folders = {folder.resolve() for folder in label_folders(given, "val")}

        assert {root, root / "val", devkit} <= folders


def test_label_folders_of_a_tar_are_around_it(tmp_path: Path) -> None:
    """The tar itself is a file: what holds it is named instead."""
    tar = tmp_path / "data" / "ILSVRC2012_img_val.tar"
    tar.parent.mkdir()
    tar.touch()

    folders = label_folders(tar, "val")

    assert tar.parent in folders
    assert tar not in folders


def test_label_folders_of_images_in_no_layout_hold_them(tmp_path: Path) -> None:
    """Those of a hidden set, whose labels somebody may keep beside them."""
    (tmp_path / "hidden").mkdir()

    assert label_folders(tmp_path / "hidden", "test") == (tmp_path / "hidden", tmp_path)


def test_ground_truth_gives_ids_and_labels_by_image_number(real_data: Path, imagenet: ClassTable) -> None:
    """The real validation labels start with the ten known classes and have fifty images a class."""
    truth = read_devkit(real_data / "ilsvrc2015" / "ILSVRC2015_clsloc_validation_ground_truth.txt", imagenet)

    assert truth.labels_N[:10].tolist() == [65, 970, 230, 809, 516, 57, 334, 415, 674, 332]
    assert truth.sample_ids[0] == "ILSVRC2012_val_00000001"
    assert np.bincount(truth.labels_N).tolist() == [50] * 1000


def test_kaggle_and_devkit_agree_on_every_real_label(real_data: Path, imagenet: ClassTable, tmp_path: Path) -> None:
    """Both ground truths of the 50,000 validation images are read to the same classes."""
    from bench.data.groundtruth import find_labels
    from bench.data.layouts import ImageFile, Place

    place = Place("kaggle", tmp_path / "val", tmp_path, has_class_folders=False)
    (tmp_path / "LOC_val_solution.csv.gz").symlink_to(real_data / "ilsvrc2015" / "LOC_val_solution.csv.gz")
    truth = read_devkit(real_data / "ilsvrc2015" / "ILSVRC2015_clsloc_validation_ground_truth.txt", imagenet)

    label_of = find_labels(place, imagenet)

    labels = [label_of(ImageFile(sample_id, None, place.path, 0, None)) for sample_id in truth.sample_ids]
    assert labels == truth.labels_N.tolist()


def test_the_real_photographs_open(real_data: Path, imagenet: ClassTable) -> None:
    """300 of the 1000 classes: the label is the position of the WNID among all, not among the folders."""
    dataset = open_part(real_data / "imagenet-sample")

    assert len(dataset) == 300
    assert [imagenet.wnids[label] for label in dataset.labels_N] == [name.split("/")[0] for name in dataset.sample_ids]
