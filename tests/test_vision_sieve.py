"""MTCNN's first network asked roughly first: what it finds in the end is what it finds alone."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray

from facegrab.types import FloatArray, Image
from facegrab.vision import mtcnn_views, sieve
from facegrab.vision.candidates import kept
from facegrab.vision.feed import Feed
from facegrab.vision.mtcnn import LEVEL_OVERLAP, pyramid
from facegrab.vision.mtcnn_views import FastView
from facegrab.vision.sieve import FILL, MARGIN, NEAR, NEXT, ORDER_MARGIN, sieved

LEAST = 0.4
HEIGHT, WIDTH = 20, 30
"""Of a canvas, in windows."""
ALL = np.ones((HEIGHT, WIDTH), np.bool_)
SURE = LEAST + MARGIN + 0.01


class Exact:
    """A network that says of a window by which pixel it begins; it remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []
        self.asked: set[tuple[int, int]] = set()

    def __call__(self, x: FloatArray) -> FloatArray:
        self.shown.append(x.shape)
        windows = np.lib.stride_tricks.sliding_window_view(x, (12, 12), (2, 3))[:, :, ::2, ::2]
        first, last = windows[..., 0, 0], windows[:, :1, ..., 11, 11]
        number = first[:, 0].ravel().astype(int) // 2
        self.asked |= {divmod(each, WIDTH + 5) for each in number.tolist()}
        return np.concatenate([first[:, :1] + 1, first, last], axis=1)


def canvas() -> FloatArray:
    """Each pixel's colour is the pixel's number, of every second in x and y."""
    height, width = 2 * (HEIGHT + 5), 2 * (WIDTH + 5)
    y, x = np.mgrid[:height, :width]
    number = (y // 2 * (WIDTH + 5) + x // 2) * 2
    return np.stack([number, number + 0.5, number + 0.75])[None].astype(np.float32)


def said(
    logits: dict[tuple[int, int], float], inside: NDArray[np.bool_] = ALL
) -> tuple[FloatArray, Exact]:
    """What comes of rough logits at some places, -5 elsewhere; and who was asked."""
    exact = Exact()
    rough = np.full((1, 1, HEIGHT, WIDTH), -5, np.float32)
    for place, logit in logits.items():
        rough[0, 0][place] = logit
    return sieved(exact, lambda x: rough, canvas(), inside, LEAST), exact


def test_what_may_be_a_face_is_asked_exactly() -> None:
    """By its own pixels, the others not at all; in whole batches."""
    seen = {(0, 0): LEAST - MARGIN + 0.01, (7, 9): LEAST, (HEIGHT - 1, WIDTH - 1): 9.0}
    output, exact = said(seen | {(3, 3): LEAST - MARGIN - 0.01})
    assert exact.asked == set(seen)
    assert exact.shown == [(FILL, 3, 12, 12)]
    whole = Exact()(canvas())[0]
    for y, x in seen:
        assert output[:, y, x].tolist() == whole[:, y, x].tolist()
    assert np.count_nonzero(output[0] >= LEAST) == len(seen)


def test_where_there_is_none_nobody_is_asked() -> None:
    output, exact = said({})
    assert not exact.shown
    assert (output[0] < LEAST).all()


def test_windows_in_no_level_are_not_asked() -> None:
    inside = ALL.copy()
    inside[:, 15:] = False
    output, exact = said({(5, 5): 3.0, (9, 15): 3.0}, inside)
    assert exact.asked == {(5, 5)}
    assert output[0, 9, 15] == -inf


def test_many_are_seen_all_at_once() -> None:
    """One by one they would cost more."""
    share = int(sieve.LARGEST_SHARE * HEIGHT * WIDTH)
    places = [(y, x) for y in range(0, HEIGHT, 3) for x in range(0, WIDTH, 3)]
    _, exact = said(dict.fromkeys(places[:share], LEAST))
    assert exact.shown == [(FILL, 3, 12, 12)]
    output, exact = said(dict.fromkeys(places[: share + 1], LEAST))
    assert exact.shown == [canvas().shape]
    assert output.tolist() == Exact()(canvas())[0].tolist()


def test_what_a_better_neighbour_is_sure_to_hide_is_not_asked() -> None:
    here = (8, 8)
    others = {(8 + y, 8 + x): SURE for y, x in [*NEAR, *NEXT]}
    output, exact = said(others | {here: SURE + ORDER_MARGIN + 0.01})
    assert exact.asked == {here} | {(8 + y, 8 + x) for y, x in NEXT}
    assert all(output[0, 8 + y, 8 + x] == -inf for y, x in NEAR)


@pytest.mark.parametrize("step", [*NEAR, *NEXT])
def test_one_that_may_be_worse_than_a_neighbour_hides_none(step: tuple[int, int]) -> None:
    others = {(8 + y, 8 + x): SURE for y, x in NEAR}
    others[8 + step[0], 8 + step[1]] = SURE + 0.02
    _, exact = said(others | {(8, 8): SURE + ORDER_MARGIN + 0.01})
    assert exact.asked == {(8, 8), *others}


def test_one_that_may_be_no_face_hides_none() -> None:
    places = {(8, 8): LEAST + MARGIN - 0.01, (8, 9): LEAST - MARGIN + 0.01}
    assert said(places)[1].asked == set(places)


def test_one_in_no_level_hides_none() -> None:
    inside = ALL.copy()
    inside[:, 9:] = False
    assert said({(8, 9): 9.0, (8, 8): SURE}, inside)[1].asked == {(8, 8)}


@pytest.mark.parametrize("edge", [(1, 8), (HEIGHT - 2, 8), (8, 1), (8, WIDTH - 2)])
def test_at_the_edge_none_is_hidden(edge: tuple[int, int]) -> None:
    """Beyond it, in the next strip, there may be a better one."""
    places = {edge: 9.0, (edge[0] + 1, edge[1]): SURE}
    assert said(places)[1].asked == set(places)


def test_those_near_are_the_ones_that_a_level_hides() -> None:
    """And those next would be but for rounding: no other has a say in it."""
    for y in range(-6, 7):
        for x in range(-6, 7):
            common = max(12 - 2 * abs(y), 0) * max(12 - 2 * abs(x), 0)
            overlap = common / (288 - common)
            if (y, x) in NEAR:
                assert overlap > LEVEL_OVERLAP + 0.01
            elif (y, x) in NEXT:
                assert overlap == LEVEL_OVERLAP
            else:
                assert (y, x) == (0, 0) or overlap < LEVEL_OVERLAP - 0.01


class Blurred:
    """A network that sees a face in white with black around it, in logits of all heights."""

    def __init__(self, wrong: float = 0.0) -> None:
        self.shown: list[tuple[int, ...]] = []
        self._wrong = wrong
        self._rng = np.random.default_rng(0)

    def __call__(self, x: FloatArray) -> FloatArray:
        self.shown.append(x.shape)
        windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (12, 12), (1, 2))[:, ::2, ::2]
        inner = windows[..., 2:-2, 2:-2].mean(axis=(-1, -2))
        ring = (windows.mean(axis=(-1, -2)) - inner * (4 / 9)) / (5 / 9)
        output = np.stack([(inner - ring - 40) / 6, inner, ring, ring - 1, inner - ring], axis=1)
        output[:, 0] += self._rng.uniform(-self._wrong, self._wrong, inner.shape)
        return output


