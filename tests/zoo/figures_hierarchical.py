"""Sizes of the hierarchical and hybrid models, as counted on other people's code where there is any."""

from __future__ import annotations

from typing import NamedTuple


class Figures(NamedTuple):
    """What was counted.

    Attributes:
        params: with what does not train.
        trainable: without.
        gmacs: 10⁹ multiply-adds, with the digits that were kept; None where nobody measured them by our rule.
    """

    params: int
    trainable: int
    gmacs: str | None = None


FIGURES = {
    # Swin
    "swin_tiny": Figures(28_288_354, 28_288_354, "4.491"),
    "swin_small": Figures(49_606_258, 49_606_258, "8.741"),
    "swin_base": Figures(87_768_224, 87_768_224, "15.430947"),
    # ConvNeXt
    "convnext_tiny": Figures(28_589_128, 28_589_128, "4.456"),
    "convnext_small": Figures(50_223_688, 50_223_688, "8.684"),
    "convnext_base": Figures(88_591_464, 88_591_464, "15.354729"),
    "convnext_large": Figures(197_767_336, 197_767_336, "34.361434"),
    # ConvNets
    "resnet18": Figures(11_689_512, 11_689_512, "1.814073"),
    "resnet34": Figures(21_797_672, 21_797_672, "3.663761"),
    "resnet50": Figures(25_557_032, 25_557_032, "4.089184"),
    "resnet101": Figures(44_549_160, 44_549_160, "7.801405"),
    "resnet152": Figures(60_192_808, 60_192_808, "11.513627"),
    "mobilenet_v2": Figures(3_504_872, 3_504_872, "0.300774"),
    # PVT
    "pvt_tiny": Figures(13_229_288, 13_229_288, "1.933"),
    "pvt_small": Figures(24_485_864, 24_485_864, "3.816"),
    "pvt_medium": Figures(44_208_104, 44_208_104, "6.659"),
    "pvt_large": Figures(61_369_320, 61_369_320, "9.814"),
    # Twins
    "twins_pcpvt_small": Figures(24_106_216, 24_106_216, "3.809"),
    "twins_pcpvt_base": Figures(43_828_456, 43_828_456, "6.653"),
    "twins_pcpvt_large": Figures(60_989_672, 60_989_672, "9.808"),
    "twins_svt_small": Figures(24_060_776, 24_060_776, "2.927"),
    "twins_svt_base": Figures(56_070_952, 56_070_952, "8.563"),
    "twins_svt_large": Figures(99_271_400, 99_271_400, "15.112"),
    # PiT
    "pit_ti": Figures(4_847_272, 4_847_272, "0.699"),
    "pit_ti_distilled": Figures(5_104_336, 5_104_336, "0.705"),
    "pit_xs": Figures(10_618_888, 10_618_888, "1.395"),
    "pit_xs_distilled": Figures(11_003_984, 11_003_984, "1.407"),
    "pit_s": Figures(23_461_912, 23_461_912, "2.871"),
    "pit_s_distilled": Figures(24_039_056, 24_039_056, "2.897"),
    "pit_b": Figures(73_764_840, 73_764_840, "12.402"),
    "pit_b_distilled": Figures(74_790_096, 74_790_096, "12.482"),
    # LeViT
    "levit_128s": Figures(7_777_058, 7_777_058, "0.305"),
    "levit_128s_nodistill": Figures(7_391_290, 7_391_290, "0.304"),
    "levit_128": Figures(9_213_936, 9_213_936, "0.405"),
    "levit_128_nodistill": Figures(8_828_168, 8_828_168, "0.405"),
    "levit_192": Figures(10_947_069, 10_947_069, "0.657"),
    "levit_192_nodistill": Figures(10_561_301, 10_561_301, "0.657"),
    "levit_256": Figures(18_893_876, 18_893_876, "1.127"),
    "levit_256_nodistill": Figures(18_379_852, 18_379_852, "1.127"),
    "levit_384": Figures(39_128_836, 39_128_836, "2.352"),
    "levit_384_nodistill": Figures(38_358_300, 38_358_300, "2.351"),
    # CrossViT
    "crossvit_tiny": Figures(7_014_800, 7_014_800, "1.563"),
    "crossvit_small": Figures(26_856_272, 26_856_272, "5.616"),
    "crossvit_base": Figures(105_025_232, 105_025_232, "21.191"),
    "crossvit_9": Figures(8_553_296, 8_553_296, "1.841"),
    "crossvit_15": Figures(27_528_464, 27_528_464, "5.791"),
    "crossvit_18": Figures(43_271_408, 43_271_408, "9.031"),
    "crossvit_9_dagger": Figures(8_776_592, 8_776_592, "1.979"),
    "crossvit_15_dagger": Figures(28_209_008, 28_209_008, "6.112"),
    "crossvit_18_dagger": Figures(44_266_976, 44_266_976, "9.473"),
    "crossvit_15_dagger_384": Figures(28_500_080, 28_500_080, "21.399"),
    "crossvit_18_dagger_384": Figures(44_606_560, 44_606_560, "32.409"),
    # CvT
    "cvt13": Figures(19_997_480, 19_997_480, "4.566"),
    "cvt21": Figures(31_622_696, 31_622_696, "7.178"),
    "cvt13_384": Figures(19_997_480, 19_997_480, "16.269"),
    "cvt21_384": Figures(31_622_696, 31_622_696, "24.849"),
    "cvt_w24": Figures(277_196_392, 277_196_392, "194.222"),
    # CeiT
    "ceit_tiny": Figures(6_356_904, 6_356_904, "1.395"),
    "ceit_small": Figures(24_204_840, 24_204_840, "4.760"),
    "ceit_base": Figures(94_405_416, 94_405_416, "17.749"),
    "ceit_tiny_384": Figures(6_429_864, 6_429_864, "5.103"),
    "ceit_small_384": Figures(24_350_760, 24_350_760, "15.980"),
    # TNT, without the frozen zeros that its code keeps and nothing reads
    "tnt_small": Figures(23_768_584, 23_768_584, "5.217"),
    "tnt_base": Figures(65_428_680, 65_428_680, "14.049"),
    # BoTNet; S1 was measured with products that nothing reads, of rows of its tables that lie outside of the grid
    "botnet50": Figures(20_852_008, 20_852_008, "4.02"),
    "botnet50_s1": Figures(20_859_176, 20_859_176),
    # dynamic convolutions
    "dwnet_tiny": Figures(24_172_744, 24_172_744),
    "dynamic_dwnet_tiny": Figures(51_131_752, 51_131_752),
    "inhomogeneous_dwnet_tiny": Figures(26_244_280, 26_244_280),
    "dynamic_resnet18": Figures(45_475_008, 45_475_008),
    # Visual Transformers; all but the first by adding up the equations as read
    "vt_resnet18": Figures(13_576_744, 13_576_744),
    "vt_resnet34": Figures(24_272_680, 24_272_680),
    "vt_resnet50": Figures(25_313_320, 25_313_320),
    "vt_resnet101": Figures(44_305_448, 44_305_448),
    # ViTs as ConvNets: DeiT's and Swin's own; a depth-wise mixer has no values, C² + C less a block
    "relu_deit_tiny": Figures(5_717_416, 5_717_416, "1.2537"),
    "layernorm_deit_tiny": Figures(5_717_416, 5_717_416, "1.2537"),
    "none_deit_tiny": Figures(5_717_416, 5_717_416, "1.2537"),
    "depthwise_deit_tiny": Figures(5_298_604, 5_298_604),
    "relu_swin_tiny": Figures(28_288_354, 28_288_354, "4.491"),
    "depthwise_swin_tiny": Figures(26_127_394, 26_127_394),
}
