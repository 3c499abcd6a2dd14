"""Photos of every kind of source, read from files as their authors lay them out; what is not whole is refused."""

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.pictures import folder_of_photos, photo
from vitdsl.errors import SpecError
from vitdsl.training.sources import classes_in, read_source


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    source, digits = read_source("digits"), load_digits()
    assert source.validation is None
    assert (len(source.train), source.train.classes[7], classes_in("digits")) == (1797, "7", 10)
    assert source.train.labels.tolist() == digits.target.tolist()
    assert np.array_equal(np.asarray(source.train.open(5)), (digits.images[5] * 15.9375).round())


# ---------------------------------------------------------------- folders


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    folder_of_photos(tmp_path, {"b": 2, "a": 1})
    (tmp_path / "a" / "notes.txt").write_text("no image")
    source = read_source(str(tmp_path))
    assert source.train.classes == ("a", "b")
    assert source.train.labels.tolist() == [0, 1, 1]
    assert source.train.called(2) == str(tmp_path / "b" / "001.png")
    assert classes_in(str(tmp_path)) == 2


@pytest.mark.parametrize(("made", "message"), [
    ({}, "has no folders of classes [E804]\n  hint: a folder of photos for each class"),
    ({"a": 0, "b": 0}, "there are no images in"),
    ({"a": 1, "b": 0, "c": 0}, "has no images of `b`, `c` [E804]\n  hint:"),
    ({"train/a": 1, "train/b": 1, "val/a": 1}, "do not have the same classes: `b` stands in one of them alone"),
    ({"train/a": 1, "train/b": 1, "val/a": 1, "val/b": 0}, "val has no images of `b`"),
])  # fmt: skip
def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, made: dict[str, int], message: str) -> None:
    folder_of_photos(tmp_path, made)
    with pytest.raises(SpecError) as caught:
        read_source(str(tmp_path))
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "hint"), [
    ("digitz", "did you mean 'digits'"), ("cifar10", "`cifar10:DIR`, the folder of its files"),
    ("nothing/like/it", "`digits`, a folder, `cifar10:DIR`"),
])  # fmt: skip
def test_what_is_no_data_set_is_refused(name: str, hint: str) -> None:
    with pytest.raises(SpecError, match="there is no data set") as caught:
        read_source(name)
    assert hint in str(caught.value)


@pytest.mark.parametrize("name", ["cifar10:nothing", "cifar100:nothing", "imagenet:nothing"])
def test_a_folder_of_files_that_is_missing_is_said(name: str) -> None:
    with pytest.raises(SpecError, match="there is no folder `nothing`, seen from here"):
        read_source(name)


# ---------------------------------------------------------------- CIFAR and ImageNet


