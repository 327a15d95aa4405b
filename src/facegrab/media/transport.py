"""Parts of files that lie elsewhere: from the web (web.py), or by fsspec from an object store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

from facegrab.address import Address
from facegrab.errors import AccessError, DeviceError, MissingError

TIMEOUT_SECONDS = 30.0
"""Without a byte; then it is tried again."""


class PassingError(Exception):
    """What may go well the next time; the message says why it did not."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at an address.

    Attributes:
        size_bytes: of the file; None: there are only some below it.
    """

    size_bytes: int | None


class Transport(Protocol):
    """A way to what lies elsewhere.

    Every call may raise PassingError, and

        MissingError: there is nothing.
        AccessError: it may not be read.
        MediaError: it cannot be.
    """

    def entry(self, address: Address) -> Entry:
        """What is there."""

    def read(self, address: Address, start: int, length: int) -> bytes:
        """Bytes of a file: all that are asked for."""

    def below(self, address: Address) -> list[str]:
        """The addresses of all files below a folder."""


@cache
def transport_of(scheme: str) -> Transport:
    """The way for a scheme.

    Raises:
        DeviceError: what it needs is not installed.
    """
    if scheme == "s3":
        return ObjectStore()
    from facegrab.media.web import Web  # most runs read files, and do without its 20 ms

    return Web()


class ObjectStore:
    """Buckets of S3 and its like, by s3fs; endpoint and keys are those that the AWS tools use.

    Attributes:
        files: s3fs's idea of all of them.

    Raises:
        DeviceError: it is not installed.
    """

    def __init__(self) -> None:
        try:
            import fsspec
            import s3fs  # noqa: F401 - that it is there
        except ImportError as error:
            raise DeviceError(
                f"s3:// needs s3fs ({error}): pip install 'facegrab[s3]', on every node"
            ) from error
        # Trying again is our own: three that do it one inside the other take an hour to give up.
        seconds = {"connect_timeout": TIMEOUT_SECONDS, "read_timeout": TIMEOUT_SECONDS}
        self.files = fsspec.filesystem(
            "s3",
            config_kwargs={"retries": {"total_max_attempts": 1}, **seconds},
            use_listings_cache=False,
        )
        self.files.retries = 1

    def entry(self, address: Address) -> Entry:
        """See Transport."""
        found = self.call(address, self.files.info)
        return Entry(None if found["type"] == "directory" else int(found["size"]))

    def read(self, address: Address, start: int, length: int) -> bytes:
        """See Transport."""
        asked = partial(self.files.cat_file, start=start, end=start + length)
        data = self.call(address, asked)
        if len(data) != length:
            raise PassingError("the connection was cut")
        return bytes(data)

    def below(self, address: Address) -> list[str]:
        """See Transport."""
        return [f"s3://{each}" for each in self.call(address, self.files.find)]

    def call(self, address: Address, call: Any, doing: str = "read") -> Any:
        """Calls a function of s3fs with what that takes for the address; see Transport.

        Args:
            address: of what.
            call: the function.
            doing: what it does, for messages.
        """
        try:
            return call("/".join(address.parts[1:]))
        except FileNotFoundError as error:
            if "bucket" in str(error).lower():
                bucket = f"s3://{address.parts[1]}"
                raise MissingError(f"no such bucket: {bucket} ({address})") from error
            raise MissingError(f"no such file or folder: {address}") from error
        except PermissionError as error:
            raise AccessError(
                f"no permission to {doing} {address} ({reason(error)}): check the keys"
            ) from error
        except Exception as error:
            if type(error).__name__ in _NO_KEYS:
                raise AccessError(
                    f"no keys for {address}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                    "make a profile with aws configure; for a public bucket, FSSPEC_S3_ANON=true"
                ) from error
            # Whatever else libraries below raise: cut connections, throttling, time-outs.
            raise PassingError(reason(error)) from error


_NO_KEYS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "TokenRetrievalError",
)


def reason(cause: BaseException | str) -> str:
    """What went wrong, in a few words of one line."""
    if isinstance(cause, TimeoutError):
        return "it does not answer"
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(text.split())[:200] or type(cause).__name__
