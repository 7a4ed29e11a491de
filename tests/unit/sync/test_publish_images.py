# SPDX-License-Identifier: EUPL-1.2
"""Images: small enough for a phone and a kiosk, without what a photograph tells about its place, or refused."""

import io

import pytest
from PIL import Image

from sync.publish import images
from sync.publish.problems import Problems


def photograph(width=1600, height=900, form="JPEG", mode="RGB", **more):
    out = io.BytesIO()
    Image.new(mode, (width, height), "teal").save(out, form, **more)
    return out.getvalue()


def attach(folder, name, data):
    path = folder / "images" / "companies" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    record = {"id": "exemple-ardoise", "blobs": {"0" * 64: 1}}
    problems = Problems()
    return record, images.attach(folder, {"companies": [record]}, problems), problems


def test_an_image_comes_in_two_sizes(tmp_path):
    """A photograph becomes a phone's and a kiosk's WebP, named in the record with their sizes and lengths."""
    record, blobs, problems = attach(tmp_path, "exemple-ardoise.jpg", photograph())
    assert not problems.found
    assert {size: (each["width"], each["height"]) for size, each in record["image"].items()} == {
        "small": (480, 270), "large": (1080, 608),
    }  # fmt: skip
    for each in record["image"].values():
        data = blobs[each["blob"]]
        assert record["blobs"][each["blob"]] == len(data)
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == ("WEBP", (each["width"], each["height"]))
    assert record["blobs"]["0" * 64] == 1


def test_where_a_photograph_was_taken_is_not_published():
    """EXIF goes, after the picture was turned as it says."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    exif[0x010E] = "chez quelqu'un"
    sized = images.resized(photograph(exif=exif))
    data, width, height = sized["large"]
    assert height > width
    assert b"chez" not in data
    with Image.open(io.BytesIO(data)) as image:
        assert not image.getexif()


def test_a_small_logo_is_not_blown_up():
    """An image that is small already keeps its size, and its transparency."""
    logo = io.BytesIO()
    Image.new("RGBA", (100, 40), (0, 128, 128, 90)).save(logo, "PNG")
    data, width, height = images.resized(logo.getvalue())["large"]
    assert (width, height) == (100, 40)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGBA"


@pytest.mark.parametrize(
    "data", [b"", b"<svg/>", photograph()[:900], b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_image_is_refused(tmp_path, data):
    """A damaged file, or one of another kind, is named with its remedy; nothing is published of it."""
    record, blobs, problems = attach(tmp_path, "exemple-ardoise.jpg", data)
    assert "images/companies/exemple-ardoise.jpg" in str(problems.found[0])
    assert blobs == {}
    assert "image" not in record


def test_an_image_that_would_fill_the_memory_is_refused(monkeypatch):
    """More pixels than an image is worth are not decoded."""
    monkeypatch.setattr(images, "_MOST_PIXELS", 1000)
    with pytest.raises(images.UnusableImageError, match="pixels"):
        images.resized(photograph(101, 100))


def test_an_image_of_nothing_is_noticed(tmp_path):
    """A file that is named for no record is said, and stops nothing."""
    _, blobs, problems = attach(tmp_path, "personne.jpg", photograph())
    assert blobs == {}
    assert "there is no companies/personne" in problems.notices[0]
