"""What the weight files say about their networks, besides weights.

The readers refuse a file that says otherwise: code that draws the detector's canvas or cuts the
recogniser's chip may rely on these.
"""

WINDOW_PX = 80
"""Side of the detector's sliding window."""

NMS_OVERLAP = 0.3382761351109955
"""Two detections that overlap more, by intersection over their bounding rectangle, are one face."""

MEAN_RGB = (122.782, 117.001, 104.298)
"""Both networks take (colour - mean) / 256 (the division is fixed in dlib's input_rgb_image)."""

PYRAMID_PADDING_PX = 10
OUTER_PADDING_PX = 11
"""Zeros between and around the levels of the detector's tiled pyramid. The file's format is older
than these two numbers: dlib fills in 10 and 11 when it reads ``input_rgb_image_pyramid``."""

CHIP_PX = 150
"""Side of the recogniser's input."""

EMBEDDING_LENGTH = 128
"""Length of the embedding of dlib's recogniser."""

COLOURS = 3
"""Channels of what a network is shown."""
