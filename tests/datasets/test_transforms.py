"""Pixels equal those of timm and torchvision byte for byte; one-pixel mistakes would show."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.data.transforms import decode, geometry_of, num_views, pixels, view_pixels
from bench.errors import DataError
from bench.records.protocol import Geometry
from bench.records.submission import InputSpec

Pixels = npt.NDArray[np.uint8]
Oracle = Callable[[Image.Image], Pixels]

MEAN = (0.5, 0.4, 0.31)
TIMM_CASES = [
    *itertools.product(
        ["center", "squash", "border"], [(224, 0.875), (288, 0.95), (128, 0.9)], ["bilinear", "bicubic"]
    ),
    *itertools.product(["center", "border"], [(64, 1.0), (97, 0.965)], ["lanczos", "nearest", "box", "hamming"]),
]


def timm_pixels(spec: InputSpec) -> Oracle:
    """The uint8 pixels of timm's own evaluation transform."""
    from timm.data import create_transform

    transform = create_transform(
        (3, spec.img_size, spec.img_size),
        is_training=False,
        interpolation=spec.interpolation,
        crop_pct=spec.crop_pct,
        crop_mode=spec.crop_mode,
        mean=spec.mean,
        normalize=False,
    )

    def run(image: Image.Image) -> Pixels:
        image_CHW: Pixels = transform(image).numpy()
        return image_CHW.transpose(1, 2, 0)

    return run


def torchvision_pixels(resize: int, crop: int, interpolation: str) -> Oracle:
    """The uint8 pixels of torchvision's preset, before it scales and normalises them."""
    from torchvision.transforms import InterpolationMode, functional
    from torchvision.transforms._presets import ImageClassification

    preset = ImageClassification(crop_size=crop, resize_size=resize, interpolation=InterpolationMode(interpolation))

    def run(image: Image.Image) -> Pixels:
        resized = functional.resize(
            image, preset.resize_size, interpolation=preset.interpolation, antialias=preset.antialias
        )
        image_CHW: Pixels = functional.pil_to_tensor(functional.center_crop(resized, preset.crop_size)).numpy()
        return image_CHW.transpose(1, 2, 0)

    return run


def different(files: dict[str, bytes], mine: Oracle, theirs: Oracle) -> list[str]:
    """The names of the files whose pixels differ; theirs sees what `Image.open(...).convert("RGB")` gives."""
    names = []
    for name, content in files.items():
        expected = theirs(Image.open(io.BytesIO(content)).convert("RGB"))
        found = mine(decode(content, name))
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype == np.uint8
        if not np.array_equal(found, expected):
            names.append(name)
    return names


@pytest.fixture(scope="session")
def photographs(real_data: Path) -> dict[str, bytes]:
    """The 300 real photographs."""
    return {path.name: path.read_bytes() for path in sorted(real_data.glob("imagenet-sample/val/*/*.JPEG"))}


