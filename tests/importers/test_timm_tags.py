"""Training data from the tags of timm's models."""

from __future__ import annotations

import pytest

from bench.importers.timm_tags import UNKNOWN, extra_training_data


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("resnet50.a1_in1k", "none"),
        ("beitv2_large_patch16_224.in1k_ft_in1k", "none"),
        ("convnextv2_base.fcmae_ft_in22k_in1k", "ImageNet-21k"),
        ("vit_base_patch16_224.augreg2_in21k_ft_in1k", "ImageNet-21k"),
        ("regnety_160.lion_in12k_ft_in1k", "ImageNet-12k"),
        ("resnext101_32x8d.fb_swsl_ig1b_ft_in1k", "IG-1B"),
        ("resnet50.fb_ssl_yfcc100m_ft_in1k", "YFCC-100M"),
        ("regnety_1280.swag_lc_in1k", "IG-3.6B (SWAG)"),
        ("regnety_320.seer_ft_in1k", "IG-1B (SEER)"),
        ("tf_efficientnet_l2.ns_jft_in1k_475", "JFT-300M"),
        ("vit_so400m_patch14_siglip_378.webli_ft_in1k", "WebLI"),
        ("vit_base_patch16_clip_384.openai_ft_in12k_in1k", "WIT-400M (OpenAI) + ImageNet-12k"),
        ("convnext_xxlarge.clip_laion2b_soup_ft_in1k", "LAION-2B"),
        ("eva_giant_patch14_336.clip_ft_in1k", "Image-text pairs (CLIP)"),
        ("eva02_large_patch14_448.mim_m38m_ft_in22k_in1k", "Merged-38M + ImageNet-21k"),
        ("hgnetv2_b6.ssld_stage2_ft_in1k", "ImageNet-21k"),
        ("resmlp_24_224.fb_dino", UNKNOWN),
        ("vit_base_patch16_clip_224", UNKNOWN),
    ],
)
def test_the_tag_names_the_training_data(model: str, expected: str) -> None:
    """The words of the architecture do not count: `vit_base_patch16_clip_224` is only a shape."""
    assert extra_training_data(model) == expected
