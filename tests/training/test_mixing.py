"""Mixing and erasing: the libraries' own, with chance that can be repeated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from bench.errors import UsageError
from bench.records.recipe import Augmentation
from bench.training.mixing import Mixed, erase, make_mixer
from tests.training.made_recipes import made_recipe

BOTH = {"mixup_alpha": 0.2, "cutmix_alpha": 1.0}
LABELS_N = torch.tensor([0, 1, 2, 3])


def images() -> torch.Tensor:
    """Four images, each of one value of its own, so that shares can be read off."""
    return torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 16, 16).clone()


def mixed(seed: int = 0, **keys: Any) -> Mixed:
    mixer = make_mixer(made_recipe(**keys), 4)
    assert mixer is not None
    return mixer(images(), LABELS_N, torch.Generator().manual_seed(seed))


def test_nothing_is_mixed_where_the_recipe_says_nothing() -> None:
    """There is no mixer then."""
    assert make_mixer(made_recipe(), 4) is None


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_step_can_be_repeated(library: str) -> None:
    """The generator decides alone: another one mixes differently, and nobody's global generator moves."""
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002 - the generator that must stay where it is
    expected = torch.rand(2), np.random.rand(2)  # noqa: NPY002
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    first, again, other = (mixed(seed, **BOTH, mixing=library) for seed in (5, 5, 6))
    after = torch.rand(2), np.random.rand(2)  # noqa: NPY002

    assert torch.equal(first.images_NCHW, again.images_NCHW)
    assert torch.equal(first.targets_NC, again.targets_NC)
    assert not torch.equal(first.targets_NC, other.targets_NC)
    assert torch.equal(expected[0], after[0])
    assert np.array_equal(expected[1], after[1])


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_ranks_mix_by_the_same_amount(library: str) -> None:
    """Two shares of a batch, other images and other labels, one generator: the shares of first and partner agree."""
    mixer = make_mixer(made_recipe(**BOTH, mixing=library), 4)
    assert mixer is not None
    for seed in range(6):
        shares = [
            mixer(torch.rand(4, 3, 16, 16), labels_N, torch.Generator().manual_seed(seed)).targets_NC.max(dim=1).values
            for labels_N in (LABELS_N, LABELS_N.flip(0))
        ]
        assert torch.equal(*shares)


@pytest.mark.parametrize("library", ["torchvision", "timm"])
@pytest.mark.parametrize("alphas", [{"mixup_alpha": 0.8}, {"cutmix_alpha": 1.0}])
def test_targets_are_the_shares_of_the_pixels(library: str, alphas: dict[str, float]) -> None:
    """Of every image, for Mixup and for CutMix, whose share is that of the clipped rectangle."""
    for seed in range(8):
        images_NCHW, targets_NC = mixed(seed, mixing=library, **alphas)

        assert torch.allclose(targets_NC.sum(dim=1), torch.ones(4))
        assert torch.allclose(images_NCHW.mean(dim=(1, 2, 3)), targets_NC @ torch.arange(4.0), atol=1e-5)


def test_mixup_is_torchvisions_own() -> None:
    """`v2.MixUp` after the two draws that decide what is done."""
    found = mixed(7, mixup_alpha=0.4)
    seed = int(torch.randint(1 << 32, (), generator=torch.Generator().manual_seed(7)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.rand(())
        images_NCHW, targets_NC = v2.MixUp(alpha=0.4, num_classes=4)(images(), LABELS_N)

    assert torch.equal(found.images_NCHW, images_NCHW)
    assert torch.equal(found.targets_NC, targets_NC)


@pytest.mark.parametrize("keys", [BOTH, {"mixup_alpha": 0.4}, {"cutmix_alpha": 1.0, "mix_probability": 0.5}])
def test_timms_mixing_is_timms_own(keys: dict[str, float]) -> None:
    """`Mixup` with numpy seeded to the same number."""
    from timm.data import Mixup

    words = {"mix_probability": "prob"}
    for seed in range(6):
        found = mixed(seed, mixing="timm", **keys)
        number = int(torch.randint(1 << 32, (), generator=torch.Generator().manual_seed(seed)))
        mixup = Mixup(
            **{"mixup_alpha": 0.0} | {words.get(key, key): value for key, value in keys.items()},
            label_smoothing=0.0,
            num_classes=4,
        )
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(number)  # noqa: NPY002
        images_NCHW, targets_NC = mixup(images(), LABELS_N)
        np.random.set_state(state)  # noqa: NPY002

        assert torch.equal(found.images_NCHW, images_NCHW)
        assert torch.equal(found.targets_NC, targets_NC)


def test_cutmix_and_mixup_are_drawn_with_their_probabilities() -> None:
    """Half of 400 batches are mixed, a quarter of these by CutMix (within four standard errors)."""
    mixer = make_mixer(made_recipe(**BOTH, mix_probability=0.5, switch_probability=0.25), 4)
    assert mixer is not None
    generator = torch.Generator().manual_seed(0)
    num_cut = num_faded = 0
    for _ in range(400):
        images_NCHW = mixer(images(), LABELS_N, generator).images_NCHW
        # Faded images are of one value each, but not of a whole number; cut ones are of several.
        is_flat = bool((images_NCHW.amax(dim=(1, 2, 3)) == images_NCHW.amin(dim=(1, 2, 3))).all())
        num_cut += not is_flat
        num_faded += is_flat and bool((images_NCHW != images()).any())

    assert abs(num_cut + num_faded - 200) < 40
    assert abs(num_cut - 50) < 26


def test_an_odd_batch_cannot_be_paired_as_timm_does() -> None:
    """It is an error that says so; torchvision's pairs have no such limit."""
    for library in ("timm", "torchvision"):
        mixer = make_mixer(made_recipe(mixup_alpha=0.2, mixing=library), 4)
        assert mixer is not None
        if library == "timm":
            with pytest.raises(UsageError, match="even number on each device, found 3"):
                mixer(images()[:3], LABELS_N[:3], torch.Generator())
        else:
            assert mixer(images()[:3], LABELS_N[:3], torch.Generator()).targets_NC.shape == (3, 4)


def test_erased_rectangles_are_those_of_the_image_on_any_number_of_devices() -> None:
    """The whole batch at once, or its halves apart."""
    augmentation = Augmentation(erase_probability=0.6)
    batch = torch.ones(12, 3, 32, 32)

    def part(first: int, last: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(11)
        return erase(batch[first:last].clone(), augmentation, generator, first_row=first, num_rows=12)

    whole = part(0, 12)

    assert torch.equal(whole, torch.cat([part(0, 6), part(6, 12)]))
    assert torch.equal(
        erase(batch, Augmentation(), torch.Generator(), first_row=0, num_rows=12), torch.ones_like(batch)
    )
    areas_N = (whole[:, 0] == 0).float().mean(dim=(1, 2))
    erased = areas_N[areas_N > 0]
    assert 2 < len(erased) < 12
    assert len(erased.unique()) > 2
    assert ((erased > 0.01) & (erased < 0.36)).all()
