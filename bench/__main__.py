"""The bench: ``python -m bench [--quick] [--long] [--only NAME ...] [--json FILE]``.

Exit code 1 if a figure is missed or could not be measured.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.ancestor import ancestor
from bench.ask import ask
from bench.best import best
from bench.blas import blas
from bench.cluster import cluster, driver
from bench.detection import detection
from bench.found import crowd_found, hamilton
from bench.fourk import fourk
from bench.group import groups
from bench.growth import growth
from bench.jobs import jobs
from bench.live import live
from bench.machine import busy, machine
from bench.media import Setup
from bench.mtcnn import mtcnn
from bench.networks import detector, landmarks, recogniser
from bench.opened import report
from bench.overhead import overhead
from bench.pair import pair
from bench.people import people
from bench.pose import poses
from bench.precision import precision
from bench.refs import refs
from bench.review import review
from bench.shots import shots
from bench.startup import startup
from bench.table import Row, UnmeasurableError, failed, rendered, write_json
from bench.tracks import tracks
from bench.verification import verification
from bench.whole import every_frame, whole_run
from facegrab.errors import FaceGrabError

Measure = Callable[[Setup], Iterator[Row]]

MEASURES: dict[str, Measure] = {
    "startup": startup,
    "mtcnn": mtcnn,
    "detector": detector,
    "recogniser": recogniser,
    "landmarks": landmarks,
    "blas": blas,
    "detection": detection,
    "verification": verification,
    "precision": precision,
    "pose": poses,
    "hamilton": hamilton,
    "crowd": crowd_found,
    "refs": refs,
    "review": review,
    "shots": shots,
    "tracks": tracks,
    "people": people,
    "group": groups,
    "best": best,
    "whole": whole_run,
    "every-frame": every_frame,
    "4k": fourk,
    "growth": growth,
    "pair": pair,
    "ask": ask,
    "jobs": jobs,
    "driver": driver,
    "cluster": cluster,
    "live": live,
    "report": report,
    "overhead": overhead,
    "ancestor": ancestor,
}


def main() -> int:
    """Measures, prints, judges."""
    options = _options()
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    if busy():
        print("others keep this machine busy: times will be too long, and ratios off")
    if options.quick:
        print("a smoke run: short clips, few rounds; its figures prove nothing")
    rows: list[Row] = []
    setup = Setup(quick=options.quick, long=options.long)
    for name in options.only or MEASURES:
        print(f"measuring {name} ...", end=" ", file=sys.stderr, flush=True)
        start = time.perf_counter()
        rows += _measured(name, setup)
        print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    print()
    print(rendered(rows))
    if options.json:
        write_json(options.json, facts, rows)
    missed = [row for row in rows if row.met is False]
    for row in missed:
        print(f"MISSED: {row.work}: {row.ours} {row.ratio} {row.peer}", file=sys.stderr)
    return 1 if missed else 0


def _measured(name: str, setup: Setup) -> Sequence[Row]:
    """The rows of one measure; what goes wrong becomes a row that is missed."""
    rows: list[Row] = []
    try:
        rows.extend(MEASURES[name](setup))
    except (UnmeasurableError, FaceGrabError) as error:
        rows.append(failed(name, str(error)))
    except Exception as error:  # noqa: BLE001 - one broken measure shall not hide the others
        traceback.print_exc()
        rows.append(failed(name, f"{type(error).__name__}: {error}"))
    return [replace(row, quick=setup.quick) for row in rows]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures FaceGrab.")
    parser.add_argument("--quick", action="store_true", help="a smoke run on short clips")
    parser.add_argument("--long", action="store_true", help="also a clip of an hour")
    parser.add_argument(
        "--only", nargs="+", choices=MEASURES, metavar="NAME", help=", ".join(MEASURES)
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
