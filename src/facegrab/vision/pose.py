"""How a head is turned: yaw, pitch and roll of faces whose points are known.

A head of a few points in space is turned, shrunk and moved until those, seen from far away (weak
perspective), lie nearest to the points of the face, in the sense of least squares.

Points that the head itself casts give back its angles to a hundredth of a degree. What real faces
add (bench: pose, 692 faces of photographs and video): of a photograph and its mirror image, yaw and
pitch are .9 and .6 degrees apart in the median, 2.4 and 2.0 at the 90th percentile; of a face whose
head is turned little, five points and 68 are 2 degrees apart in yaw, 3 in pitch. There is no
measured truth beside that. Turned far, dlib's 68 points are no longer on the face: of a man in full
profile they say from 35 degrees to the one side to 5 to the other, where MTCNN's five say 39 to 71,
60 in the median. So the five are what is asked for how a head is turned; bins of 30 degrees and
more can be told apart by them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray

Array: TypeAlias = NDArray[np.float64]

STEADY = (27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 42, 45, 48, 51, 54)
"""Of the 68, those that are used: the nose, the corners of the eyes, three of the upper lip. The
others move with lids, brows and chin, or slide along the cheek as a head turns."""

# Measured on 692 faces of photographs and video (python -m bench.pose prints it): x to the
# picture's right, y down, z away from who looks; points are 1 from the middle on average.
HEAD = np.array(
    [
        [0, -0.933, -0.039], [0, -0.589, -0.276], [0, -0.248, -0.526], [0, 0.107, -0.77],
        [-0.413, 0.361, -0.143], [-0.216, 0.439, -0.266], [0, 0.501, -0.344],
        [0.216, 0.439, -0.266], [0.413, 0.361, -0.143], [-1.214, -0.875, 0.582],
        [-0.522, -0.847, 0.425], [0.522, -0.847, 0.425], [1.214, -0.875, 0.582],
        [-0.754, 1.049, 0.467], [0, 0.91, -0.173], [0.754, 1.049, 0.467],
    ]
)  # fmt: skip
"""Where STEADY are in space. The median photograph looks straight ahead."""
HEAD_OF_FIVE = np.array(
    [
        [-0.874, -0.908, 0.56], [0.874, -0.908, 0.56], [0, 0.183, -0.568],
        [-0.743, 1.113, 0.636], [0.743, 1.113, 0.636],
    ]
)  # fmt: skip
"""Where MTCNN's five points are, in the same head."""

EDGES_DEGREES = (-50.0, -20.0, 20.0, 50.0)
"""Of yaw: between profile, half profile and front."""
TURNS = ("profile left", "half left", "front", "half right", "profile right")
"""What lies between the edges; left and right are the picture's."""

_ROUNDS = 8
"""Of Gauss and Newton: after 5 no angle moves by more than a hundredth of a degree."""
_SMALLEST = 1e-6
"""Points, in pixels, and angles that differ less are one."""


def head_pose(points68: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Yaw, pitch and roll in degrees, each float32 (N,), by the 68 points.

    For heads that are turned little: see the module. Yaw is positive where the face looks to the
    picture's right, pitch where it looks up, roll where the head is turned clockwise. NaN where
    points are unknown, or all one.

    Args:
        points68: float32 (N, 68, 2), x y of the iBUG scheme; NaN where unknown.
    """
    return angles(fit(points68[:, STEADY], HEAD))


def head_pose_of_five(points5: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Yaw, pitch and roll as of head_pose, by five points, which all faces have.

    Args:
        points5: float32 (N, 5, 2), see types.Detections.
    """
    return angles(fit(points5, HEAD_OF_FIVE))


def fit(points: NDArray[np.floating], head: Array) -> Array:
    """The turns that bring a head to faces: float64 (N, 3, 3), NaN where points are unknown.

    Args:
        points: (N, P, 2), x y.
        head: float64 (P, 3), x to the picture's right, y down, z away from who looks.
    """
    seen = points.astype(np.float64)
    seen -= seen.mean(axis=1, keepdims=True)
    size = np.sqrt((seen**2).sum(axis=(1, 2)))
    known = np.isfinite(size) & (size > _SMALLEST)
    turn = np.full((len(seen), 3, 3), np.nan)
    turn[known] = _fitted(seen[known] / size[known, None, None], head - head.mean(axis=0))
    return turn


def angles(turn: Array) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Yaw, pitch and roll in degrees, float32 (N,), of turns (N, 3, 3): see turn_of."""
    yaw = np.arcsin(turn[:, 2, 0].clip(-1, 1))
    pitch = np.arctan2(-turn[:, 2, 1], turn[:, 2, 2])
    roll = np.arctan2(turn[:, 1, 0], turn[:, 0, 0])
    return _degrees(yaw), _degrees(pitch), _degrees(roll)


def turn_of(yaw: Array, pitch: Array, roll: Array) -> Array:
    """Turns float64 (N, 3, 3): first pitch, then yaw, then roll, all in degrees (N,)."""
    turn = np.broadcast_to(np.eye(3), (len(yaw), 3, 3))
    # About the axis to the right, the one down, the one away.
    for number, angle in enumerate((-pitch, -yaw, roll)):
        axis = np.zeros((len(yaw), 3))
        axis[:, number] = np.radians(angle)
        turn = _rotation(axis) @ turn
    return turn


def _degrees(angle: Array) -> FloatArray:
    return np.degrees(angle).astype(np.float32)


def _fitted(seen: Array, head: Array) -> Array:
    """As fit, of points and a head that both lie around nothing."""
    affine = np.swapaxes(seen, 1, 2) @ np.linalg.pinv(head).T
    u, stretch, vt = np.linalg.svd(affine, full_matrices=False)
    two, scale = u @ vt, stretch.mean(axis=1)
    turn = np.concatenate([two, np.cross(two[:, 0], two[:, 1])[:, None]], axis=1)
    for _ in range(_ROUNDS):
        step = _step(seen, head @ np.swapaxes(turn, 1, 2), scale[:, None])
        turn = _rotation(step[:, :3]) @ turn
        scale = scale + step[:, 3]
    return turn


def _step(seen: Array, turned: Array, scale: Array) -> Array:
    """What to turn (about x, y and z, in radians) and to add to the scale: (N, 4)."""
    x, y, z = np.moveaxis(turned, 2, 0)
    none = np.zeros_like(x)
    of_x = np.stack([none, scale * z, -scale * y, x], axis=2)
    of_y = np.stack([-scale * z, none, scale * x, y], axis=2)
    slope = np.concatenate([of_x, of_y], axis=1)
    off = np.concatenate([seen[..., 0] - scale * x, seen[..., 1] - scale * y], axis=1)
    back = np.swapaxes(slope, 1, 2)
    # A trifle of damping, so that a pose without a slope has a step.
    square = back @ slope + 1e-9 * np.eye(4)
    return np.asarray(np.linalg.solve(square, back @ off[..., None])[..., 0])


def _rotation(axis: Array) -> Array:
    """Turns (N, 3, 3) by the length of axes (N, 3), in radians (Rodrigues)."""
    angle = np.maximum(np.linalg.norm(axis, axis=1), _SMALLEST**2)[:, None, None]
    x, y, z = (axis / angle[:, :, 0]).T
    none = np.zeros_like(x)
    cross = np.stack([none, -z, y, z, none, -x, -y, x, none], axis=1).reshape(-1, 3, 3)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return np.asarray(turn)
