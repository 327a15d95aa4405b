"""What commands tell in a terminal: lines, warnings, how far they are."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from facegrab.errors import FaceGrabError
from facegrab.options import FAILED, INTERRUPTED, OK
from facegrab.store.files import printable


def in_one_line(command: Callable[[], int]) -> int:
    """Runs a command; what goes wrong is told in one line.

    Args:
        command: gives its exit code.

    Returns:
        that, FAILED on an error, INTERRUPTED on Ctrl-C.
    """
    try:
        return command()
    except FaceGrabError as error:
        print(f"facegrab: {error}", file=sys.stderr)
        return FAILED
    except MemoryError:
        print("facegrab: out of memory: try a smaller --batch_size or --scale", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("facegrab: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # Whoever reads it has enough: `| head`.
        # Else Python complains once more when it closes its output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


class Progress:
    """One line in a terminal that counts pictures; nothing where the output is a file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int, pictures: int) -> None:
        if self._shown:
            print(f"\r{self._name}: picture {done + 1} of {pictures}", end="", file=sys.stderr)

    def end(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(f"warning: {printable(record.getMessage())}", file=sys.stderr)


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Shows what the library logs."""
    logger, handler = logging.getLogger("facegrab"), _Warnings(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def say(text: str) -> None:
    """Prints a line, whatever the terminal can show and whatever names it holds."""
    encoding = sys.stdout.encoding or "utf-8"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding))
