"""What an extract's pixels say of its worth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from portraits import drawn

from facegrab.vision.portrait import portrait


class TestClarity:
    @pytest.mark.parametrize("side", [128, 192, 384, 512, 1024])
    def test_size_does_not_matter(self, side: int) -> None:
        assert portrait(drawn(side=side)).clarity == pytest.approx(
            portrait(drawn()).clarity, rel=0.2
        )

    def test_an_enlargement_is_no_sharper(self) -> None:
        small = drawn(side=96)
        large = np.asarray(cv2.resize(small, (512, 512), interpolation=cv2.INTER_CUBIC), np.uint8)
        assert portrait(large).clarity == pytest.approx(portrait(small).clarity, rel=0.2)

    def test_blur_takes_it(self) -> None:
        found = [portrait(drawn(blur=blur)).clarity for blur in (0, 4, 8, 16)]
        assert found == sorted(found, reverse=True)
        assert found[-1] < found[0] / 10

    def test_contrast_does_not_matter(self) -> None:
        flat = np.asarray(drawn() // 2 + 60, np.uint8)
        assert portrait(flat).clarity == pytest.approx(portrait(drawn()).clarity, rel=0.1)

    def test_a_hand_below_is_no_sharpness(self) -> None:
        blurred = drawn(blur=12)
        covered = blurred.copy()
        covered[150:, 60:200:8] = 255
        # The stripes count among the face's variance, not among its edges.
        assert portrait(covered).clarity <= portrait(blurred).clarity

    def test_an_empty_picture(self) -> None:
        assert portrait(np.full((64, 64, 3), 128, np.uint8)).clarity == 0


class TestLight:
    def test_black_and_white_are_clipped(self) -> None:
        assert portrait(drawn()).clipped < 0.01
        assert portrait(drawn(light=2.5)).clipped > 0.3
        assert portrait(drawn(light=0.02)).clipped > 0.9

    def test_brightness_and_contrast(self) -> None:
        bright, dim = portrait(drawn()), portrait(drawn(light=0.5))
        assert dim.brightness == pytest.approx(bright.brightness / 2, rel=0.05)
        assert dim.contrast == pytest.approx(bright.contrast / 2, rel=0.05)


class TestFingerprint:
    def test_the_same_face_shares_it(self) -> None:
        one = portrait(drawn()).fingerprint
        for other in (drawn(side=128), drawn(light=0.8), drawn(blur=2)):
            assert (portrait(other).fingerprint != one).sum() <= 6

    def test_another_one_does_not(self) -> None:
        one = portrait(drawn()).fingerprint
        for other in (drawn(turn=1), drawn(hand=True)):
            assert (portrait(other).fingerprint != one).sum() > 10


def test_extracts_may_be_no_squares() -> None:
    seen = portrait(np.zeros((40, 90, 3), np.uint8))
    assert seen.thumb.shape == (16, 16)
