"""Every real clip of the shared media folder, where there is one."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from clips import shared_media

from facegrab.media import Source, find_sources, open_source

FOLDER = shared_media()
CLIPS = find_sources([FOLDER / "video"]) if FOLDER is not None else []
# 8-bit clips of each kind for which OpenCV has a decoder in every build.
COLOURS = ("hamilton", "intel__again", "lipnet__bbaf2n", "delayed_start", "h265_10bits", "gif")


@pytest.mark.skipif(not CLIPS, reason="there is no folder of shared media beside the repository")
class TestRealClips:
    @pytest.mark.parametrize("source", CLIPS, ids=lambda source: source.name)
    def test_all_is_read_and_nothing_is_said(self, source: Source) -> None:
        with open_source(source, every=10) as reader:
            frames = list(reader)
        assert reader.frames_read == plain_count(source)
        assert [frame.index for frame in frames] == list(range(0, reader.frames_read, 10))
        times = [frame.pts_seconds for frame in frames]
        assert times[0] == 0
        assert np.all(np.diff(times) > 0)
        assert reader.duration_seconds is not None
        assert times[-1] < reader.duration_seconds
        assert (reader.frames_damaged, reader.warnings) == (0, [])
        assert frames[0].image.shape == (reader.height, reader.width, 3)

    @pytest.mark.parametrize("source", CLIPS, ids=lambda source: source.name)
    def test_frames_left_out_change_no_other(self, source: Source) -> None:
        with open_source(source) as whole, open_source(source, every=7) as some:
            for frame in whole:
                if frame.index % 7 == 0:
                    other = next(some)
                    assert (frame.index, frame.pts_seconds) == (other.index, other.pts_seconds)
                    assert np.array_equal(frame.image, other.image)
            assert list(some) == []
        assert whole.frames_read == some.frames_read

    @pytest.mark.parametrize(
        "source",
        [source for source in CLIPS if any(part in str(source.path) for part in COLOURS)],
        ids=lambda source: source.name,
    )
    def test_colours_are_those_of_opencv(self, source: Source) -> None:
        capture = cv2.VideoCapture(str(source.path), cv2.CAP_FFMPEG)
        with open_source(source) as reader:
            for frame, _ in zip(reader, range(5), strict=False):
                there, image = capture.read()
                assert there
                difference = np.abs(frame.image.astype(int) - image[..., ::-1])
                assert difference.max() <= 6
        capture.release()


def plain_count(source: Source) -> int:
    with av.open(str(source.path)) as container:
        if container.streams.video[0].frames > 1000:
            # Decoding it a second time takes a second; this header is right.
            return container.streams.video[0].frames
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))
