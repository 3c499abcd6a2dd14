"""What an exported file says of itself."""

import vitdsl
from tests.exporting.models import spec_of
from vitdsl.checkpoints.header import SPEC_TEXT
from vitdsl.exporting.header import preprocessing, texts_of


def test_the_spec_has_the_size_of_the_model():
    model = vitdsl.build(spec_of(), "meta", size=(48, 64))
    texts = texts_of(model)
    assert vitdsl.load(texts[SPEC_TEXT]).model.input.size == (48, 64)
    assert '"size": [48, 64]' in texts["vitdsl.preprocessing"]
    model.set_input_size(32)
    assert vitdsl.load(texts_of(model)[SPEC_TEXT]) == model.spec


def test_channels_that_no_photo_has():
    model = vitdsl.build(vitdsl.load(spec_of(), {"input.channels": 5}), "meta")
    assert preprocessing(model) is None
    assert "vitdsl.preprocessing" not in texts_of(model)


def test_numbers_of_each_channel():
    spec = vitdsl.load(
        spec_of(), {"input.mean": "half", "input.std": [0.1, 0.2, 0.3], "input.interpolation": "nearest"}
    )
    assert preprocessing(vitdsl.build(spec, "meta")) == {
        "mode": "RGB", "size": [32, 32], "crop": 0.9, "interpolation": "nearest", "mean": [0.5, 0.5, 0.5],
        "std": [0.1, 0.2, 0.3],
    }  # fmt: skip
