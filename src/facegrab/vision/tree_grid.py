"""What ``tree_kernel`` and those who call it have to agree on."""

from __future__ import annotations

LANES = 16
"""Features, and trees, that a stage has a multiple of: rooms and tables are filled up to it."""
FEATURE_BITS = 16
"""Of a split's word for each of the two features that it compares, the first one below."""