class TestAgainstTheLibraries:
    """The reference implementations are the oracle."""

    @pytest.mark.parametrize(("mode", "size", "interpolation"), TIMM_CASES)
    def test_pixels_equal_those_of_timm(
        self, mode: Any, size: tuple[int, float], interpolation: Any, picture_files: dict[str, bytes]
    ) -> None:
        """All crop modes, sizes and filters, on files of every kind."""
        spec = InputSpec(
            img_size=size[0], crop_pct=size[1], crop_mode=mode, interpolation=interpolation, mean=MEAN, std=(1, 1, 1)
        )
        geometry = geometry_of(spec)

        assert different(picture_files, lambda image: pixels(image, geometry), timm_pixels(spec)) == []

    @pytest.mark.parametrize(
        ("resize", "crop", "interpolation"),
        [
            (256, 224, "bilinear"),
            (232, 224, "bilinear"),
            (224, 224, "bicubic"),
            (255, 240, "bilinear"),
            (64, 97, "bicubic"),
        ],
    )
    def test_pixels_equal_those_of_torchvision(
        self, resize: int, crop: int, interpolation: Any, picture_files: dict[str, bytes]
    ) -> None:
        """Presets with a resized side that no crop percentage gives, and a crop larger than the image."""
        geometry = Geometry(resize=resize, crop=crop, interpolation=interpolation)

        oracle = torchvision_pixels(resize, crop, interpolation)
        assert different(picture_files, lambda image: pixels(image, geometry), oracle) == []

    def test_every_torchvision_preset_is_reproduced(self, picture_files: dict[str, bytes]) -> None:
        """All distinct presets of the installed torchvision's classification weights, normalised tensor included."""
        import torch
        from torchvision.models import get_model_weights, list_models
        from torchvision.transforms._presets import ImageClassification

        presets: dict[str, Any] = {}
        for name in list_models():
            for weights in get_model_weights(name):
                if getattr(weights.transforms, "func", None) is ImageClassification:
                    preset = weights.transforms()
                    key = (
                        *preset.resize_size,
                        *preset.crop_size,
                        preset.interpolation.value,
                        *preset.mean,
                        *preset.std,
                    )
                    presets[key] = preset
        assert len(presets) >= 20
        files = {name: picture_files[name] for name in ("333x501", "500x375", "cmyk")}
        for preset in presets.values():
            interpolation: Any = preset.interpolation.value
            geometry = Geometry(resize=preset.resize_size[0], crop=preset.crop_size[0], interpolation=interpolation)
            mean_C, std_C = (torch.tensor(values)[:, None, None] for values in (preset.mean, preset.std))
            for name, content in files.items():
                image = decode(content, name)
                image_CHW = torch.tensor(pixels(image, geometry)).permute(2, 0, 1)
                assert torch.equal((image_CHW / 255 - mean_C) / std_C, preset(image))

    @pytest.mark.parametrize("mode", ["center", "squash", "border"])
    def test_real_photographs_equal_those_of_timm(self, mode: Any, photographs: dict[str, bytes]) -> None:
        """300 ImageNet photographs, one model's geometry a mode."""
        spec = InputSpec(img_size=160, crop_pct=0.9, crop_mode=mode, interpolation="bicubic", mean=MEAN, std=(1, 1, 1))
        geometry = geometry_of(spec)

        assert len(photographs) == 300
        assert different(photographs, lambda image: pixels(image, geometry), timm_pixels(spec)) == []

    def test_real_photographs_equal_those_of_torchvision(self, photographs: dict[str, bytes]) -> None:
        """300 ImageNet photographs under the protocol of the field."""
        geometry = Geometry(resize=256, crop=224)

        oracle = torchvision_pixels(256, 224, "bilinear")
        assert different(photographs, lambda image: pixels(image, geometry), oracle) == []


