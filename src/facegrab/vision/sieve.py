"""MTCNN's first network, asked roughly everywhere and exactly where it may see a face.

Where a processor computes in bfloat16 in half the time, but the boxes then move, a look at all of a
canvas in bfloat16 says where a face can be at all. A window is 12 pixels square and the same
network, shown these pixels, says what it says of the window. So those few are asked for in float32,
side by side, and what is found is what float32 finds, to rounding.
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from facegrab.models.mtcnn_shapes import (
    PROPOSAL_CHANNELS,
    PROPOSAL_STRIDE_PX,
    PROPOSAL_WINDOW_PX,
)
from facegrab.models.runtime import Net
from facegrab.types import FloatArray, IntArray

MARGIN = 0.3
"""By how much a rough logit may be wrong. Of 278,000 windows with a face, in all shared photographs
at three scales and 525 frames of all clips, the worst were .173 too low and .196 too high. A fifth
more are asked for than count in the end."""
ORDER_MARGIN = 0.4
"""By how much the difference of two neighbours may be: there, .212 at worst."""
LARGEST_SHARE = 0.04
"""Of all windows: asked for by themselves these cost as much as all of the canvas (measured)."""
FILL = 64
"""Windows are asked for in whole such numbers. Each other size of batch costs 2 ms when it first
comes, and 32 windows, half of the filling, .1 ms."""

NEAR = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
"""Steps to the windows of a level that one hides if it is better (mtcnn.LEVEL_OVERLAP)."""
NEXT = [(-2, 0), (2, 0), (0, -2), (0, 2)]
"""Steps to those with which it has just as much in common as it may, but for rounding."""
EDGE = 2
"""Steps around that these take."""


def sieved(
    exact: Net, rough: Net, canvas: FloatArray, inside: NDArray[np.bool_], least: float
) -> FloatArray:
    """What the network says of a canvas, float32 (5, h, w), in all places that decide.

    In others the logit is -inf and the rest anything: there is no face, the window lies in no
    level, or a better one of its level is sure to hide it.

    Args:
        exact: the network.
        rough: gives logits alone, (1, 1, h, w), that are about right.
        canvas: float32 (1, 3, H, W), sides even.
        inside: (h, w) or more, windows that lie in a level from edge to edge. Those of different
            levels are apart by more than a window's steps around.
        least: logit of a window that counts.
    """
    logit: FloatArray = rough(canvas)[0, 0]
    y, x = np.divmod(np.flatnonzero(logit >= least - MARGIN), logit.shape[1])
    if len(y) > LARGEST_SHARE * logit.size:
        return np.asarray(exact(canvas)[0], np.float32)
    output = np.empty((PROPOSAL_CHANNELS, *logit.shape), np.float32)
    output[0] = -inf
    wanted = inside[y, x]
    wanted &= ~_hidden(logit, y, x, wanted, least)
    y, x = y[wanted], x[wanted]
    if len(y):
        output[:, y, x] = _asked(exact, canvas, y, x).T
    return output


def _hidden(
    logit: FloatArray, y: IntArray, x: IntArray, inside: NDArray[np.bool_], least: float
) -> NDArray[np.bool_]:
    """Which of some windows have a neighbour that counts and is better than all of its own.

    Args:
        logit: rough, (h, w).
        y, x: of the windows, in steps.
        inside: which of them lie in a level.
        least: logit of a window that counts.
    """
    height, width = (side + 2 * EDGE for side in logit.shape)
    # What is beyond the edge may be better.
    around = np.full((height, width), inf, np.float32)
    around[EDGE:-EDGE, EDGE:-EDGE] = logit
    here = (y + EDGE) * width + x + EDGE
    near, far = (np.array([[dy * width + dx] for dy, dx in steps]) for steps in (NEAR, NEAR + NEXT))
    own, others = logit[y, x], around.ravel()[far + here].max(axis=0)
    sure = inside & (own >= least + MARGIN) & (own >= others + ORDER_MARGIN)
    hidden = np.zeros(around.size, np.bool_)
    hidden[near + here[sure]] = True
    return np.asarray(hidden[here], np.bool_)


def _asked(net: Net, canvas: FloatArray, y: IntArray, x: IntArray) -> FloatArray:
    """What the network says of some windows, each by itself: float32 (N, 5)."""
    count, step = len(y), PROPOSAL_STRIDE_PX
    pixels = sliding_window_view(canvas[0], (PROPOSAL_WINDOW_PX,) * 2, (1, 2))[:, ::step, ::step]
    # The last one again and again.
    filled = np.arange(count + -count % FILL).clip(max=count - 1)
    answers = net(pixels.transpose(1, 2, 0, 3, 4)[y[filled], x[filled]])
    return answers[:count, :, 0, 0]
