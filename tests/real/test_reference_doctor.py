"""The reference doctor with real networks on photographs of ten people, mixed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clips import shared_media

from facegrab import cli

pytestmark = pytest.mark.real


@pytest.fixture
def people() -> list[list[Path]]:
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    folders = sorted((media / "people" / "lfw10x10").iterdir())
    return [sorted(folder.glob("*.jpg")) for folder in folders]


@pytest.mark.parametrize("person", [0, 3, 8])
def test_one_among_strangers_and_half_as_many_of_another(
    people: list[list[Path]], person: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten of one, nine of another, one of each of the rest: more strangers than pictures of him."""
    own = people[person]
    others = people[person - 1][:9] + [each[person] for each in people[: person - 1]]
    assert cli.main(["refs", "--json", *map(str, [*own, *others])]) == 0
    found = json.loads(capsys.readouterr().out)["pictures"]
    kept = {each["name"] for each in found if each["verdict"] == "kept"}
    assert kept <= set(map(str, own))
    assert len(kept) >= 9


def test_two_of_equal_numbers(
    people: list[list[Path]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    both = [*people[2][:5], *people[8][:5]]
    clean = tmp_path / "clean.npz"
    assert cli.main(["refs", *map(str, both), "--fix", str(clean)]) == 1
    said = capsys.readouterr().err
    assert all(path.name in said for path in both)
    assert not clean.exists()