def cifar(folder: Path, monkeypatch: Any, kind: str = "CIFAR10") -> Path:
    """Files as CIFAR's, with two photos each, whose sums are those that torchvision asks for."""
    import torchvision.datasets as known

    reader = getattr(known, kind)
    (folder / reader.base_folder).mkdir()

    def write(name: str, content: Any) -> str:
        data = pickle.dumps(content)
        (folder / reader.base_folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    coarse, sums = {"CIFAR10": "labels", "CIFAR100": "fine_labels"}[kind], {}
    for part in ("train_list", "test_list"):
        files = [name for name, _ in getattr(reader, part)]
        sums[part] = [
            [name, write(name, {"data": np.full((2, 3072), 10 * index + len(part), np.uint8), coarse: [index, 9]})]
            for index, name in enumerate(files)
        ]
    count = 10 if kind == "CIFAR10" else 100
    names = {reader.meta["key"]: [f"class {index}" for index in range(count)]}
    meta = {**reader.meta, "md5": write(reader.meta["filename"], names)}
    for key, value in {**sums, "meta": meta}.items():
        monkeypatch.setattr(reader, key, value)
    return folder


@pytest.mark.parametrize(("kind", "counts", "classes"), [("CIFAR10", (10, 2), 10), ("CIFAR100", (2, 2), 100)])
def test_cifar_is_read_from_its_files(
    tmp_path: Path, monkeypatch: Any, kind: str, counts: tuple[int, int], classes: int
) -> None:
    name = f"{kind.lower()}:{cifar(tmp_path, monkeypatch, kind)}"
    train, test = read_source(name)
    assert test is not None
    assert (len(train), len(test)) == counts
    assert train.classes[9] == "class 9"
    assert (len(train.classes), classes_in(name)) == (classes, classes)
    assert train.labels.tolist()[-1] == 9
    assert (train.open(0).size, train.open(0).getpixel((3, 4))) == ((32, 32), (10, 10, 10))
    (below,) = tmp_path.iterdir()
    assert len(read_source(f"{kind.lower()}:{below}").train) == counts[0]


def test_cifar_that_is_not_whole_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(SpecError, match="does not hold the files of `cifar10`") as caught:
        read_source(f"cifar10:{tmp_path}")
    assert "download=True" not in str(caught.value)
    assert "hint: unpack cifar-10-python.tar.gz there" in str(caught.value)
    folder = cifar(tmp_path, monkeypatch)
    (folder / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"damaged")
    with pytest.raises(SpecError, match="or they are damaged"):
        read_source(f"cifar10:{folder}")


def test_imagenet_has_its_classes_in_order(tmp_path: Path) -> None:
    from timm.data import ImageNetInfo

    names = ImageNetInfo("imagenet-1k").label_names()
    photo((4, 4)).save(tmp_path / "one.png")
    for part in ("train", "val"):
        for name in names:
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "one.png").hardlink_to(tmp_path / "one.png")
    source = read_source(f"imagenet:{tmp_path}")
    assert source.train.labels.tolist() == list(range(1000))
    assert source.train.classes[0] == "tench, Tinca tinca"
    assert source.validation is not None
    assert source.validation.classes == source.train.classes
    (tmp_path / "val" / names[3] / "one.png").unlink()
    (tmp_path / "val" / names[3]).rename(tmp_path / "val" / "other")
    with pytest.raises(
        SpecError, match=r"val has 999 of the 1,000 classes of ImageNet-1k, and 1 other folders \[E804\]\n  hint"
    ):
        read_source(f"imagenet:{tmp_path}")
    with pytest.raises(SpecError, match="is not ImageNet: there is no folder `train` and no folder `val`"):
        read_source(f"imagenet:{tmp_path / 'train'}")


# ---------------------------------------------------------------- Hugging Face


def test_without_the_package_its_name_is_said(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SpecError, match="needs the package datasets: pip install datasets"):
        read_source("hf:mnist")


def test_hugging_face_sets_are_read_from_a_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features({
        "id": datasets.Value("int64"), "picture": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"]),
    })  # fmt: skip

    def split(labels: list[int]) -> Any:
        pictures = [
            photo((6, 5), seed, mode) for seed, mode in zip(range(len(labels)), ("RGB", "L", "RGBA"), strict=False)
        ]
        rows = {"id": [*range(len(labels))], "picture": pictures, "kind": labels}
        return datasets.Dataset.from_dict(rows, features=kinds)

    whole = datasets.DatasetDict({"train": split([0, 1, 1]), "test": split([1])})
    whole.save_to_disk(tmp_path / "both")
    train, test = read_source(f"hf:{tmp_path / 'both'}")
    assert test is not None
    assert (train.labels.tolist(), test.labels.tolist(), train.classes) == ([0, 1, 1], [1], ("cat", "dog"))
    assert [train.open(index).mode for index in range(3)] == ["RGB", "L", "RGBA"]
    assert train.open(1, 3).tobytes() == photo((6, 5), 1, "L").convert("RGB").tobytes()
    assert pickle.loads(pickle.dumps(train)).open(2).size == (6, 5)
    assert classes_in(f"hf:{tmp_path / 'both'}") == 2
    whole["train"].save_to_disk(tmp_path / "one")
    assert read_source(f"hf:{tmp_path / 'one'}").validation is None
    faults = {
        "no column of classes": whole["train"].remove_columns("kind"),
        "has 1 photos without a class": split([0, -1]),
    }
    for message, wrong in faults.items():
        wrong.save_to_disk(tmp_path / message.replace(" ", "_"))
        with pytest.raises(SpecError, match=message):
            read_source(f"hf:{tmp_path / message.replace(' ', '_')}")
    datasets.DatasetDict({"test": split([1])}).save_to_disk(tmp_path / "test")
    with pytest.raises(SpecError, match="has no split `train`, but `test`"):
        read_source(f"hf:{tmp_path / 'test'}")
    with pytest.raises(SpecError, match=r"cannot be loaded: .*\n.*hint: a name of the hub"):
        read_source(f"hf:{tmp_path / 'nothing'}")
