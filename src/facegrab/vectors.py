"""LLVM's vectors, for functions that Numba compiles; imported only to be compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

_INT = ir.IntType(32)


def order(places: Sequence[int]) -> Any:
    """Places of a vector, or of two after one another, as ``shuffle_vector`` takes them."""
    return ir.Constant(ir.VectorType(_INT, len(places)), list(places))


def lanes(builder: Any, vector: Any, places: Sequence[int]) -> Any:
    """A vector of those numbers of another one."""
    unknown = ir.Constant(vector.type, ir.Undefined)
    return builder.shuffle_vector(vector, unknown, order(places))


def spread(builder: Any, number: Any, count: int) -> Any:
    """A vector of one number."""
    unknown = ir.Constant(ir.VectorType(number.type, count), ir.Undefined)
    return lanes(builder, builder.insert_element(unknown, number, _INT(0)), [0] * count)


def constant(kind: Any, number: float, count: int) -> Any:
    """A vector of one number that is known when it is compiled."""
    return ir.Constant(ir.VectorType(kind, count), [number] * count)
