"""A long run of dlib's packed integers, split without a loop over them.

Where an integer starts is known only once the one before it has been looked at. But two walks
over the same bytes that start at different places fall into step within a few integers, so many
walks start at once, each a little before its own stretch of the file; afterwards it is checked
that together they are one chain (``_starts``). This takes seconds off the 100 MB of the 68-point
file, and a piece at a time it needs little memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from facegrab.models.dat_bytes import (
    LARGEST_EXPONENT,
    LONGEST_INTEGER_BYTES,
    MINUS,
    SIZE,
    SMALLEST_EXPONENT,
    UNUSED,
    damaged,
)
from facegrab.types import FloatArray

PIECE_BYTES = 1 << 22
"""Split at a time."""

STRETCH_BYTES = 1024
"""Of each walk; all walks of a piece step together."""

APPROACH_BYTES = 384
"""A walk starts this long before its stretch, to fall into step."""

LONGEST_STEP = SIZE + 1

_VALUE_MASK = np.array([(1 << (8 * size)) - 1 for size in range(9)], np.uint64)

Positions = NDArray[np.intp]


class Tokens:
    """A cursor over packed integers. Every method raises WeightsError at what it cannot accept.

    Args:
        path: the file, named in errors.
        data: its bytes.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._size = len(data)
        # Room for the last integer's eight bytes, and for a walk that oversteps the end.
        self._bytes = np.frombuffer(data + bytes(LONGEST_STEP), np.uint8)
        self._split_up_to = 0
        self._values = np.empty(0, np.int64)
        self._offsets = np.empty(0, np.intp)
        self._next = 0

    @property
    def offset(self) -> int:
        """Byte at which the next integer starts."""
        if self._next < len(self._offsets):
            return int(self._offsets[self._next])
        return self._split_up_to

    def fail(self, what: str) -> NoReturn:
        """Raises the error for the integer that comes next."""
        raise damaged(self._path, self.offset, what)

    def require(self, count: int) -> None:
        """Refuses to go on unless so many bytes are left."""
        left = self._size - self.offset
        if count > left:
            self.fail(f"at least {count} bytes are announced, {left} are left")

    def take(self, count: int) -> NDArray[np.int64]:
        """The next integers, (count,)."""
        self.require(2 * count)
        while len(self._values) - self._next < count:
            if self._split_up_to >= self._size:
                self._next = len(self._values)
                self.fail("the file ends too early")
            self._split_piece()
        self._next += count
        return self._values[self._next - count : self._next]

    def count(self, low: int, high: int, what: str, *, peek: bool = False) -> int:
        """One integer from ``low`` to ``high``; with ``peek`` it stays the next."""
        value = int(self.take(1)[0])
        self._next -= 1
        if not low <= value <= high:
            self.fail(f"{value} {what}, not {low} to {high}")
        self._next += not peek
        return value

    def floats(self, count: int) -> FloatArray:
        """The next floats, (count,)."""
        return self.as_floats(self.take(2 * count).reshape(-1, 2))

    def as_floats(self, pairs: NDArray[np.int64]) -> FloatArray:
        """float32 (...) of mantissas and exponents (..., 2) that were taken last."""
        mantissa, exponent = pairs[..., 0], pairs[..., 1]
        if exponent.min() < SMALLEST_EXPONENT or exponent.max() > LARGEST_EXPONENT:
            self.fail("the numbers before are not all finite")
        with np.errstate(over="ignore", under="ignore"):
            value = np.ldexp(mantissa.astype(np.float64), exponent.astype(np.int32))
            single = value.astype(np.float32)
        if not np.isfinite(single).all():
            self.fail("the numbers before are not all finite in float32")
        return single

    def end(self) -> None:
        """Nothing may follow."""
        left = self._size - self.offset
        if left:
            self.fail(f"{left} bytes are left over")

    def _split_piece(self) -> None:
        """Splits the next bytes and puts their integers behind those not yet taken."""
        first = self._split_up_to
        stop = min(first + PIECE_BYTES, self._size)
        starts = first + _starts(self._bytes[first : stop + LONGEST_STEP], stop - first)
        values = self._decode(starts)
        end = int(starts[-1]) + 1 + int(self._bytes[starts[-1]] & SIZE)
        if end > self._size:
            raise damaged(self._path, int(starts[-1]), "the file ends within an integer")
        self._values = np.concatenate([self._values[self._next :], values])
        self._offsets = np.concatenate([self._offsets[self._next :], starts])
        self._next = 0
        self._split_up_to = end

    def _decode(self, starts: Positions) -> NDArray[np.int64]:
        """The integers that start there."""
        control = self._bytes[starts]
        size = control & SIZE
        good = (size > 0) & (size <= LONGEST_INTEGER_BYTES) & (control & UNUSED == 0)
        if not good.all():
            bad = int(starts[np.argmin(good)])
            raise damaged(self._path, bad, f"{self._bytes[bad]:#04x} starts no integer")
        # Eight bytes from each place on, as one little-endian number, cut to the integer's size.
        words = np.ndarray(len(self._bytes) - 8, "<u8", self._bytes, offset=1, strides=(1,))
        value = words[starts] & _VALUE_MASK[size]
        if (value >> np.uint64(63)).any():
            bad = int(starts[np.argmax(value)])
            raise damaged(self._path, bad, "an integer of more than 63 bits")
        signed: NDArray[np.int64] = value.view(np.int64)
        np.negative(signed, out=signed, where=control >= MINUS)
        return signed


def _starts(data: NDArray[np.uint8], stop: int) -> Positions:
    """Where integers start in ``data`` before ``stop``, the first at 0.

    Args:
        data: at least LONGEST_STEP bytes longer than ``stop``.
        stop: at least 1.
    """
    step: NDArray[np.uint8] = (data & np.uint8(SIZE)) + np.uint8(1)
    step[stop:] = 0  # A walk that has left the piece stands still.
    begin = np.arange(0, stop, STRETCH_BYTES)
    at = np.maximum(begin - APPROACH_BYTES, 0)
    while (early := at < begin).any():
        at[early] += step[at[early]]
    end = np.minimum(begin + STRETCH_BYTES, stop)
    seen = np.zeros(len(data), bool)
    while (at < end).any():
        seen[at] = True
        at += step[at]
    starts = np.flatnonzero(seen[:stop])
    if starts[0] == 0 and (starts[:-1] + step[starts[:-1]] == starts[1:]).all():
        return starts  # Each leads to the next, so this is the one chain that begins at 0.
    return _starts_in_turn(step, stop)


def _starts_in_turn(step: NDArray[np.uint8], stop: int) -> Positions:
    """The same for bytes on which walks do not fall into step, one integer after the other."""
    lengths = step.tobytes()
    starts = []
    at = 0
    while at < stop:
        starts.append(at)
        at += lengths[at]
    return np.array(starts, np.intp)
