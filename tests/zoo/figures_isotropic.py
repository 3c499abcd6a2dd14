"""What was measured of the authors' code: parameters with fixed tables, those that train, and multiply-adds.

Multiply-adds are printed in units of 10⁹, as many digits as were recorded, of one image at the spec's size.
"""

from __future__ import annotations

from typing import NamedTuple


class Figures(NamedTuple):
    """A model's size.

    Attributes:
        params: with the fixed tables that its checkpoint holds.
        trainable: without them.
        gmacs: as printed; none where nobody measured it.
    """

    params: int
    trainable: int
    gmacs: str | None = None


def same(params: int, gmacs: str | None = None) -> Figures:
    """All of the parameters train."""
    return Figures(params, params, gmacs)


FIGURES = {
    # DeiT and DeiT III
    "deit3_base": same(86_585_320, "17.564"),
    "deit3_medium": same(38_849_512, "7.991"),
    "deit3_small": same(22_059_496, "4.599"),
    "deit3_tiny": same(5_721_832, "1.254"),
    "deit_base": same(86_567_656, "17.564"),
    "deit_base_384": same(86_859_496, "55.484"),
    "deit_base_distilled": same(87_338_192, "17.657"),
    "deit_base_distilled_384": same(87_630_032, "55.591"),
    "deit_small": same(22_050_664, "4.599"),
    "deit_small_18x2": same(64_665_064, "13.680"),
    "deit_small_distilled": same(22_436_432, "4.624"),
    "deit_tiny": same(5_717_416, "1.254"),
    "deit_tiny_distilled": same(5_910_800, "1.261"),
    # CaiT
    "cait_m36_384": same(271_221_352, "172.944"),
    "cait_m48_448": same(356_460_520, "329.108"),
    "cait_s24": same(46_916_200, "9.327"),
    "cait_s24_384": same(47_062_120, "32.110"),
    "cait_s36_384": same(68_366_632, "47.908"),
    "cait_xs24_384": same(26_670_088, "19.241"),
    "cait_xxs24": same(11_956_264, "2.523"),
    "cait_xxs24_384": same(12_029_224, "9.599"),
    "cait_xxs36": same(17_299_720, "3.756"),
    "cait_xxs36_384": same(17_372_680, "14.313"),
    # T2T-ViT
    "t2t_vit_10": Figures(5_889_230, 5_834_702, "1.516"),
    "t2t_vit_12": Figures(6_941_902, 6_887_374, "1.763"),
    "t2t_vit_14": Figures(21_545_550, 21_465_806, "4.7835"),
    "t2t_vit_14_384": Figures(21_691_470, 21_465_806, "16.370"),
    "t2t_vit_14_resnext": Figures(21_545_550, 21_465_806, "4.7835"),
    "t2t_vit_14_se": Figures(21_803_598, 21_723_854, "4.784"),
    "t2t_vit_14_wide": Figures(25_156_302, 25_000_910, "5.229"),
    "t2t_vit_16_ghost": Figures(16_253_262, 16_173_518, "3.802"),
    "t2t_vit_19": Figures(39_177_422, 39_085_070, "8.480"),
    "t2t_vit_24": Figures(64_105_934, 64_000_974, "13.662"),
    "t2t_vit_7": Figures(4_310_222, 4_255_694, "1.147"),
    "t2t_vit_dense": Figures(23_647_062, 23_617_750, "5.276"),
    "t2t_vit_t_14": Figures(21_541_070, 21_465_422, "6.089"),
    "t2t_vit_t_19": Figures(39_172_942, 39_084_686, "9.785"),
    "t2t_vit_t_24": Figures(64_101_454, 64_000_590, "14.967"),
    # DeepViT
    "deepvit_16b": same(24_426_664, "5.272"),
    "deepvit_24b": same(36_261_448, "7.879"),
    "deepvit_32b": same(48_096_232, "10.486"),
    "deepvit_l": same(58_883_708, "13.149"),
    "deepvit_l_384": same(59_043_308, "44.792"),
    "deepvit_s": same(27_312_632, "6.361"),
    # Refiner
    "refiner_vit_l": same(81_150_192, "19.187"),
    "refiner_vit_l_nodense": same(80_637_192, "19.086"),
    "refiner_vit_m": same(55_450_932, "13.5005"),
    "refiner_vit_m_nodense": same(55_029_932, "13.418"),
    "refiner_vit_s": same(25_408_656, "6.817"),
    "refiner_vit_s_nodense": same(25_023_656, "6.742"),
    # LV-ViT
    "lvvit_l": same(150_021_968, "34.637"),
    "lvvit_m": same(55_830_544, "12.678"),
    "lvvit_m_384": same(56_025_104, "41.638"),
    "lvvit_s": same(26_151_824, "6.551"),
    "lvvit_s_384": same(26_297_744, "21.896"),
    "lvvit_t": same(8_534_720, "2.868"),
    # patch diversification
    "patchvit_base": same(87_340_112, "17.699"),
    "patchvit_base24": same(172_398_032, "35.280"),
    "patchvit_small": same(22_436_528, "4.633"),
    # CCT, the compact ViT, ViT-Lite
    "cct_14_7x2_224": same(22_367_273, "5.522"),
    "cct_14_7x2_384": same(22_513_193, "18.580"),
    "cct_2_3x2_32": same(283_723, "0.035"),
    "cct_7_3x1_32": same(3_760_139, "1.182"),
    "cct_7_3x2_32": same(3_853_259, "0.289"),
    "compact_vit_7_4_32": same(3_716_619, "0.250"),
    "cct_4_3x2_32": same(482_123, "0.050"),
    "cct_6_3x1_32": same(3_233_803, "1.014"),
    "cct_6_3x2_32": same(3_326_923, "0.253"),
    "cct_7_7x2_224": same(4_573_735, "1.605"),
    "compact_vit_6_4_32": same(3_190_283, "0.215"),
    "vit_lite_6_4_32": same(3_190_538, "0.218"),
    "vit_lite_7_4_32": same(3_716_874, "0.254"),
    "vit_lite_7_4_32_sine": Figures(3_716_874, 3_700_234, "0.254"),
    # ViT, as timm builds it
    "vit_tiny16": same(5_717_416),
    "vit_small16": same(22_050_664),
    "vit_base16": same(86_567_656),
    "vit_base32": same(88_224_232),
    "vit_base16_384": same(86_859_496),
    "vit_large16": same(304_326_632),
    # SimpleViT and Linformer
    "simple_vit_small16": same(21_974_632),
    "linformer_vit_small": same(22_341_736),
    "linformer_vit_small_sharekv": same(20_420_968),
    "linformer_vit_small_onekvhead": same(19_392_616),
    # CPVT: DeiT without positions, with 9·D + D for every PEG
    "cpvt_tiny": same(5_681_512, "1.254"),
    "cpvt_small": same(22_050_664 - 197 * 384 + 10 * 384),
    "cpvt_base": same(86_567_656 - 197 * 768 + 10 * 768),
    "cpvt_tiny_gap": same(5_681_320, "1.247"),
    "cpvt_small_gap": same(22_050_664 - 197 * 384 + 10 * 384 - 384),
    "cpvt_base_gap": same(86_567_656 - 197 * 768 + 10 * 768 - 768),
    "cpvt_tiny_peg5": same(5_717_416 - 197 * 192 + 50 * 192),
    "cpvt_small_peg5": same(22_050_664 - 197 * 384 + 50 * 384),
}

GHOST = 16 * 197 * (3 * 192 + 2 * 384)
"""The ghost blocks' copies are convolutions of one channel and kernel 1 in the authors' code, and were counted; ours
are scales, which are not."""
