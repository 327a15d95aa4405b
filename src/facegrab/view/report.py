"""The report: pages about a folder of extracts that open from disk, in any browser, for ever.

Pages are whole or not there, as all that FaceGrab writes, and the same for the same folder.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from facegrab.errors import OutputError
from facegrab.store.files import atomic, printable, writing
from facegrab.store.findings import Findings
from facegrab.summary import Summary
from facegrab.view import told
from facegrab.view.content import contents
from facegrab.view.parts import Content

PAGE_NAME = "index.html"
MARK = "<!-- facegrab report -->"
"""Stands in the head of every page of ours: others are not touched."""

_HEAD_BYTES = 200
_TEMPLATES = "view/templates"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        path: of the first page.
        pages: how many there are.
        extracts: faces that they show.
    """

    path: Path
    pages: int
    extracts: int


def write_report(
    folder: Path, page: Path | None = None, *, embed: bool = False, summary: Summary | None = None
) -> Written:
    """Writes the report about a folder; pages that an earlier one had more are removed.

    Args:
        folder: that a run wrote.
        page: the first page, others lie beside it; by default index.html in the folder.
        embed: one page that holds small copies of all extracts, so that it can be sent.
        summary: of the run that has just ended; by default that of the last one.

    Raises:
        MissingError, StoreError: the folder holds no answers, or they cannot be read.
        OutputError, AccessError: the page cannot be written, or is somebody else's.
    """
    target = folder / PAGE_NAME if page is None else page
    _check(target)
    with Findings(folder) as findings:
        if summary is not None:
            findings.tell(told.NAME, told.to_json(summary))
        kept = findings.told(told.NAME) if summary is None else told.to_json(summary)
        written = Written(target, 0, 0)
        for content in contents(findings, folder, target, told.of_json(kept), embed=embed):
            _check(content.path)
            with atomic(content.path) as part:
                part.write_text(render(content), encoding="utf-8", newline="\n")
            written = Written(target, content.number, content.extracts)
    _remove_after(target, written.pages)
    return written


def renew_report(folder: Path) -> None:
    """Writes a folder's report anew, if it has one, after something in it was changed.

    Raises:
        MissingError, StoreError, OutputError, AccessError: see write_report.
    """
    target = folder / PAGE_NAME
    try:
        _check(target)
    except OutputError:  # somebody else's
        return
    if target.exists():
        write_report(folder)


def render(content: Content) -> str:
    """A page."""
    return str(_template().render(page=content, mark=Markup(MARK)))


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("facegrab", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _text("report.css"), _text("report.js")
    # Should a name ever get through, no script but ours runs.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"script-src 'sha256-{digest}'; connect-src 'none'; object-src 'none';"
    environment.globals.update(
        style=Markup(style), script=Markup(script), policy=f"{policy} base-uri 'none'"
    )
    return environment.get_template("report.html")


def _shown(value: Any) -> Any:
    """Whatever a page says, file names too, without marks that turn the direction of writing."""
    return printable(value) if type(value) is str else value


def _text(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _check(path: Path) -> None:
    """A page that somebody else made stays.

    Raises:
        OutputError: there is one.
    """
    with writing(path):
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
        except FileNotFoundError:
            return
    if MARK.encode() not in head:
        raise OutputError(
            f"{path} is not FaceGrab's, so it stays: facegrab report FOLDER -o FILE.html writes "
            "the report elsewhere"
        )


def _remove_after(target: Path, count: int) -> None:
    """Removes pages of a report that had more."""
    number = re.compile(re.escape(target.stem) + r"-(\d{1,6})" + re.escape(target.suffix))
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            found = number.fullmatch(entry.name)
            if found and int(found[1]) > count:
                with suppress(OSError, OutputError):
                    _check(Path(entry.path))
                    Path(entry.path).unlink()
