"""The pages of datasets: which there are, what uses them, how images become pixels, which classes are hard."""

from __future__ import annotations

import csv
import io
import re
import statistics
from pathlib import Path

import pytest
from leaderboard.made_results import breakdown_of, run_of, tiny_store, write_boards
from leaderboard.made_speeds import speed_of
from PIL import Image

from bench.data.classes import class_table
from bench.data.transforms import pixels
from bench.leaderboard.dataset_facts import dataset_facts, facts_names
from bench.leaderboard.dataset_use import class_counts, dataset_uses, ranked_breakdowns
from bench.leaderboard.datasets import dataset_pages
from bench.leaderboard.material import Material
from bench.leaderboard.preprocessing import EXAMPLE, resized, steps_of
from bench.leaderboard.slugs import slug
from bench.protocols import load_protocol
from bench.records.protocol import Geometry
from bench.records.result import DatasetRef, ProtocolRef, ResultInput
from bench.resources import resource_folder
from bench.store import Store

SHAPES = f"datasets/{slug('shapes10')}"
IMAGENET = f"datasets/{slug('imagenet-1k')}"


def _material(folder: Path, store: Store | None = None, boards: Path | None = None) -> Material:
    store = store or tiny_store(folder)
    store.results.mkdir(parents=True, exist_ok=True)
    return Material(store, boards or write_boards(folder / "boards"))


def _pages(material: Material) -> dict[str, str]:
    return {page.path: page.make().decode() for page in dataset_pages(material)}


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_dataset_is_what_a_board_or_a_result_names(tmp_path: Path) -> None:
    """Those of boards and of their joins, and those of results that no board shows; the first board's comes first."""
    store = Store(tmp_path / "results")
    strange = DatasetRef(name="our-own", split="val", num_samples=3)
    store.add(run_of("net", dataset=strange, protocol=ProtocolRef(id="our-protocol", version=1)))
    material = _material(tmp_path, store, resource_folder("boards"))
    uses = dataset_uses([item.result for item in material.stored], material.boards)
    joined = {join.protocol for loaded in material.boards for join in loaded.board.joins}
    expected = {loaded.protocol.dataset.name for loaded in material.boards} | {"our-own"}
    expected |= {load_protocol(name).dataset.name for name in joined}

    assert {use.name for use in uses} == expected
    assert uses[0].name == material.boards[0].protocol.dataset.name
    assert "Results name this dataset; nothing else is known" in _pages(material)["datasets/index.html"]


def test_digests_are_counted_whole(tmp_path: Path) -> None:
    """One line a content, with how many results use it; parts of a split are called that."""
    pages = _pages(_material(tmp_path))
    text = _text(pages[f"{SHAPES}.html"])

    assert f"val 500 5 {'c' * 64}" in text
    assert f"val part of the split 40 1 {'d' * 64}" in text
    assert "6 results" in _text(pages["datasets/index.html"])


def test_protocols_say_which_boards_show_them(tmp_path: Path) -> None:
    """Ranked by them, or beside the ranked numbers."""
    store = Store(tmp_path / "results")
    store.add(speed_of())
    text = _text(_pages(_material(tmp_path, store, resource_folder("boards")))[f"{IMAGENET}.html"])
    assert "imagenet-val-closed val 50,000 original 0 ImageNet, closed division" in text
    assert "timm-imagenet-real val 46,837 real 0 ImageNet, as reported by timm (beside)" in text


