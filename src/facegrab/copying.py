"""Copies in a bucket that the nodes of a cluster ask for: each takes 1.5 ms of a processor."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from facegrab.errors import FaceGrabError, OutputError
from facegrab.media.bucket import Bucket
from facegrab.raylink import connect, load_ray

AT_A_TIME = 500
"""Copies that a node is asked for: some seconds."""
MOST_TASKS = 8
"""On their way: with so many threads each, some 2000 copies/s. S3 takes 3500 requests/s below one
prefix, and workers put there, too."""
THREADS = 8

Pair = tuple[str, str]
"""Names in the bucket's folder: of what is there, and of its copy."""


class Copies:
    """Has nodes ask for copies.

    Args:
        name: ``s3://bucket/folder``.
        address: of the cluster, see raylink.connect.
    """

    def __init__(self, name: str, address: str) -> None:
        self._name = name
        self._address = address

    def __call__(self, pairs: Sequence[Pair]) -> None:
        """Copies; when it returns or raises, no node is at it.

        Raises:
            DeviceError: there is no cluster any more.
            OutputError: a node dies of it, again and again.
            MissingError, AccessError, MediaError: see Bucket.
        """
        ray = load_ray()
        ours = connect(ray, self._address)
        try:
            self._copy(ray, pairs)
        except ray.exceptions.RayError as error:
            said = " ".join(str(error).split())[:300]
            raise OutputError(f"no node can copy in {self._name} ({said})") from error
        finally:
            if ours:
                ray.shutdown()

    def _copy(self, ray: Any, pairs: Sequence[Pair]) -> None:
        # Workers have all processors; what waits for a store takes little of them.
        task = ray.remote(num_cpus=0, scheduling_strategy="SPREAD")(copy_some)
        left = [pairs[begin : begin + AT_A_TIME] for begin in range(0, len(pairs), AT_A_TIME)]
        going = list[Any]()
        try:
            while left or going:
                while left and len(going) < MOST_TASKS:
                    going.append(task.remote(self._name, left.pop()))
                (ended,), going = ray.wait(going)
                error = ray.get(ended)
                if error is not None:
                    raise error
        finally:
            if going:
                ray.wait(going, num_returns=len(going))


def copy_some(name: str, pairs: Sequence[Pair]) -> FaceGrabError | None:
    """Copies, on a node; an error of ours travels as it is, without Ray's words around it."""
    try:
        bucket = Bucket(name)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda pair: bucket.copy(*pair), pairs))
    except FaceGrabError as error:
        return error
    return None
