"""The review's pages: who may come in, what they say, and what they refuse."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import query
from reviews import HOSTILE, Reviewer, folder_of, keys_of, reviewed
from studio import COUNT, Studio

from facegrab.cli import main
from facegrab.errors import OutputError
from facegrab.options import FAILED, OK
from facegrab.review_desk import ReviewDesk
from facegrab.store.database import Database
from facegrab.view.guard import HEADERS
from facegrab.view.review_app import MOST_BODY_BYTES

pytestmark = pytest.mark.usefixtures("short_segments")
REFUSED = 403


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """Folders under review are copies of its one."""
    studio = Studio(tmp_path_factory.mktemp("review"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facegrab.media.segments.SEGMENT_SECONDS", 0.15)
        folder_of(studio)
    return studio


@pytest.fixture
def folder(made: Studio, tmp_path: Path) -> Path:
    shutil.copytree(made.home / "out", tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def reviewer(folder: Path) -> Iterator[Reviewer]:
    with reviewed(folder) as (found, _):
        yield found


def answers(folder: Path) -> list[tuple[str, str]]:
    return [(str(said), str(who)) for said, who in query(folder, "SELECT said, person FROM review")]


# Who may come in


@pytest.mark.parametrize("path", ["/say", "/undo", "/apply", "/end"])
@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_page_changes_nothing(
    reviewer: Reviewer, folder: Path, path: str, origin: str | None
) -> None:
    key = reviewer.key()
    answer = reviewer.send(path, origin=origin, said="is", track=key, person="")
    assert answer.status == REFUSED
    assert answers(folder) == []
    assert reviewer.come_back().status == 200  # it was not ended


PATHS = ["/", "/tracks/doubt", "/groups", "/applying", "/review.js", "/htmx.min.js", "/review.css"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_given_to_whoever_has_no_token(reviewer: Reviewer, path: str) -> None:
    assert reviewer.ask(path).status == REFUSED
    assert reviewer.ask(f"{path}?token=wrong").status == REFUSED
    assert reviewer.come_back(path=path, host="evil.example").status == REFUSED
    answer = reviewer.come_back(path=path)
    assert answer.status == 200
    for name, value in HEADERS.items():
        assert answer.headers.get_all(name) == [value]


def test_faces_and_frames_are_given_to_whoever_has_one(reviewer: Reviewer) -> None:
    key = reviewer.key()
    for path in (f"/face/{key}/0", f"/frame/{key}/0", f"/track/{key}"):
        assert reviewer.ask(path).status == REFUSED
        assert reviewer.come_back(path=path).status == 200


# Paths and parameters


@pytest.mark.parametrize(
    "wrong",
    [
        "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "../../facegrab.db",
        "facegrab.db", "0-0-0", "0", "", "%00", "99999999999-0-0", "-1-0-0", "%C2%B2-0-0",
        "0-0-" + "a" * 5000,
    ],
)  # fmt: skip
def test_no_key_leads_anywhere_else(reviewer: Reviewer, folder: Path, wrong: str) -> None:
    for path in (f"/face/{wrong}/0", f"/frame/{wrong}/0", f"/track/{wrong}"):
        answer = reviewer.come_back(path=path)
        assert answer.status in (400, 403, 404, 409)
        assert b"SQLite" not in answer.body
        assert b"root:" not in answer.body
    answer = reviewer.send("/say", said="is", track=wrong, person="")
    assert answer.status in (400, 409)
    assert answers(folder) == []


@pytest.mark.parametrize("number", ["-1", "9", "99999999999999999999", "x", "0%2f..", "1.5", "nan"])
def test_no_number_leads_to_another_face(reviewer: Reviewer, number: str) -> None:
    key = reviewer.key()
    for what in ("face", "frame"):
        answer = reviewer.come_back(path=f"/{what}/{key}/{number}")
        assert answer.status in (404, 422)


@pytest.mark.parametrize("path", ["/tracks/all", "/tracks/..%2f", "/tracks/doubt?page=-1", "/docs"])
def test_there_is_no_other_list(reviewer: Reviewer, path: str) -> None:
    assert reviewer.come_back(path=path).status == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"said": "maybe"}, {"said": ""}, {"said": "apart"}, {"said": "apart", "since": "0"},
        {"said": "apart", "since": "-1"}, {"said": "apart", "since": "9"},
        {"said": "apart", "since": "²"}, {"said": "one"}, {"said": "is", "mine": "1 x"},
        {"said": "is", "other": "../up"}, {"said": "is", "other": "a/b"},
        {"said": "is", "other": "uncertain"}, {"said": "is", "other": "x\u202ey/"},
        {"said": "is", "other": "n" * 500}, {"said": "not", "other": "nobody of this name"},
    ],
)  # fmt: skip
def test_what_no_page_sends_changes_nothing(
    reviewer: Reviewer, folder: Path, fields: dict[str, str]
) -> None:
    sent: dict[str, Any] = {"person": "", "track": reviewer.key(), **fields}
    assert reviewer.send("/say", **sent).status == 400
    assert answers(folder) == []


def test_more_than_any_page_sends_is_not_read(reviewer: Reviewer, folder: Path) -> None:
    assert reviewer.send("/say", body=b"x" * (MOST_BODY_BYTES + 1)).status == 413
    assert reviewer.send("/say", body=b"said=is&" + b"track=&" * 30_000).status == 400
    assert reviewer.send("/say", body=b"said=%ff").status == 400
    assert answers(folder) == []


@pytest.mark.parametrize("back", ["//evil.example", "http://evil.example", "/tracks/../x", "x"])
def test_no_answer_leads_to_another_place(reviewer: Reviewer, back: str) -> None:
    answer = reviewer.send("/say", said="skip", track=reviewer.key(), person="", back=back)
    assert (answer.status, answer.headers["location"]) == (200, None)


def test_a_file_that_the_index_names_outside_of_the_folder_is_not_given(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "sub").symlink_to(tmp_path)
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "link.jpg", "sub/secret.jpg"):
        with Database(folder / "facegrab.db") as database, database.transaction():
            database.execute("UPDATE extract SET file = file || rowid")
            database.execute(
                "UPDATE extract SET file = ? WHERE rowid = (SELECT min(rowid) FROM extract)",
                (name,),
            )
        with reviewed(folder) as (reviewer, _):
            for key in keys_of(reviewer.page("/tracks/kept")):
                assert b"secret" not in reviewer.come_back(path=f"/face/{key}/0").body


# What the pages say and do


def test_a_question_is_answered_and_taken_back(reviewer: Reviewer, folder: Path) -> None:
    first = reviewer.key()
    part = reviewer.says("is", first)
    assert "Kept." in part
    assert "<html" not in part
    assert answers(folder) == [("is", "")]
    assert first not in keys_of(part)
    answer = reviewer.send("/undo", ("HX-Request", "true"), mine="1")
    assert "Taken back." in answer.body.decode()
    assert answers(folder) == []
    assert reviewer.key() == first
    assert reviewer.send("/undo").status == 400


def test_a_tab_takes_back_its_own(reviewer: Reviewer, folder: Path) -> None:
    one, other = keys_of(reviewer.page("/tracks/doubt"))
    mine = re.search(r'name="mine" value="(\d*)"', reviewer.says("skip", one))
    assert mine
    reviewer.says("not", other)
    reviewer.send("/undo", mine=mine[1])
    assert answers(folder) == [("not", "")]


def test_two_tabs_that_answer_the_same_question_lose_nothing(
    reviewer: Reviewer, folder: Path
) -> None:
    key = reviewer.key()
    for said in ("is", "not"):
        assert "Kept." in reviewer.says(said, key)
    assert answers(folder) == [("is", ""), ("not", "")]
    assert key in keys_of(reviewer.page("/tracks/told"))


def test_what_was_answered_is_there_after_a_restart(folder: Path) -> None:
    with reviewed(folder) as (reviewer, _):
        key = reviewer.key()
        reviewer.says("not", key)
    with reviewed(folder) as (reviewer, _):
        assert "1 answer so far" in reviewer.page()
        assert key in keys_of(reviewer.page("/tracks/told"))


def test_any_track_goes_to_any_person_and_a_new_one(reviewer: Reviewer, folder: Path) -> None:
    keys = keys_of(reviewer.page("/tracks/other"))
    answer = reviewer.send(
        "/say", said="is", track=keys, other=" Zoë ", back="/tracks/other?page=0"
    )
    assert (answer.status, answer.headers["location"]) == (303, "/tracks/other?page=0")
    assert answers(folder) == [("is", "Zoë")]
    assert set(keys) <= set(keys_of(reviewer.page("/tracks/told")))
    assert 'value="Zoë"' in reviewer.page("/groups")


def test_a_group_becomes_a_person(reviewer: Reviewer, folder: Path) -> None:
    page = reviewer.page("/groups")
    assert "Those who are nobody" in page
    keys = keys_of(page)
    reviewer.send("/say", said="is", track=keys[:1], other="Zoë")
    assert answers(folder) == [("is", "Zoë")]
    assert keys[0] not in keys_of(reviewer.page("/groups"))


def test_tracks_are_split_and_joined(reviewer: Reviewer, folder: Path) -> None:
    key = reviewer.key("/tracks/other")
    reviewer.send("/say", said="apart", track=key, since="3")
    parts = keys_of(reviewer.page("/tracks/other"))
    assert key not in parts
    assert len(parts) == 3
    assert "by a name" in reviewer.send("/say", said="one", track=parts).body.decode()
    halves = [each for each in parts if each.startswith(key.split("-")[0])]
    assert "Kept" in reviewer.send("/say", said="one", track=halves).body.decode()
    assert answers(folder) == [("apart", ""), ("one", "")]


def test_a_face_without_an_extract_is_cut_out_of_its_frame(
    reviewer: Reviewer, folder: Path
) -> None:
    key = reviewer.key("/tracks/other")
    answer = reviewer.come_back(path=f"/face/{key}/0")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.body.startswith(b"\xff\xd8")


def test_where_the_video_is_gone_there_is_no_frame_and_all_else_goes_on(
    folder: Path, made: Studio
) -> None:
    with Database(folder / "facegrab.db") as database, database.transaction():
        database.execute("UPDATE source SET path = '/gone' || path")
    with reviewed(folder) as (reviewer, _):
        key = reviewer.key()
        assert reviewer.come_back(path=f"/frame/{key}/0").status == 404
        assert reviewer.come_back(path=f"/face/{key}/0").status == 200
        assert "Kept." in reviewer.says("is", key)


def test_what_is_answered_is_applied(folder: Path) -> None:
    with reviewed(folder) as (reviewer, desk):
        for _ in range(2):
            reviewer.says("not", reviewer.key())
        body = reviewer.send("/apply").body.decode()
        assert "Appl" in body or "Source" in body  # done already, or on its way
        desk.close()  # waits
        said = reviewer.page("/applying")
        assert f"0 extracts came, {2 * COUNT + 1} went, {COUNT} are there" in said
        assert "every 1s" not in said
        assert list((folder / "uncertain").glob("*")) == []
        assert reviewer.come_back(path="/").status == 200


def test_what_was_applied_is_told_though_the_report_cannot_be_written(folder: Path) -> None:
    def full() -> None:
        raise OutputError("no space left for index.html")

    desk = ReviewDesk(folder, full)
    question = desk.next()
    assert question
    desk.say("not", "", [question.key], None)
    desk.apply()
    desk.close()
    told = desk.applying()
    assert told
    assert [line.split(":")[0] for line in told.lines] == [
        "Applied",
        "no space left for index.html",
    ]


def test_a_run_in_the_folder_is_told_and_no_answer_is_lost_silently(
    reviewer: Reviewer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facegrab.store.database._WAIT_MS", 0)
    key = reviewer.key()
    with Database(folder / "facegrab.db"):
        answer = reviewer.send("/say", said="is", track=key, person="")
        assert answer.status == 503
        assert b"in use by another run" in answer.body
        assert reviewer.key() == key  # looking goes on
        assert reviewer.come_back(path=f"/frame/{key}/0").status == 200
    assert "Kept." in reviewer.says("is", key)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    name = HOSTILE.replace("/", "")
    out = folder_of(studio, name)
    with Database(out / "facegrab.db") as database, database.transaction():
        database.execute("UPDATE run SET value = value")
    with reviewed(out) as (reviewer, _):
        person = 'O\'Neil & "Söhne" \u202ex'
        key = reviewer.key("/tracks/other")
        reviewer.send("/say", said="is", track=key, other=person)
        pages = "".join(map(reviewer.page, ("/", "/tracks/doubt", "/tracks/told", "/groups")))
        pages += reviewer.page(f"/track/{key}")
    assert "<script>window" not in pages
    assert "<img src=x" not in pages
    assert "&lt;img src=x" in pages
    assert "gnp" in pages
    assert "\u202egnp" not in pages


# The command


def test_the_command_applies_without_a_page(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = ReviewDesk(folder, lambda: None)
    question = desk.next()
    assert question
    desk.say("not", "", [question.key], None)
    assert main(["review", str(folder), "--apply"]) == OK
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Applied: 0 extracts came, ")


def test_the_command_serves_until_it_is_ended(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    told = threading.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        told.set()

    monkeypatch.setattr("facegrab.review_command.say", say)
    codes: list[int] = []
    thread = threading.Thread(
        target=lambda: codes.append(main(["review", str(folder), "--no-browser"]))
    )
    thread.start()
    assert told.wait(60)
    reviewer = Reviewer(said[0].removeprefix("review: "))
    assert reviewer.come_back().status == 200
    assert b"can be closed" in reviewer.send("/end").body
    thread.join(60)
    assert codes == [OK]


def test_a_folder_of_nothing_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", str(tmp_path)]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"facegrab: {tmp_path} holds no index: name a folder that a run wrote"
