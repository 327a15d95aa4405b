"""An engine begins while sources are planned, and nothing is made before somebody can look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import painted_eyes

from facegrab import walk
from facegrab.alone import Alone
from facegrab.cataloguing import scan_into
from facegrab.choice import Opener, choice_of
from facegrab.errors import DeviceError, MediaError
from facegrab.media import plan as planning
from facegrab.media.plan import plan
from facegrab.settings import ProcessSettings
from facegrab.summary import Summary
from facegrab.task import Orders

NOBODY = "no worker can start on the Ray cluster: out of memory"


class Starting(Alone):
    """Notes when it is waited for; then nobody can look, where that is said."""

    fails = False

    def __init__(self, orders: Orders, log: list[str]) -> None:
        choice = choice_of(orders.recognition, orders.process, orders.eyes)
        super().__init__(orders, Opener(choice, orders.process, orders.eyes))
        self._log = log

    def ready(self) -> None:
        """See Engine."""
        self._log.append("ready")
        if self.fails:
            raise DeviceError(NOBODY)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run with that engine does, in order."""
    said = list[str]()

    def planned(*arguments: Any) -> Any:
        said.append("plan")
        return plan(*arguments)

    monkeypatch.setattr(walk, "engine_of", lambda orders: Starting(orders, said))
    monkeypatch.setattr(planning, "plan", planned)
    return said


def run(film: Path, index: Path) -> Summary:
    return scan_into(index, film, ProcessSettings(skip_frames=0, scale=0.5), eyes=painted_eyes())


def test_the_source_is_planned_before_anybody_is_waited_for(
    clip: Path, tmp_path: Path, log: list[str]
) -> None:
    assert run(clip, tmp_path / "a.db").faces_found > 0
    assert log == ["plan", "ready"]


def test_nothing_is_made_where_nobody_can_look(
    clip: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Starting, "fails", True)
    with pytest.raises(DeviceError, match=NOBODY):
        run(clip, tmp_path / "a.db")
    assert log == ["plan", "ready"]
    assert not (tmp_path / "a.db").exists()


def test_nobody_is_waited_for_where_there_is_nothing_to_look_at(
    clip: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(clip, tmp_path / "a.db")
    log.clear()
    monkeypatch.setattr(Starting, "fails", True)
    assert run(clip, tmp_path / "a.db").sources_known == 1
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film")
    with pytest.raises(MediaError):
        run(broken, tmp_path / "a.db")
    assert log == []
