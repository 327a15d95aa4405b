"""The link to a Ray cluster: Ray itself, loaded where it is asked for, and the way in."""

from __future__ import annotations

import logging
import socket
from typing import Any

from facegrab.errors import DeviceError, FaceGrabError
from facegrab.settings import AUTO

CONNECT_SECONDS = 5.0
"""For the cluster to answer; Ray itself tries for minutes."""


def load_ray() -> Any:
    """Ray.

    Raises:
        DeviceError: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise DeviceError(
            f"--engine ray needs Ray ({error}): pip install 'facegrab[ray]'"
        ) from error
    return ray


def connect(ray: Any, address: str) -> bool:
    """Joins a cluster.

    Args:
        ray: that does it.
        address: HOST:PORT, or AUTO: the one that this machine is part of.

    Returns:
        whether this process was not part of it before.

    Raises:
        DeviceError: there is no cluster, or it is of another version.
    """
    if ray.is_initialized():
        return False
    if address != AUTO:
        _require_answer(address)
    try:
        ray.init(
            address=address, log_to_driver=False, logging_level=logging.ERROR,
            configure_logging=False,
        )  # fmt: skip
    except ConnectionError as error:
        raise DeviceError(_no_cluster(address)) from error
    except (RuntimeError, ValueError, OSError) as error:
        said = " ".join(str(error).split())
        if "ersion mismatch" in said:
            raise DeviceError(
                f"the Ray cluster is of another version than this machine: {said}"
            ) from error
        raise DeviceError(f"{_no_cluster(address)} ({said})") from error
    return True


def require_room(ray: Any, error: Exception, host: str) -> None:
    """Lets all errors pass but those by which a node has no room for what its workers see.

    Args:
        ray: that raised it.
        error: in place of what was seen.
        host: the node; empty if it is not known.

    Raises:
        DeviceError: it is one of them; no segment is to blame for it.
    """
    kinds = ray.exceptions
    if isinstance(error, (kinds.ObjectStoreFullError, kinds.OutOfDiskError)):
        raise DeviceError(
            f"{f'node {host}' if host else 'a node'} has no room for what its workers see: Ray's "
            "object store and the disk it goes on to are full; make room there (ray memory and df "
            "show what fills them), and run the same command again; it goes on where it stopped"
        ) from error


def gone_for(error: Exception) -> FaceGrabError:
    """What is told to whoever waits when an error has ended the work with a cluster.

    Args:
        error: that did.
    """
    if isinstance(error, FaceGrabError):
        return error
    said = " ".join(str(error).split())[:300]
    return DeviceError(
        f"the Ray cluster is gone ({said}): run the same command again when it is back; it goes on "
        "where it stopped"
    )


def _no_cluster(address: str) -> str:
    if address == AUTO:
        return (
            "this machine is part of no Ray cluster: ray start --head begins one, ray start "
            "--address HOST:PORT joins one"
        )
    return f"no Ray cluster answers at {address}: is it HOST:PORT as ray start --head says?"


def _require_answer(address: str) -> None:
    """Raises DeviceError: nobody listens there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError, ValueError) as error:
        raise DeviceError(f"{_no_cluster(address)} ({error})") from error
