"""The best extracts beside as many at random and as many evenly over time, of real people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from bench.company import SIGNERS
from bench.found import PERSON, SMALL_FACE_PX
from bench.known import the_company
from bench.media import HAMILTON_CLIP, Setup, decoded, media
from bench.table import Row
from facegrab import FaceGrab, ProcessSettings
from facegrab.appraisal import Measured, measure
from facegrab.people.choose import choose, turn_bins
from facegrab.store.candidates import Portfolio
from facegrab.types import Image, IntArray

COUNT = 12
DRAWS = 100
"""Of as many at random, over which is averaged."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What some extracts of a person show.

    Attributes:
        apart: mean distance of two, in tolerances.
        nearest: of any two.
        turns: bins of turns that are covered, of 15 by 12 degrees.
        shots: that are covered.
        worth: mean.
        poor: share that is not good enough to be picked.
    """

    apart: float
    nearest: float
    turns: float
    shots: float
    worth: float
    poor: float

    def __str__(self) -> str:
        return (
            f"apart {self.apart:.3f} (nearest {self.nearest:.2f}), {self.turns:.1f} turns, "
            f"{self.shots:.1f} shots, worth {self.worth:.3f}, {self.poor:.0%} poor"
        )


def best(setup: Setup) -> Iterator[Row]:
    """Picks of a concert, of people who sign, and of people who walk past each other."""
    with TemporaryDirectory() as folder:
        out = Path(folder)
        reference = media("people", f"{PERSON}.png")
        settings = ProcessSettings(skip_frames=0, min_face=SMALL_FACE_PX)
        FaceGrab(reference, process=settings).process(media("video", HAMILTON_CLIP), out / "sing")
        yield from _rows("hamilton, every frame", out / "sing")
        for name, clips in list(SIGNERS.items())[: setup.rounds(3, 1)]:
            paths = [media("video", f"intel__{each}.mkv") for each in clips]
            frame = decoded(paths[0])[0]
            picture = _written(out / f"{name}.png", frame[: len(frame) // 2])
            FaceGrab(picture, process=ProcessSettings(skip_frames=1)).process(paths, out / name)
            yield from _rows(f"signer {name}, {len(clips)} clips", out / name)
        made = the_company(setup)
        people = {
            name: [
                str(_written(out / "pictures" / f"{name}-{number}.png", image))
                for number, image in enumerate(images)
            ]
            for name, images in zip(made.people, made.references, strict=True)
        }
        FaceGrab(people, process=ProcessSettings(skip_frames=2)).process(made.path, out / "company")
        yield from _rows("company, half of it blurred or dark by times", out / "company")


def _written(path: Path, image: Image) -> Path:
    path.parent.mkdir(exist_ok=True)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    path.write_bytes(encoded.tobytes())
    return path


def _rows(words: str, folder: Path) -> Iterator[Row]:
    """Of all people of a folder together."""
    sights: dict[str, list[_Sight]] = {"picked": [], "at random": [], "evenly": []}
    picked = of = 0
    with Portfolio(folder) as portfolio:
        for person in portfolio.people():
            measured = measure(portfolio, folder, person, COUNT, lambda _, __: None)
            rows = choose(measured.pictures(), COUNT)
            if len(rows) < 2:
                continue
            picked, of = picked + len(rows), of + measured.extracts
            for name, sight in _sights(measured, rows).items():
                sights[name].append(sight)
    mean = {name: _mean(each) for name, each in sights.items()}
    ours, random, evenly = mean.values()
    more = all(
        getattr(ours, name) >= getattr(random, name) for name in ("apart", "nearest", "turns")
    )
    yield Row(
        f"best, {words}: {picked} of {of}",
        str(ours),
        f"at random {random}; evenly {evenly}",
        required="apart, nearest, turns no less than at random, none poor",
        met=more and not ours.poor,
        values={
            name: {field: getattr(each, field) for field in _Sight.__slots__}
            for name, each in mean.items()
        },
    )


def _sights(measured: Measured, rows: IntArray) -> dict[str, _Sight]:
    """What is picked, as many at random, as many evenly over time."""
    count, total = len(rows), len(measured.candidates)
    random = np.random.default_rng(1)
    draws = [random.choice(total, count, replace=False) for _ in range(DRAWS)]
    return {
        "picked": _sight(measured, rows),
        "at random": _mean([_sight(measured, each) for each in draws]),
        "evenly": _sight(measured, np.linspace(0, total - 1, count).astype(np.int64)),
    }


def _sight(measured: Measured, rows: IntArray) -> _Sight:
    vector, candidates = measured.vector[rows], measured.candidates
    pairs = np.linalg.norm(vector[:, None] - vector[None], axis=2)[np.triu_indices(len(rows), 1)]
    shots = np.stack([candidates.source[rows], candidates.shot[rows]], axis=1)
    return _Sight(
        apart=float(pairs.mean()),
        nearest=float(pairs.min()),
        turns=len(np.unique(turn_bins(measured.yaw[rows], measured.pitch[rows]))),
        shots=len(np.unique(shots, axis=0)),
        worth=float(measured.worth.total[rows].mean()),
        poor=float((~measured.is_good[rows]).mean()),
    )


def _mean(sights: Sequence[_Sight]) -> _Sight:
    return _Sight(
        *(float(np.mean([getattr(each, name) for each in sights])) for name in _Sight.__slots__)
    )
