"""MTCNN's three networks: their sizes, and what tells them apart.

By itself, because most runs find the graphs in the cache, and do without what builds them.
"""

from __future__ import annotations

from typing import NamedTuple

PROPOSAL_WINDOW_PX = 12
PROPOSAL_STRIDE_PX = 2
REFINEMENT_PX = 24
OUTPUT_PX = 48

PROPOSAL_CHANNELS = 5
"""Logit of "face" and the offsets of x0 y0 x1 y1, in sizes of the window."""
REFINEMENT_CHANNELS = 5
"""The same, of a crop."""
OUTPUT_CHANNELS = 15
"""The same, and x of five points, then y of them, in sizes of the crop from its corner."""


class Shape(NamedTuple):
    """What tells the networks apart.

    Attributes:
        name: of the output.
        pools: side of the max-pool behind each convolution, 0 for none; strides are 2, and a last
            incomplete window counts.
        side_px: of the input; None where any goes.
        dense: the features go through a dense layer before the heads.
        channels: of the output.
    """

    name: str
    pools: tuple[int, ...]
    side_px: int | None
    dense: bool
    channels: int


PROPOSAL = Shape("proposal", (2, 0, 0), None, False, PROPOSAL_CHANNELS)
REFINEMENT = Shape("refinement", (3, 3, 0), REFINEMENT_PX, True, REFINEMENT_CHANNELS)
OUTPUT = Shape("output", (3, 3, 2, 0), OUTPUT_PX, True, OUTPUT_CHANNELS)
