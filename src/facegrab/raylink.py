"""The link to a Ray cluster: Ray itself, loaded where it is asked for, and the way in."""

from __future__ import annotations

import logging
import socket
from typing import Any

from facegrab.errors import DeviceError
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
