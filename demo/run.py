"""The demo: makes a clip of two people and grabs one of them with the facegrab command.

python demo/run.py
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import make_clip

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FACES = HERE / "faces"


def main() -> int:
    """Runs the demo; the command's exit code."""
    print("1. Making a clip of two people who cross each other and take turns.")
    clip = make_clip.write_all(make_clip.WORK)
    print(f"   {_short(clip)}: {make_clip.FRAMES / make_clip.RATE:g} s")
    if FACES.exists():
        print(f"   {_short(FACES)} of an earlier demo is removed.")
        shutil.rmtree(FACES)
    reference = make_clip.WORK / f"{make_clip.ASTRONAUT}.png"
    options = ["-r", _short(reference), "-i", _short(clip), "-o", _short(FACES)]
    print("2. Extracting the astronaut, and nobody else:")
    print(f"   facegrab {shlex.join(options)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "facegrab", *options], cwd=ROOT, check=False)
    if done.returncode:
        print(f"facegrab failed with exit code {done.returncode}", file=sys.stderr)
        return done.returncode
    count = len(list(FACES.glob("*.jpg")))
    print(f"3. Done: {count} pictures of the astronaut in {FACES}")
    print("   Open that folder. facegrab.csv in it lists every face that was seen, with the")
    print("   distance to the reference: the other person's stand there as 'other person'.")
    return 0


def _short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    sys.exit(main())