def test_the_medians_of_classes_equal_a_loop(tmp_path: Path) -> None:
    """Over the ranked runs that kept counts; a class without images has no accuracy."""
    store = Store(tmp_path / "results")
    runs = []
    for index in range(4):
        breakdown = breakdown_of()
        right = tuple(max(0, count - index * index) for count in breakdown.num_top1)
        totals = (*breakdown.num_samples[:9], 0)
        breakdown = breakdown.model_copy(update={"num_top1": (*right[:9], 0), "num_samples": totals})
        part = DatasetRef(name="shapes10", split="val", num_samples=500, complete=index != 3)
        store.add(run_of(f"net{index}", hours=index, dataset=part), breakdown=breakdown)
        runs += [] if index == 3 else [breakdown]
    material = _material(tmp_path, store)
    use = dataset_uses([item.result for item in material.stored], material.boards)[0]
    found = ranked_breakdowns(material.entries, use)
    counts = class_counts(found.values(), 10)

    assert len(found) == 3
    for index in range(9):
        expected = statistics.median(run.num_top1[index] / run.num_samples[index] for run in runs)
        assert counts[index].accuracy == pytest.approx(expected)
        assert counts[index].num_samples == 50
    assert counts[9] == (0, None)
    html = _pages(material)[f"{SHAPES}.html"]
    rows = list(csv.DictReader(io.StringIO(_pages(material)[f"{SHAPES}.csv"])))
    assert "0 to 50 images a class" in html
    assert [row["median_top1"] for row in rows][8:] == [str(counts[8].accuracy), ""]
    hardest = sorted(range(9), key=lambda index: (counts[index].accuracy, index))
    names = class_table("shapes10").names
    assert f"Hardest: {names[hardest[0]]} (" in _text(html).replace("Hardest:  ", "Hardest: ")


def test_every_class_is_on_the_page(tmp_path: Path) -> None:
    """Index, WNID and the development kit's id as in the class table, without a single run."""
    store = Store(tmp_path / "results")
    pages = _pages(_material(tmp_path, store, resource_folder("boards")))
    table = class_table("imagenet-1k")
    rows = list(csv.DictReader(io.StringIO(pages[f"{IMAGENET}.csv"])))
    html = pages[f"{IMAGENET}.html"]

    assert [row["wnid"] for row in rows] == list(table.wnids)
    assert [int(row["ilsvrc_id"]) for row in rows] == list(table.ilsvrc_ids)
    assert re.findall(r"<code>(n\d{8})</code>", html) == list(table.wnids)
    assert {row["num_samples"] for row in rows} == {"50"}
    assert "No ranked run has counts by class yet" in html


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(resize=256, crop=224),
        Geometry(resize=248, crop=224, interpolation="bicubic"),
        Geometry(resize=384, crop=384, crop_mode="squash"),
        Geometry(resize=224, crop=224, crop_mode="border"),
        Geometry(resize=235, crop=224, crop_mode="border", fill=(1, 2, 3)),
    ],
)
def test_the_drawn_sizes_are_those_of_the_transform(geometry: Geometry) -> None:
    """The resized example: the pixels of bench/data/transforms.py with a crop as large as its result."""
    width, height = resized(geometry)
    whole = geometry.model_copy(update={"crop": int(max(width, height))})
    image = Image.new("RGB", EXAMPLE, (255, 255, 255))
    made = pixels(image, whole.model_copy(update={"fill": (0, 0, 0)}))
    lit = made[..., 0] > 0

    assert (lit.any(axis=0).sum(), lit.any(axis=1).sum()) == (width, height)


