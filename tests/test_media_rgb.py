"""Frames converted by machine code against swscale, and memory that is used again."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from clips import write_clip

from facegrab import machine_code
from facegrab.media import convert, rgb_compiled, rgb_grid
from facegrab.media.geometry import upright_image
from facegrab.media.pool import ImagePool
from facegrab.types import Image

needs_fast = pytest.mark.skipif(
    not rgb_compiled.is_fast(), reason="Numba, or what it is used with, is missing"
)
SIZES = [(64, 2), (66, 48), (130, 96), (854, 480), (1918, 6)]
"""Widths that are no multiple of what is made at a time; rows are padded then."""


def noise(width: int, height: int, kind: str = "yuv420p", space: int = 1) -> av.VideoFrame:
    """Any value next to any other, also those beyond the limited range."""
    frame = av.VideoFrame(width, height, kind)
    random = np.random.default_rng(width + height)
    for plane in frame.planes:
        plane.update(random.integers(0, 256, plane.buffer_size, dtype=np.uint8).tobytes())
    frame.colorspace = space
    return frame


def by_swscale(frame: av.VideoFrame) -> Image:
    return upright_image(frame, None, VideoReformatter())


@needs_fast
@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize("space", sorted(rgb_compiled.MATRICES))
@pytest.mark.parametrize("colour_range", [0, 1, 2])
def test_pixels_are_swscales(kind: str, space: int, colour_range: int) -> None:
    for width, height in SIZES:
        frame = noise(width, height, kind, space)
        frame.color_range = colour_range
        image = rgb_compiled.rgb(frame, ImagePool())
        assert image is not None
        np.testing.assert_array_equal(image, by_swscale(frame))


@pytest.mark.parametrize(
    ("width", "height", "kind"),
    [
        *((65, 64, "yuv420p"), (64, 65, "yuv420p"), (62, 64, "yuv420p"), (64, 64, "yuv422p")),
        *((64, 64, "yuv444p"), (64, 64, "yuv420p10le"), (64, 64, "rgb24"), (64, 64, "nv12")),
    ],
)
def test_other_frames_are_left_to_swscale(width: int, height: int, kind: str) -> None:
    assert rgb_compiled.rgb(noise(width, height, kind), ImagePool()) is None


@pytest.mark.parametrize("space", [0, 3, 8, 10, 14, 99])
def test_other_colours_are_left_to_swscale(space: int) -> None:
    assert rgb_compiled.rgb(noise(64, 64, space=space), ImagePool()) is None


def test_interlaced_frames_are_left_to_swscale(tmp_path: Path) -> None:
    """Their fields have colours of their own."""
    clip = write_clip(
        tmp_path / "a.mkv", [np.zeros((96, 128, 3), np.uint8)], options={"x264-params": "tff=1"}
    )
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        assert frame.interlaced_frame
        assert (frame.width, frame.format.name) == (128, "yuv420p")
        assert rgb_compiled.rgb(frame, ImagePool()) is None


@needs_fast
class TestConverter:
    def test_uses_machine_code_and_gives_the_same_without(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        frame = noise(130, 96)
        without = by_swscale(frame)
        monkeypatch.setattr(convert, "upright_image", None)
        image = convert.Converter(Path("a"), None).image(frame, 0)
        np.testing.assert_array_equal(image, without)

    def test_without_the_instructions_swscale_converts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rgb_compiled, "is_fast", lambda: False)
        monkeypatch.setattr(rgb_compiled, "rgb", None)
        frame = noise(130, 96)
        image = convert.Converter(Path("a"), None).image(frame, 0)
        np.testing.assert_array_equal(image, by_swscale(frame))

    def test_pixels_that_are_not_square_are_scaled(self) -> None:
        image = convert.Converter(Path("a"), Fraction(2)).image(noise(130, 96), 0)
        assert image.shape == (96, 260, 3)

    def test_an_image_outlives_the_next_ones(self) -> None:
        converter = convert.Converter(Path("a"), None)
        first = noise(130, 96, space=1)
        image = converter.image(first, 0)
        others = [converter.image(noise(130, 96, space=each), 0) for each in (5, 7, 9)]
        assert len({each.tobytes() for each in [image, *others]}) == 4
        np.testing.assert_array_equal(image, by_swscale(first))


class TestPool:
    def test_memory_comes_back_with_the_last_view_only(self) -> None:
        pool = ImagePool()
        image = pool.take(4, 6)
        where, part = image.ctypes.data, image[1:, 2:]
        del image
        assert pool.take(4, 6).ctypes.data != where  # someone still has a part
        del part
        gc.collect()
        taken = [pool.take(4, 6) for _ in range(2)]
        assert where in {each.ctypes.data for each in taken}

    def test_no_more_is_made_than_is_in_use(self) -> None:
        pool = ImagePool()
        seen = set()
        for _ in range(20):
            pair = [pool.take(4, 6), pool.take(4, 6)]
            seen |= {each.ctypes.data for each in pair}
            del pair
        assert len(seen) == 2

    def test_another_size(self) -> None:
        pool = ImagePool()
        for height, width in ((4, 6), (8, 6), (4, 6)):
            image = pool.take(height, width)
            assert image.shape == (height, width, 3)
            image[:] = 7
            del image


@needs_fast
def test_another_number_of_columns_is_compiled_anew() -> None:
    shared = rgb_compiled._function._load.keywords["shares"]
    assert shared == [Path(rgb_grid.__file__), machine_code.VECTORS]


@needs_fast
def test_machine_code_can_be_kept_and_counts_in_vectors() -> None:
    """Or it would be slower than swscale, which no other test sees."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(rgb_compiled._compiled().inspect_llvm())
    outer = [each.name for each in module.functions if each.is_declaration]
    assert all(each.startswith("llvm.") for each in outer)  # or it could not be kept
    assembly = machine_code._target_machine(llvm).emit_assembly(module)
    assert "vpmulhw" in assembly
    assert "vpermt2b" in assembly or "vpermi2b" in assembly
