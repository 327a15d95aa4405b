"""The largest numbers that convolutions of dlib's networks read, for computing in int8.

One a convolution, in the graph's order; None for one that stays in float (bench/calibrate.py says
why). Written by ``python -m bench.calibrate`` from 171 photographs with 278 faces: LFW,
Azure's families, dlib's examples, CompreFace's, portraits.
"""

from __future__ import annotations

from facegrab.models.quantise import Ranges

DETECTOR: Ranges = (
    None,
    4.318,
    None,
    3.967,
    None,
    6.306,
    None,
    None,
)
RECOGNISER: Ranges = (
    None,
    None,
    6.612,
    8.022,
    6.223,
    14.97,
    7.092,
    21.42,
    6.715,
    12.43,
    6.379,
    12.34,
    5.603,
    17.34,
    5.499,
    17.75,
    5.524,
    7.903,
    4.207,
    9.185,
    4.301,
    8.908,
    6.276,
    None,
    None,
    10.54,
    3.13,
    None,
    None,
)
