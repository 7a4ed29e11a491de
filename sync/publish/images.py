# SPDX-License-Identifier: EUPL-1.2
"""Makes photographs and logos small enough for a phone and a kiosk; the only module that decodes images.

A photograph is decoded and written anew as WebP, so that neither its place (EXIF) nor a damaged or hostile file travels
to devices. Two sizes: a phone's page, and the kiosk's screen.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from sync.publish.problems import Problems

SIZES = {"small": 480, "large": 1080}  # pixels at most, on each side: a phone's width at 2x, the kiosk's screen
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_LARGEST = 32 << 20  # bytes of one file
_MOST_PIXELS = 60_000_000  # beyond, decoding takes more memory than an image is worth
_QUALITY = 80
_REMEDY = "Save it again as JPEG, PNG or WebP."

Sized = dict[str, tuple[bytes, int, int]]
"""An image's sizes: name to file, width and height."""


class UnusableImageError(ValueError):
    """An image that can't be published, with the reason as its text."""


def attach(
    folder: Path,
    collections: Mapping[str, Iterable[dict[str, Any]]],
    problems: Problems,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, bytes]:
    """Give records the images `images/COLLECTION/ID.jpg` (png, webp, gif); return every size by SHA-256."""
    blobs: dict[str, bytes] = {}
    here = {f"{name}/{each['id']}": each for name, records in collections.items() for each in records}
    files = sorted(path for path in (folder / "images").glob("*/*") if not path.name.startswith("."))
    for done, path in enumerate(files):
        if progress is not None:
            progress("images", done, len(files))
        name = f"images/{path.parent.name}/{path.name}"
        record = here.get(f"{path.parent.name}/{path.stem}")
        if record is None:
            problems.notice(f"{name} is not published: there is no {path.parent.name}/{path.stem}.")
            continue
        try:
            sized = _sized(path)
        except UnusableImageError as error:
            problems.add(name, 0, f"{error}.", _REMEDY)
            continue
        blobs |= _give(record, sized)
    return blobs


def _give(record: dict[str, Any], sized: Sized) -> dict[str, bytes]:
    files = {hashlib.sha256(data).hexdigest(): data for data, _, _ in sized.values()}
    record["image"] = {
        size: {"blob": hashlib.sha256(data).hexdigest(), "width": width, "height": height}
        for size, (data, width, height) in sized.items()
    }
    record["blobs"] = {**record.get("blobs", {}), **{sha256: len(data) for sha256, data in files.items()}}
    return files


def _sized(path: Path) -> Sized:
    if path.stat().st_size > _LARGEST:
        raise UnusableImageError(f"it has more than {_LARGEST} bytes")
    return resized(path.read_bytes())


@lru_cache(maxsize=2000)
def resized(data: bytes) -> Sized:
    """Return an image in every size, as WebP without metadata. Raises UnusableImageError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            _require_bounded(image)
            return {name: _fitted(ImageOps.exif_transpose(image), most) for name, most in SIZES.items()}
    except UnusableImageError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        raise UnusableImageError("it is no image that can be read") from error


def _require_bounded(image: Image.Image) -> None:
    if image.width * image.height > _MOST_PIXELS:
        raise UnusableImageError(f"it has {image.width * image.height} pixels")


def _fitted(image: Image.Image, most: int) -> tuple[bytes, int, int]:
    clear = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    small = image.convert("RGBA" if clear else "RGB")
    small.thumbnail((most, most), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=_QUALITY, method=4)
    return out.getvalue(), small.width, small.height
