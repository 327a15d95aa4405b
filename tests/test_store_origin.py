"""An extract's origin goes into the image file and comes out again; hostile files get a line."""

from __future__ import annotations

import json
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.store import origin as origins
from facegrab.store.files import as_text
from facegrab.store.origin import Origin, embed_origin, load_origin, read_origin
from facegrab.store.xmp import MAX_PACKET_BYTES, insert_packet, packets

FORMATS = (".jpg", ".png")
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
ROOT = not hasattr(os, "geteuid") or os.geteuid() == 0


def some_origin(**changes: Any) -> Origin:
    random = np.random.default_rng(1)
    origin = Origin(
        source="/films/Les Enfants <du> Paradis & co.mkv",
        source_name="Les Enfants",
        frame=2086,
        pts_seconds=83.4567891,
        picture=None,
        box=np.array([412, 80.25, 611, 279], np.float32),
        points5=random.uniform(0, 4000, (5, 2)).astype(np.float32),
        points68=random.uniform(0, 4000, (68, 2)).astype(np.float32),
        matrix=np.array([[0.123456789, -0.01, -1234.56789], [0.01, 0.123456789, 77.7]]),
        alignment="mean-face",
        size_px=256,
        native_scale=0.12386112,
        detector="mtcnn-0123abcd",
        recogniser="dlib",
        distance=0.41234567,
        sharpness=123.456,
    )
    return replace(origin, **changes)


