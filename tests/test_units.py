"""Quantities in text, both ways."""

import pytest

from vitdsl.units import format_clock, format_count, format_macs, format_measure, parse_count, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [("6M", 6_000_000), ("1.3G", 1_300_000_000), ("20k", 20_000), ("20ms", 0.02), ("1.5s", 1.5), ("64MB", 64_000_000),
     ("1GiB", 2**30), ("250µs", 250e-6), ("5_000", 5000), (".5k", 500), ("1e3M", 10**9)],
)  # fmt: skip
def test_quantities_are_parsed(text, value):
    assert parse_quantity(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["6X", "M", "", "-3M", "1e", "6 M M", "1 000"])
def test_other_texts_are_no_quantities(text):
    assert parse_quantity(text) is None


@pytest.mark.parametrize(("text", "value"), [
    ("1G", 10**9), ("20M", 20_000_000), ("1.5g", 1_500_000_000), ("5_000", 5000), ("7", 7), ("1e6", 10**6),
    ("", None), ("M", None), ("many", None), ("-1M", None), ("0", None), ("inf", None), ("nan", None),
    ("1.5e400", None), ("20MB", None), ("2ms", None),
])  # fmt: skip
def test_counts_are_parsed(text, value):
    assert parse_count(text) == value


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (999, "999"), (1000, "1.00k"), (9_994, "9.99k"), (99_940, "99.9k"), (384_000, "384k"),
    (999_600, "1.00M"), (304_800_000, "305M"), (4_566_089_216, "4.57G"), (17_580_000_000, "17.6G"),
])  # fmt: skip
def test_counts_are_formatted(value, text):
    assert format_count(value) == text


@pytest.mark.parametrize(("value", "measure", "text"), [
    (6e6, "", "6M"), (1.3e9, "macs", "1.3G"), (64e6, "peak_bytes", "64MB"), (0.973, "accuracy", "0.973"),
    (999_900, "", "1M"), (1.5e12, "", "1.5T"), (-2e6, "", "-2M"), (2e12, "peak_bytes", "2TB"),
    (0.02, "latency", "20ms"), (250e-6, "latency", "250µs"), (0.9996, "seconds", "1s"), (0.0, "latency", "0"),
    (float("nan"), "latency", "nan"), (float("inf"), "latency", "inf"),
])  # fmt: skip
def test_measures_are_formatted(value, measure, text):
    assert format_measure(value, measure) == text


def test_macs_are_formatted():
    assert [format_macs(n) for n in (0, 4_566_089_216)] == ["0 MACs", "4.57 GMACs"]


def test_clocks_are_formatted():
    assert [format_clock(s) for s in (0, 59.9, 3723, 100 * 3600)] == ["0:00:00", "0:00:59", "1:02:03", "100:00:00"]