class TestPlantedErrors:
    """Byte equality is sharp enough to see the mistakes that move published numbers."""

    def test_another_filter_differs_everywhere(self, picture_files: dict[str, bytes]) -> None:
        """Bicubic for bilinear."""
        files = {name: content for name, content in picture_files.items() if name not in ("256x256", "257x256")}
        geometry = Geometry(resize=256, crop=224, interpolation="bicubic")

        oracle = torchvision_pixels(256, 224, "bilinear")
        assert different(files, lambda image: pixels(image, geometry), oracle) == list(files)

    def test_another_resize_differs_everywhere(self, picture_files: dict[str, bytes]) -> None:
        """Resize 232 for 256."""
        geometry = Geometry(resize=232, crop=224)

        oracle = torchvision_pixels(256, 224, "bilinear")
        assert different(picture_files, lambda image: pixels(image, geometry), oracle) == list(picture_files)

    def test_squash_for_center_differs(self, picture_files: dict[str, bytes]) -> None:
        """The aspect ratio lost."""
        geometry = Geometry(resize=256, crop=224, crop_mode="squash")

        found = different(
            picture_files, lambda image: pixels(image, geometry), torchvision_pixels(256, 224, "bilinear")
        )
        assert "500x375" in found

    def test_a_rounded_long_edge_differs(self, picture_files: dict[str, bytes]) -> None:
        """767 x 513 becomes 382.75 x 256: truncated to 382, where rounding would give 383."""

        def rounded(image: Image.Image) -> Pixels:
            short, long = sorted(image.size)
            size = (256, round(256 * long / short))
            resized = image.resize(size if image.width < image.height else size[::-1], Image.Resampling.BILINEAR)
            left, top = (round((side - 224) / 2) for side in resized.size)
            return np.asarray(resized.crop((left, top, left + 224, top + 224)))

        oracle = torchvision_pixels(256, 224, "bilinear")
        assert "767x513" in different({"767x513": picture_files["767x513"]}, rounded, oracle)

    def test_a_floored_crop_offset_differs(self, picture_files: dict[str, bytes]) -> None:
        """Half-even rounding takes offset 58 for 58.5 and 6 for 5.5, where flooring takes 58 and 5."""
        geometry = Geometry(resize=235, crop=224)

        def floored(image: Image.Image) -> Pixels:
            resized = image.resize((235, int(235 * image.height / image.width)), Image.Resampling.BILINEAR)
            left, top = ((side - 224) // 2 for side in resized.size)
            return np.asarray(resized.crop((left, top, left + 224, top + 224)))

        files = {"375x500": picture_files["375x500"]}
        oracle = torchvision_pixels(235, 224, "bilinear")
        assert different(files, lambda image: pixels(image, geometry), oracle) == []
        assert different(files, floored, oracle) == ["375x500"]


class TestGeometry:
    """The numbers of a geometry come out as in timm."""

    @pytest.mark.parametrize(
        ("img_size", "crop_pct", "resize"),
        [(224, 0.875, 256), (224, 0.9, 248), (224, 0.95, 235), (224, 0.965, 232), (288, 0.95, 303), (299, 0.875, 341)],
    )
    def test_the_resized_side_is_floored(self, img_size: int, crop_pct: float, resize: int) -> None:
        """Rounding would give 249, 236 and 342 for three of them."""
        assert geometry_of(InputSpec(img_size=img_size, crop_pct=crop_pct)).resize == resize

    def test_a_named_resize_wins(self) -> None:
        """Presets that no crop percentage gives are written out."""
        assert geometry_of(InputSpec(img_size=224, crop_pct=0.5, resize=232)).resize == 232

    def test_only_a_border_has_a_colour(self) -> None:
        """The padding of crop mode border is the mean colour."""
        assert geometry_of(InputSpec(crop_mode="border", mean=MEAN)).fill == (128, 102, 79)
        assert geometry_of(InputSpec(mean=MEAN)).fill is None


class TestViews:
    """Single and ten-crop views."""

    def test_a_single_view_is_the_centre(self, photo_bytes: Callable[..., bytes]) -> None:
        """One view, the same pixels."""
        image, geometry = decode(photo_bytes(90, 70), "photo"), Geometry(resize=64, crop=56)

        assert np.array_equal(view_pixels(image, geometry, "single"), pixels(image, geometry)[None])
        assert num_views("single") == 1

    def test_ten_crops_come_from_the_central_square(self, photo_bytes: Callable[..., bytes]) -> None:
        """Corners and centre of the square of side `resize`, then mirrors: AlexNet's views, not those of TenCrop."""
        image, geometry = decode(photo_bytes(500, 375), "photo"), Geometry(resize=256, crop=224)
        square = torchvision_pixels(256, 256, "bilinear")(image)
        corners = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
        upright = [square[top : top + 224, left : left + 224] for top, left in corners]

        views_VHWC = view_pixels(image, geometry, "ten-crop")

        assert np.array_equal(views_VHWC, np.stack(upright + [view[:, ::-1] for view in upright]))
        assert len(views_VHWC) == num_views("ten-crop") == 10

    def test_ten_crops_of_a_square_equal_torchvisions(self, photo_bytes: Callable[..., bytes]) -> None:
        """On a square image both definitions are the same set of crops."""
        from torchvision.transforms import functional

        image = decode(photo_bytes(256, 256), "photo")

        views_VHWC = view_pixels(image, Geometry(resize=256, crop=224), "ten-crop")

        theirs = functional.ten_crop(image, [224, 224])
        assert {view.tobytes() for view in views_VHWC} == {np.asarray(view).tobytes() for view in theirs}

    def test_ten_crops_need_a_margin(self, photo_bytes: Callable[..., bytes]) -> None:
        """A crop larger than the resized side has no corners."""
        with pytest.raises(DataError, match="ten crops need resize >= crop, but resize is 64 and crop is 65"):
            view_pixels(decode(photo_bytes(), "photo"), Geometry(resize=64, crop=65), "ten-crop")

    @given(
        width=st.integers(1, 200),
        height=st.integers(1, 200),
        resize=st.integers(1, 80),
        crop=st.integers(1, 80),
        mode=st.sampled_from(["center", "squash", "border"]),
    )
    def test_any_image_gives_the_size_asked_for(
        self, width: int, height: int, resize: int, crop: int, mode: Any
    ) -> None:
        """No image is too small, too thin or too large for a geometry."""
        if max(width, height) / min(width, height) * resize > 2_000:
            resize = 8

        image_HWC = pixels(Image.new("RGB", (width, height)), Geometry(resize=resize, crop=crop, crop_mode=mode))

        assert image_HWC.shape == (crop, crop, 3)


class TestDecode:
    """A file that cannot be decoded is an error that names it."""

    def test_a_png_named_jpeg_is_read_by_content(self, photo_bytes: Callable[..., bytes]) -> None:
        """The extension says nothing."""
        assert decode(photo_bytes(kind="PNG"), "n02105855_2933.JPEG").size == (60, 50)

    def test_rotation_tags_are_ignored(self, picture_files: dict[str, bytes]) -> None:
        """As in timm and torchvision."""
        assert decode(picture_files["exif-rotated"], "photo").size == (500, 375)

    @pytest.mark.parametrize("kept", [0.99, 0.6, 0.1])
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_a_truncated_file_is_named(self, kept: float, kind: str, photo_bytes: Callable[..., bytes]) -> None:
        """Nothing takes the place of a file that is cut off."""
        content = photo_bytes(300, 200, kind=kind)

        with pytest.raises(DataError, match=r"val/x\.JPEG: (cannot be decoded|is not an image)"):
            decode(content[: int(len(content) * kept)], "val/x.JPEG")

    def test_an_empty_file_is_named(self) -> None:
        """Zero bytes."""
        with pytest.raises(DataError, match=r"x\.JPEG: is empty \(0 bytes\)"):
            decode(b"", "x.JPEG")

    @pytest.mark.parametrize("content", [b"<html>404 Not Found</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xff\xd8\xff"])
    def test_what_is_no_image_is_named(self, content: bytes) -> None:
        """Web pages and formats that would start other programs are refused; the first bytes are shown."""
        with pytest.raises(DataError, match=r"x\.JPEG: is not an image that can be read \(JPEG, PNG, .*begins with b'"):
            decode(content, "x.JPEG")

    def test_a_switch_that_hides_truncation_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, photo_bytes: Callable[..., bytes]
    ) -> None:
        """Pillow's process-wide switch would give half-grey images in silence."""
        monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)

        with pytest.raises(DataError, match=r"photo: is not decoded: .*LOAD_TRUNCATED_IMAGES is on"):
            decode(photo_bytes(), "photo")

    @given(position=st.integers(0, 5_000), value=st.integers(0, 255))
    def test_a_damaged_byte_gives_an_image_or_a_clear_error(
        self, position: int, value: int, photo_bytes: Callable[..., bytes]
    ) -> None:
        """No other exception leaves the decoder, whatever byte is wrong."""
        content = bytearray(photo_bytes(64, 48))
        content[position % len(content)] = value

        with contextlib.suppress(DataError):
            assert decode(bytes(content), "photo").mode == "RGB"
