"""Who is in the same picture: two faces of one frame are two people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.types import IntArray

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Pairs of pieces that share a frame, each pair both ways, sorted.

    Attributes:
        one: int64 (C,), ascending.
        other: int64 (C,).
    """

    one: IntArray
    other: IntArray

    @classmethod
    def of(cls, piece: IntArray, frame: IntArray, count: int) -> Together:
        """The pairs of some faces.

        Args:
            piece: int64 (N,), the piece of each face, 0 to count - 1.
            frame: int64 (N,), its frame.
            count: pieces.
        """
        order = np.lexsort((piece, frame))
        piece, frame = piece[order], frame[order]
        codes = np.empty(0, np.int64)
        for shift in range(1, len(frame)):
            same = frame[shift:] == frame[:-shift]
            if not same.any():
                break
            found = piece[:-shift][same] * count + piece[shift:][same]
            # Each time, because pieces last: what is left is little, also of a crowd.
            codes = _distinct(np.concatenate([codes, found]))
        one, other = codes // max(count, 1), codes % max(count, 1)
        apart = one != other
        both = _distinct(np.concatenate([codes[apart], other[apart] * count + one[apart]]))
        return cls(both // max(count, 1), both % max(count, 1))

    def touched(self, some: Bools) -> Bools:
        """bool (P,): pieces that share a frame with one of some, bool (P,)."""
        touched = np.zeros(len(some), np.bool_)
        touched[self.one[some[self.other]]] = True
        return touched

    def table(self, rows: IntArray, columns: IntArray, count: int) -> Bools:
        """bool (R, C): which of some pieces share a frame with which of others.

        Args:
            rows: int64 (R,), pieces.
            columns: int64 (C,), pieces.
            count: pieces in all.
        """
        row_of, column_of = np.full(count, -1), np.full(count, -1)
        row_of[rows], column_of[columns] = np.arange(len(rows)), np.arange(len(columns))
        row, column = row_of[self.one], column_of[self.other]
        both = (row >= 0) & (column >= 0)
        table = np.zeros((len(rows), len(columns)), np.bool_)
        table[row[both], column[both]] = True
        return table


def _distinct(codes: IntArray) -> IntArray:
    """Each once, ascending; np.unique loads 6 ms of NumPy's modules, once a run."""
    ordered = np.sort(codes)
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]
