"""Makes a folder of emoji by class: real RGB pictures of two vendors, of which one trains and the other evaluates.

`python -m tests.evidence.emoji [-o runs/emoji]` fetches the npm packages `emoji-datasource-google` and
`emoji-datasource-twitter` by `npm pack` (pictures of Google, Apache 2.0, and of Twitter, CC-BY 4.0) and writes their
pictures of 64 pixels, on white, into DIR/train and DIR/val, with a folder for each `subcategory` of the data. Pictures
that only one of the vendors has are left out, skin tones included. Nothing of it is committed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

VERSION = "15.1.2"
VENDORS = {"google": "train", "twitter": "val"}
LEAST = 8
"""Classes with fewer pictures of a vendor are left out."""


def main() -> None:
    """Makes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/emoji"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        packages = {vendor: fetch(vendor, Path(name)) for vendor in VENDORS}
        chosen = common(json.loads((packages["google"] / "emoji.json").read_text(encoding="utf-8")), packages)
        for vendor, part in VENDORS.items():
            for subcategory, images in chosen.items():
                folder = options.output / part / subcategory
                folder.mkdir(parents=True, exist_ok=True)
                for image in images:
                    on_white(pictures(packages[vendor], vendor) / image).save(folder / image)
    count = sum(map(len, chosen.values()))
    print(f"{count:,} pictures of each vendor, {len(chosen)} classes, in {options.output}")


def fetch(vendor: str, folder: Path) -> Path:
    """The unpacked package of a vendor."""
    package = f"emoji-datasource-{vendor}@{VERSION}"
    npm = shutil.which("npm")
    assert npm is not None, "npm is not installed"
    done = subprocess.run([npm, "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True)
    target = folder / vendor
    with tarfile.open(folder / done.stdout.strip().splitlines()[-1]) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def pictures(package: Path, vendor: str) -> Path:
    """The folder of a package's pictures."""
    return package / "img" / vendor / "64"


def common(emoji: list[dict[str, Any]], packages: dict[str, Path]) -> dict[str, list[str]]:
    """The files that every vendor has, by subcategory."""
    found: dict[str, list[str]] = {}
    for entry in emoji:
        for image in images_of(entry):
            if all((pictures(package, vendor) / image).is_file() for vendor, package in packages.items()):
                found.setdefault(entry["subcategory"], []).append(image)
    return {name: sorted(images) for name, images in sorted(found.items()) if len(images) >= LEAST}


def images_of(entry: dict[str, Any]) -> Iterator[str]:
    """The files of an emoji, in each of its skin tones."""
    yield entry["image"]
    yield from (variation["image"] for variation in entry.get("skin_variations", {}).values())


def on_white(path: Path) -> Image.Image:
    """A picture without transparency."""
    with Image.open(path) as picture:
        colors = picture.convert("RGBA")
    white = Image.new("RGBA", colors.size, "white")
    return Image.alpha_composite(white, colors).convert("RGB")


if __name__ == "__main__":
    main()
