"""What ``rgb_kernel`` and those who call it have to agree on."""

from __future__ import annotations

CHANNELS = 3
COLUMN_BITS = 6
COLUMNS = 1 << COLUMN_BITS
"""Made at a time: no frame may be narrower."""