def scene(seed: int) -> Image:
    """White squares of different sizes on black, and noise."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 70, (300, 400, 3), np.uint8)
    for side in (16, 24, 37, 60, 90):
        x, y = rng.integers(10, 290, 2)
        image[y : y + side, x : x + side] += np.uint8(180)
    return image


@pytest.mark.parametrize("pixels", [1 << 19, 9000])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_of_each_level_is_what_the_network_alone_leaves(
    seed: int, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rough logits that are wrong by as much as they may be; on one canvas and on strips."""
    monkeypatch.setattr(mtcnn_views, "MOST_PIXELS", pixels)
    monkeypatch.setattr(sieve, "LARGEST_SHARE", 1)
    scales = pyramid(400, 300, Feed(1.0))
    exact, rough = Blurred(), Blurred(wrong=min(MARGIN, ORDER_MARGIN / 2))
    alone = FastView(scene(seed)).windows(Blurred(), scales, LEAST)
    levels = FastView(scene(seed)).windows(exact, scales, LEAST, rough)
    assert all(shape[2:] == (12, 12) for shape in exact.shown)
    for one, other in zip(alone, levels, strict=True):
        rows, others = (kept(each.box, each.output[:, 0], LEVEL_OVERLAP) for each in (one, other))
        np.testing.assert_array_equal(one.box[rows], other.box[others])
        np.testing.assert_array_equal(one.output[rows], other.output[others])
    count, fewer = (sum(len(each.box) for each in views) for views in (alone, levels))
    assert 20 < fewer < count, "nothing was hidden: a test of nothing"