def encoded(suffix: str, side: int = 40) -> bytes:
    image = np.random.default_rng(2).integers(0, 256, (side, side, 3), np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


def written(folder: Path, content: bytes, suffix: str = ".jpg") -> Path:
    path = folder / f"face{suffix}"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_it_comes_out_as_it_went_in(tmp_path: Path, suffix: str) -> None:
    origin = some_origin()
    path = written(tmp_path, embed_origin(encoded(suffix), origin), suffix)
    assert read_origin(path) == origin.to_json()
    back = load_origin(path)
    assert back.to_json() == origin.to_json()
    assert back.source == origin.source
    assert np.abs(back.points68 - origin.points68).max() <= 0.0051
    assert back.matrix == pytest.approx(origin.matrix, rel=1e-8)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_not_known_stays_unknown(tmp_path: Path, suffix: str) -> None:
    origin = some_origin(
        points68=np.full((68, 2), np.nan), distance=np.nan, sharpness=np.nan, picture="a/b.jpg"
    )
    path = written(tmp_path, embed_origin(encoded(suffix), origin), suffix)
    content = read_origin(path)
    assert content["points68"] is content["distance"] is content["sharpness"] is None
    back = load_origin(path)
    assert np.isnan(back.points68).all()
    assert np.isnan([back.distance, back.sharpness]).all()
    assert back.picture == "a/b.jpg"


@pytest.mark.parametrize("suffix", FORMATS)
def test_pixels_stay(suffix: str) -> None:
    before = encoded(suffix)
    after = embed_origin(before, some_origin())
    first, second = (
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        for content in (before, after)
    )
    assert first is not None
    assert second is not None
    assert np.array_equal(first, second)
    assert len(after) - len(before) < 3000


@pytest.mark.parametrize("suffix", FORMATS)
def test_another_reader_finds_the_packet(tmp_path: Path, suffix: str) -> None:
    """Pillow takes the same pixels, and the packet as the file's XMP, which is sound XML."""
    pillow = pytest.importorskip("PIL.Image")
    before = written(tmp_path, encoded(suffix), suffix)
    with pillow.open(before) as image:
        pixels = np.asarray(image)
    before.write_bytes(embed_origin(encoded(suffix), some_origin()))
    with pillow.open(before) as image:
        assert np.array_equal(np.asarray(image), pixels)
        packet = image.info["xmp"]
    tree = ElementTree.fromstring(packet)
    (description,) = tree.iter(f"{RDF}Description")
    (content,) = description
    assert content.tag == f"{{{origins.NAMESPACE}}}origin"
    assert json.loads(content.text or "") == some_origin().to_json()


@pytest.mark.parametrize(
    "name",
    [
        "Kinder/Größe & <Maß>.mp4",
        "映画/羅生門.mkv",
        "emoji 🎬 'quoted' \"twice\"",
        "line\nbreak\x01\x7f]]>",
        "&amp; &#65; </facegrab:origin>",
        os.fsdecode(b"caf\xe9.mp4"),
        as_text(Path(os.fsdecode(b"caf\xe9.mp4"))),
        "",
    ],
)
@pytest.mark.parametrize("suffix", FORMATS)
def test_any_name_survives(tmp_path: Path, name: str, suffix: str) -> None:
    origin = some_origin(source=name, picture=name)
    path = written(tmp_path, embed_origin(encoded(suffix), origin), suffix)
    assert load_origin(path).source == name
    assert load_origin(path).picture == name


@given(st.text(st.characters(), max_size=60))
def test_any_text_survives(text: str) -> None:
    packet = next(packets(embed_origin(encoded(".png", 2), some_origin(source=text))))
    assert ElementTree.fromstring(packet.decode()) is not None
    found = origins._PROPERTY.search(packet)
    assert found is not None
    assert origins._parsed(found[1])["source"] == text


def test_nothing_else_is_told() -> None:
    assert some_origin().to_json().keys() == {
        "version", "source", "source_name", "frame", "pts_seconds", "picture", "box", "points5",
        "points68", "matrix", "alignment", "size_px", "native_scale", "detector", "recogniser",
        "distance", "sharpness",
    }  # fmt: skip


@pytest.mark.parametrize("suffix", FORMATS)
def test_too_long_an_origin_is_refused(tmp_path: Path, suffix: str) -> None:
    fits = MAX_PACKET_BYTES - len(next(packets(embed_origin(encoded(suffix), some_origin()))))
    longest = some_origin(picture="x" * (fits + len("null") - 2))
    assert load_origin(
        written(tmp_path, embed_origin(encoded(suffix), replace(longest, picture="x")), suffix)
    )
    content = embed_origin(encoded(suffix), longest)
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is not None
    assert len(next(packets(content))) == MAX_PACKET_BYTES
    with pytest.raises(ValueError, match=f"{MAX_PACKET_BYTES + 1} bytes of metadata"):
        embed_origin(encoded(suffix), replace(longest, picture=f"{longest.picture}x"))


@pytest.mark.parametrize("suffix", FORMATS)
def test_one_origin_a_file(suffix: str) -> None:
    once = embed_origin(encoded(suffix), some_origin())
    with pytest.raises(ValueError, match="XMP already"):
        embed_origin(once, some_origin())


def test_only_jpeg_and_png() -> None:
    for content in (b"", b"GIF89a", encoded(".bmp")):
        with pytest.raises(ValueError, match="neither JPEG nor PNG"):
            embed_origin(content, some_origin())


def test_a_matrix_without_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        embed_origin(encoded(".jpg"), some_origin(matrix=np.full((2, 3), np.nan)))
    with pytest.raises(ValueError, match=r"points5 is \(4, 2\), not \(5, 2\)"):
        some_origin(points5=np.zeros((4, 2)))


def test_jfif_and_exif_stay_first() -> None:
    jpeg = encoded(".jpg")
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0"
    jpeg = jpeg[:20] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[20:]
    content = embed_origin(jpeg, some_origin())
    assert content.index(b"JFIF") < content.index(b"Exif") < content.index(b"ns.adobe.com")
    assert content.startswith(jpeg[:20])


# Files of others.


def refused(path: Path) -> str:
    with pytest.raises(MediaError) as error:
        load_origin(path)
    text = str(error.value)
    assert as_text(path) in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_image_without_origin(tmp_path: Path, suffix: str) -> None:
    assert "carries no origin" in refused(written(tmp_path, encoded(suffix), suffix))


def test_somebody_elses_xmp_is_no_origin(tmp_path: Path) -> None:
    packet = b"<x:xmpmeta><facegrab:origin>{}</facegrab:origin></x:xmpmeta>"
    path = written(tmp_path, insert_packet(encoded(".jpg"), packet))
    assert "carries no origin" in refused(path)


def test_no_image(tmp_path: Path) -> None:
    assert "neither JPEG nor PNG" in refused(written(tmp_path, b"hello"))
    assert "neither JPEG nor PNG" in refused(written(tmp_path, b""))
    assert "no image file" in refused(tmp_path)
    with pytest.raises(MissingError, match="no such file"):
        load_origin(tmp_path / "gone.jpg")
    with pytest.raises(MissingError, match="no such file"):
        load_origin(written(tmp_path, b"x") / "below.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "no image file" in refused(tmp_path / "pipe.jpg")


@pytest.mark.skipif(ROOT, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = written(tmp_path, encoded(".jpg"))
    path.chmod(0)
    with pytest.raises(AccessError, match="no permission"):
        load_origin(path)


def test_too_large_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "MAX_FILE_BYTES", 2**20)
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(2**20 + 1)
    assert "larger than 1 MB" in refused(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_beginning_of_a_file_is_refused(tmp_path: Path, suffix: str) -> None:
    """Cut anywhere before the pixels: an error of ours, or the whole origin."""
    content = embed_origin(encoded(suffix, 4), some_origin())
    expected = some_origin().to_json()
    for end in range(0, len(content), 7):
        path = written(tmp_path, content[:end], suffix)
        with suppress(MediaError):
            assert read_origin(path) == expected


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_an_error_of_ours(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    content = bytearray(embed_origin(encoded(suffix, 4), some_origin()))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = written(tmp_path, bytes(content), suffix)
    with suppress(MediaError):
        load_origin(path)


@pytest.mark.parametrize("between", [b"\xff\xff", b"\xff\x01", b"\xff\xd0", b"\xff\xfe\0\2"])
def test_padding_and_bare_markers_are_passed_over(tmp_path: Path, between: bytes) -> None:
    jpeg = embed_origin(encoded(".jpg"), some_origin())
    path = written(tmp_path, jpeg[:20] + between + jpeg[20:])
    assert load_origin(path).frame == 2086


@pytest.mark.parametrize("between", [b"\xff\xfe\0\1", b"\xff\xfe\0\0", b"\xff\xfe\xff\xff", b"ab"])
def test_segments_of_impossible_length(tmp_path: Path, between: bytes) -> None:
    jpeg = embed_origin(encoded(".jpg"), some_origin())
    path = written(tmp_path, jpeg[:20] + between + jpeg[20:])
    assert "segments are damaged" in refused(path)


def png_with(content: bytes, *, checksum: int | None = None) -> bytes:
    """A PNG with this as its iTXt chunk."""
    png, chunk = encoded(".png", 4), b"iTXt" + content
    crc = zlib.crc32(chunk) if checksum is None else checksum
    return png[:33] + struct.pack(">I", len(content)) + chunk + struct.pack(">I", crc) + png[33:]


def packet_with(text: str) -> bytes:
    return (origins._BEFORE + text + origins._AFTER).encode()


def test_a_compressed_packet_is_not_unpacked(tmp_path: Path) -> None:
    bomb = zlib.compress(b" " * 10**7)
    content = b"XML:com.adobe.xmp\0\1\0\0\0" + bomb
    assert "metadata is damaged" in refused(written(tmp_path, png_with(content), ".png"))


def test_a_wrong_checksum(tmp_path: Path) -> None:
    content = b"XML:com.adobe.xmp\0\0\0\0\0" + packet_with("{}")
    path = written(tmp_path, png_with(content, checksum=5), ".png")
    assert "metadata is damaged" in refused(path)


def test_a_language_is_passed_over(tmp_path: Path) -> None:
    text = json.dumps(some_origin().to_json()).replace("&", "&amp;").replace("<", "&lt;")
    content = b"XML:com.adobe.xmp\0\0\0" + b"x-default\0Titel\0" + packet_with(text)
    path = written(tmp_path, png_with(content), ".png")
    assert load_origin(path).frame == 2086


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "no object"),
        ("[" * 60_000, "no readable origin"),
        ('{"a": NaN}', "NaN is no number"),
        ("&lol9;", "unknown entity"),
        ("a & b", "unknown entity"),
        ("{}", "version is no whole number"),
        ('{"version": 2}', "newer FaceGrab"),
        ('{"version": true}', "version is no whole number"),
        ('{"version": 1' + " " * 65_600 + "}", "longer than 64 kB"),
    ],
)
def test_what_is_no_origin(tmp_path: Path, text: str, told: str) -> None:
    content = b"XML:com.adobe.xmp\0\0\0\0\0" + packet_with(text)
    assert told in refused(written(tmp_path, png_with(content), ".png"))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("source", None, "source is no text"),
        ("source", 5, "source is no text"),
        ("source", "x" * 50_000, "source is no text"),
        ("picture", 5, "picture is no text"),
        ("frame", -1, "frame is no whole number"),
        ("frame", 1.5, "frame is no whole number"),
        ("frame", 10**30, "frame is no whole number"),
        ("pts_seconds", "1", "pts_seconds is no number"),
        ("pts_seconds", None, "pts_seconds is no number"),
        ("native_scale", 1e300, "native_scale is no number"),
        ("distance", "near", "distance is no number"),
        ("box", [1, 2, 3], "box is no array of 4 numbers"),
        ("box", [1, 2, 3, True], "box is no array of 4 numbers"),
        ("points5", [[1, 2]] * 4, "points5 is no array of 5 x 2 numbers"),
        ("points68", [[1, 2, 3]] * 68, "points68 is no array of 68 x 2 numbers"),
        ("matrix", [[1, 2, 3], [4, 5, None]], "matrix is no array of 2 x 3 numbers"),
        ("detector", {}, "detector is no text"),
    ],
)
def test_values_that_cannot_be(key: str, value: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Origin.from_json({**some_origin().to_json(), key: value})


def test_keys_to_come_are_left_aside() -> None:
    content = {**some_origin().to_json(), "yaw": 5}
    assert Origin.from_json(content).to_json() == some_origin().to_json()


def test_another_programs_writing_of_the_packet_is_read(tmp_path: Path) -> None:
    """ExifTool writes quotes as entities and spreads the packet over lines."""
    text = json.dumps(some_origin().to_json())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    packet = (
        f"<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool'>\n<rdf:RDF>\n"
        f" <rdf:Description rdf:about=''\n  xmlns:facegrab='{origins.NAMESPACE}'>\n"
        f"  <facegrab:origin>{text.replace(chr(39), '&#39;')}</facegrab:origin>\n"
        f" </rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>"
    )
    path = written(tmp_path, insert_packet(encoded(".jpg"), packet.encode()))
    assert load_origin(path).to_json() == some_origin().to_json()
