"""Makes the demo's clip: two people as moving portraits, out of two public-domain photographs.

    python demo/make_clip.py [FOLDER]

Both photographs come with packages: Eileen Collins with scikit-image, Grace Hopper with matplotlib.
The film runs 9 s in two shots. In the first they come in from both sides, cross, and one leaves; in
the second, after a cut, they stand close up, the other leaves, and the first nods to the camera.

There is one photograph of each, so the reference picture shows the very face that is in the clip.
That makes the demo easy: it shows what a run does, not how well it tells people apart.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import skimage.data
from av.video.stream import VideoStream
from matplotlib import cbook
from matplotlib.image import imread
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Picture = NDArray[np.float32]

WORK = Path(__file__).resolve().parent / "work"
CLIP_NAME = "two-people.mp4"

WIDTH, HEIGHT = 960, 540
RATE = 25
CUT = 5 * RATE
"""First frame of the second shot."""
FRAMES = 9 * RATE

ASTRONAUT, HOPPER = "astronaut", "hopper"


@dataclass(frozen=True)
class Portrait:
    """A photograph and where the face is in it, in its pixels."""

    image: Image
    face_x: float
    face_y: float
    face_px: float
    """Side of the box that the detector draws around the face."""


@dataclass(frozen=True)
class Pose:
    """Where a face is in a frame.

    Attributes:
        x: of its centre in pixels of the frame.
        y: of its centre.
        size_px: side of its box.
        turn_degrees: counter-clockwise.
    """

    x: float
    y: float
    size_px: float
    turn_degrees: float = 0.0


# Seconds from the start of the shot, then x, y, size and turn of the face; straight lines between.
Way = list[tuple[float, float, float, float, float]]
SHOTS: tuple[dict[str, Way], ...] = (
    # Who is named later stands in front.
    {
        ASTRONAUT: [
            (0.0, 130, 260, 84, 0),
            (1.0, 260, 230, 96, 4),
            (2.6, 560, 250, 110, -4),
            (3.4, 760, 240, 100, 0),
            (4.4, 1140, 250, 92, 0),
        ],
        HOPPER: [
            (0.8, 1130, 280, 96, 0),
            (1.6, 840, 270, 110, -3),
            (2.6, 500, 260, 130, 3),
            (3.6, 300, 270, 120, 0),
            (5.0, 420, 250, 140, -3),
        ],
    },
    {
        HOPPER: [
            (0.0, 240, 280, 150, 0),
            (0.8, 260, 270, 158, 4),
            (2.4, -180, 280, 150, 0),
        ],
        ASTRONAUT: [
            (0.0, 700, 230, 130, 0),
            (1.0, 680, 220, 140, -6),
            (2.4, 480, 230, 150, 6),
            (3.2, 430, 210, 120, -10),
            (4.0, 480, 220, 150, 0),
        ],
    },
)


def portraits() -> dict[str, Portrait]:
    """The two photographs, RGB."""
    astronaut: Any = skimage.data.astronaut()  # type: ignore[no-untyped-call, unused-ignore]
    hopper = imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return {
        ASTRONAUT: Portrait(np.asarray(astronaut, np.uint8), 220, 116, 102),
        HOPPER: Portrait(np.asarray(hopper, np.uint8), 257, 219, 176),
    }


def poses(frame: int) -> dict[str, Pose]:
    """Who is in a frame (0 to FRAMES - 1) and where; the last one named stands in front."""
    shot, seconds = (0, frame / RATE) if frame < CUT else (1, (frame - CUT) / RATE)
    found = {}
    for who, path in SHOTS[shot].items():
        times, *columns = np.array(path).T
        if times[0] <= seconds <= times[-1]:
            found[who] = Pose(*(float(np.interp(seconds, times, column)) for column in columns))
    return found


def frames() -> Iterator[Image]:
    """All frames of the clip, RGB uint8 (HEIGHT, WIDTH, 3)."""
    cut_out = {who: (portrait, _cut_out(portrait)) for who, portrait in portraits().items()}
    grounds = [_ground((58, 74, 96), seed=1), _ground((104, 88, 70), seed=2)]
    for number in range(FRAMES):
        picture = grounds[number >= CUT].copy()
        for who, pose in poses(number).items():
            portrait, layers = cut_out[who]
            _put(picture, portrait, layers, pose)
        yield np.asarray(picture.clip(0, 255) + 0.5, np.uint8)


def write_clip(path: Path) -> None:
    """Writes the clip as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, {"crf": "18", "preset": "veryfast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        for number, image in enumerate(frames()):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_all(folder: Path) -> Path:
    """Writes the clip and both photographs (``astronaut.png``, ``hopper.png``) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for who, portrait in portraits().items():
        bgr = cv2.cvtColor(portrait.image, cv2.COLOR_RGB2BGR)
        (folder / f"{who}.png").write_bytes(cv2.imencode(".png", bgr)[1].tobytes())
    write_clip(folder / CLIP_NAME)
    return folder / CLIP_NAME


def _cut_out(portrait: Portrait) -> Picture:
    """Head and shoulders in an oval with soft edges: float32 (H, W, 4), the fourth is the share."""
    height, width = portrait.image.shape[:2]
    mask = np.zeros((height, width), np.float32)
    size = portrait.face_px
    centre = (round(portrait.face_x), round(portrait.face_y + 0.25 * size))
    cv2.ellipse(mask, centre, (round(1.05 * size), round(1.35 * size)), 0, 0, 360, 1.0, -1)
    # A frame of nothing around the photograph, so that its own edges are soft too.
    mask[[0, -1]] = mask[:, [0, -1]] = 0
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.03 * size), np.float32)
    return np.asarray(np.dstack([portrait.image * soft[..., None], soft]), np.float32)


def _put(picture: Picture, portrait: Portrait, layers: Picture, pose: Pose) -> None:
    """Lays a cut-out over the picture, in place."""
    matrix = cv2.getRotationMatrix2D(
        (portrait.face_x, portrait.face_y), pose.turn_degrees, pose.size_px / portrait.face_px
    )
    matrix[:, 2] += np.array([pose.x - portrait.face_x, pose.y - portrait.face_y])
    placed = cv2.warpAffine(layers, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    picture *= 1 - placed[..., 3:]
    picture += placed[..., :3]


def _ground(colour: tuple[int, int, int], *, seed: int) -> Picture:
    """A clouded wall of one colour, lighter at the top."""
    noise = np.random.default_rng(seed).standard_normal((HEIGHT // 60, WIDTH // 60))
    clouds = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    light = np.linspace(1.25, 0.75, HEIGHT)[:, None] + 0.05 * clouds
    return np.asarray(light[..., None] * np.array(colour), np.float32)


if __name__ == "__main__":
    print(write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else WORK))