def test_steps_name_the_numbers_of_the_protocol() -> None:
    """Four steps; ten crops are drawn in five places; colours are the most frequent ones."""
    closed, ten = load_protocol("imagenet-val-closed"), load_protocol("imagenet-val-10crop")
    assert closed.geometry is not None
    used = ResultInput(geometry=closed.geometry, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
    steps = steps_of(closed.geometry, closed.views, [(used, 3)])
    words = [step.words for step in steps]

    assert [step.title for step in steps] == ["Original", "Resize", "Crop", "Normalise"]
    assert "shorter side to 256 px: 341 \N{MULTIPLICATION SIGN} 256" in words[1]
    assert "central 224 \N{MULTIPLICATION SIGN} 224 px" in words[2]
    assert "mean 0.5 0.4 0.3, std 0.2 0.2 0.2 (3 of 3 results)" in words[3]
    widths = [float(width) for width in re.findall(r'class="(?:image|crop)"[^>]* width="([\d.]+)"', steps[2].drawing)]
    assert widths[1] / widths[0] == pytest.approx(224 / 341, abs=1e-3)
    assert steps_of(closed.geometry, ten.views, [])[2].drawing.count('class="crop"') == 5


def test_open_protocols_draw_their_most_frequent_geometry(tmp_path: Path) -> None:
    """And say how many there are."""
    store = Store(tmp_path / "results")
    protocol = load_protocol("imagenet-val-open")
    for index, resize in enumerate((232, 232, 256)):
        used = ResultInput(geometry=Geometry(resize=resize, crop=224), mean=(0.5,) * 3, std=(0.5,) * 3)
        store.add(
            run_of(
                f"net{index}",
                protocol=ProtocolRef(id=protocol.id, version=protocol.version),
                dataset=DatasetRef(name="imagenet-1k", split="val", num_samples=50_000),
                input=used,
            )
        )
    text = _text(_pages(_material(tmp_path, store))[f"{IMAGENET}.html"])
    assert (
        "2 different geometries in 3 results. Drawn is the most frequent one (2 results): shorter side to 232" in text
    )


def test_speed_alone_draws_no_pixels(tmp_path: Path) -> None:
    """Random pixels are neither resized nor cut."""
    store = Store(tmp_path / "results")
    store.add(speed_of())
    html = _pages(_material(tmp_path, store))[f"datasets/{slug('random-pixels')}.html"]
    assert "Random pixels" in html
    assert "From an image to the pixels" not in html


def test_facts_fit_the_class_tables_and_protocols() -> None:
    """Counts of a class add up; every MD5 differs; numbers named in words are those of the protocols."""
    for name in facts_names():
        facts = dataset_facts(name)
        assert facts is not None
        assert facts.name == name
        assert len({archive.md5 for archive in facts.archives}) == len(facts.archives)
    imagenet = dataset_facts("imagenet-1k")
    assert imagenet is not None
    sizes = {split.name: split.num_samples for split in imagenet.splits}
    assert sizes == {"train": 1_281_167, "val": 50_000, "test": 100_000}
    assert sizes["val"] == load_protocol("imagenet-val-closed").dataset.num_samples
    assert all(s.per_class in (None, s.num_samples // 1000) for s in imagenet.splits)
    assert any("46,837" in issue.text for issue in imagenet.issues)
    assert load_protocol("timm-imagenet-real").dataset.num_samples == 46_837
    shapes = dataset_facts("shapes10")
    assert shapes is not None
    assert shapes.title == "Shapes, 10 classes"
    assert dataset_facts("our-own") is None
    assert dataset_facts("shapes") is not None


def test_no_dataset_at_all(tmp_path: Path) -> None:
    """The index says what fills it."""
    boards = tmp_path / "boards"
    boards.mkdir()
    pages = _pages(_material(tmp_path, Store(tmp_path / "results"), boards))
    assert list(pages) == ["datasets/index.html"]
    assert "No board and no result names a dataset yet" in pages["datasets/index.html"]


def test_pages_are_made_again_only_when_they_change(tmp_path: Path) -> None:
    """A result on another dataset leaves the inputs of a page as they are."""
    store = tiny_store(tmp_path)
    before = {page.path: page.inputs for page in dataset_pages(_material(tmp_path, store))}
    strange = DatasetRef(name="our-own", split="val", num_samples=3)
    store.add(run_of("other", dataset=strange, protocol=ProtocolRef(id="our-protocol", version=1)))
    after = {page.path: page.inputs for page in dataset_pages(_material(tmp_path, store))}

    assert after[f"{SHAPES}.html"] == before[f"{SHAPES}.html"]
    assert after["datasets/index.html"] != before["datasets/index.html"]
