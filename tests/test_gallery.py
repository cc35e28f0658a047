"""The gallery: the same tests over Qdrant Edge, the client's memory mode, and a server on this machine."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from gallery_stub import Stub

from engine.errors import SightlineError
from engine.inspection.gallery import (
    BATCH,
    DEFECT,
    EMBEDDINGS,
    WHOLE,
    Case,
    Filter,
    case_id,
    filling,
    new_case,
    open_gallery,
    opening,
)
from engine.job import Notice, Progress, drive

LENGTHS = {"whole": 24, "defect": 16}
KINDS = ("good", "crack", "hole", "uneven")
ORIGIN = datetime(2026, 11, 1, 12, tzinfo=UTC)


def unit(rng, n):
    vector = rng.normal(size=n).astype(np.float32)
    return vector / np.linalg.norm(vector)


def case(i: int, **changes) -> Case:
    rng = np.random.default_rng(i)
    made = Case(
        path=f"/pictures/{i:04d}.png",
        model="tiles" if i % 5 else "older",
        category=("tile", "leather", "grid")[i % 3],
        kind=KINDS[i % 4],
        score=(i * 37 % 101) / 100,
        threshold=0.5,
        width=640 + i,
        height=480,
        date=(ORIGIN + timedelta(hours=i)).isoformat(),
        whole=unit(rng, LENGTHS["whole"]),
        defect=unit(rng, LENGTHS["defect"]),
    )
    return replace(made, **changes)


CASES = [case(i) for i in range(300)]


@pytest.fixture(params=["edge", "memory", "server"])
def address(request, tmp_path):
    if request.param == "edge":
        yield tmp_path / "gallery"
    elif request.param == "memory":
        yield ":memory:"
    else:
        stub = Stub(key="open sesame")
        yield stub.url
        stub.close()


@pytest.fixture
def gallery(address):
    with open_gallery(address, "open sesame", lengths=LENGTHS) as opened:
        yield opened


@pytest.fixture
def full(gallery):
    assert gallery.add(CASES) == len(CASES)
    return gallery


def by_hand(vector, embedding, cases, top):
    cosines = np.array([getattr(one, embedding) @ vector for one in cases])
    return [(cases[at].id, cosines[at]) for at in np.argsort(-cosines)[:top]]


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_the_most_similar_come_first(full, embedding):
    vector = unit(np.random.default_rng(1000), LENGTHS[embedding])
    # longer than 1: only the direction counts
    found = full.similar(3 * vector, embedding, top=7)
    wanted = by_hand(vector, embedding, CASES, 7)
    assert [one.case.id for one in found] == [id_ for id_, _ in wanted]
    assert [one.similarity for one in found] == pytest.approx([cosine for _, cosine in wanted], abs=1e-5)
    assert [one.rank for one in found] == [1, 2, 3, 4, 5, 6, 7]
    assert all(one.case.whole is None and one.case.defect is None for one in found)


def test_a_case_finds_itself_unless_left_out(full):
    asked = CASES[42]
    found = full.similar(asked.defect, top=5)
    assert found[0].case == asked
    assert found[0].similarity == pytest.approx(1, abs=1e-5)
    assert -1 <= found[-1].similarity <= found[0].similarity <= 1
    rest = full.similar(asked.defect, top=4, where=Filter(exclude=(asked.id,)))
    assert [one.case for one in rest] == [one.case for one in found[1:]]


FILTERS = {
    "category": (Filter(category="tile"), lambda c: c.category == "tile"),
    "kinds": (Filter(kinds=("crack", "hole")), lambda c: c.kind in ("crack", "hole")),
    "one kind": (Filter(kinds=("good",)), lambda c: c.kind == "good"),
    "defects": (Filter(not_kinds=("good",)), lambda c: c.abnormal),
    "lowest": (Filter(lowest=0.37), lambda c: c.score >= 0.37),
    "highest": (Filter(highest=0.37), lambda c: c.score <= 0.37),
    "score": (Filter(lowest=0.37, highest=0.74), lambda c: 0.37 <= c.score <= 0.74),
    "since": (Filter(since=CASES[100].date), lambda c: c.date >= CASES[100].date),
    "until": (Filter(until=CASES[100].date), lambda c: c.date <= CASES[100].date),
    "both": (
        Filter(since=CASES[50].date, until=CASES[60].date),
        lambda c: CASES[50].date <= c.date <= CASES[60].date,
    ),
    "model": (Filter(model="older"), lambda c: c.model == "older"),
    "ids": (Filter(exclude=(CASES[0].id, CASES[7].id)), lambda c: c.id not in (CASES[0].id, CASES[7].id)),
    "paths": (Filter(exclude_paths=(CASES[3].path,)), lambda c: c.path != CASES[3].path),
    "all": (
        Filter("tile", ("crack", "hole"), ("hole",), 0.1, 0.9, CASES[20].date, CASES[250].date, "tiles"),
        lambda c: (
            c.category == "tile"
            and c.kind == "crack"
            and 0.1 <= c.score <= 0.9
            and CASES[20].date <= c.date <= CASES[250].date
            and c.model == "tiles"
        ),
    ),
    "none": (Filter(category="velvet"), lambda _: False),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters(full, name):
    where, holds = FILTERS[name]
    wanted = [one for one in CASES if holds(one)]
    assert full.count(where) == len(wanted)
    vector = unit(np.random.default_rng(2), LENGTHS[DEFECT])
    assert [one.case.id for one in full.similar(vector, top=6, where=where)] == [
        id_ for id_, _ in by_hand(vector, DEFECT, wanted, 6)
    ]
    assert {one.id for one in full.cases(where, limit=1000)[0]} == {one.id for one in wanted}
    assert full.kinds(where) == {k: n for k in KINDS if (n := sum(one.kind == k for one in wanted))}


def test_a_day_alone_is_all_of_it(gallery):
    moments = [datetime(2026, 11, d, h, m).astimezone() for d, h, m in ((4, 23, 59), (5, 0, 0), (5, 23, 59), (6, 0, 0))]
    gallery.add([case(i, date=at.isoformat()) for i, at in enumerate(moments)])
    assert [gallery.count(Filter(since=day, until=day)) for day in ("2026-11-04", "2026-11-05", "2026-11-06")] == [
        1,
        2,
        1,
    ]
    with pytest.raises(SightlineError, match=r"“yesterday” is no date"):
        gallery.count(Filter(since="yesterday"))


def test_counts(full):
    assert list(full.kinds()) == ["good", "crack", "hole", "uneven"]
    assert full.kinds() == dict.fromkeys(KINDS, 75)
    assert full.categories() == {"grid": 100, "leather": 100, "tile": 100}
    assert full.models() == {"older": 60, "tiles": 240}
    assert full.count() == 300


def test_pages_show_every_case_once(full):
    seen, after, pages = [], "", 0
    while True:
        page, after = full.cases(limit=70, after=after)
        seen += page
        pages += 1
        if not after:
            break
    assert pages == 5
    assert sorted(one.path for one in seen) == [one.path for one in CASES]
    assert {one.id: one for one in seen} == {one.id: one for one in CASES}


def test_getting_keeps_the_order_and_gives_vectors(full):
    ids = [CASES[9].id, case_id("/nowhere.png", "tiles"), CASES[2].id]
    found = full.get(ids)
    assert found == [CASES[9], CASES[2]]
    assert found[0].whole is None
    for got, put in zip(full.get(ids, vectors=True), (CASES[9], CASES[2]), strict=True):
        assert got.whole.dtype == got.defect.dtype == np.float32
        np.testing.assert_allclose(got.whole, put.whole, atol=1e-6)
        np.testing.assert_allclose(got.defect, put.defect, atol=1e-6)
    assert full.get([]) == full.get([], vectors=True) == full.get(ids[1:2], vectors=True) == []


def test_adding_again_replaces(full):
    again = replace(CASES[5], kind="hole", score=0.99, whole=CASES[6].whole)
    assert full.add([again]) == 1
    assert full.count() == len(CASES)
    (found,) = full.get([again.id], vectors=True)
    assert found == again
    np.testing.assert_allclose(found.whole, CASES[6].whole, atol=1e-6)


def test_of_two_with_one_id_the_later_counts(gallery):
    assert gallery.add([case(1), case(2), case(1, kind="hole")]) == 3
    assert gallery.kinds() == {"hole": 2}
    assert gallery.add([]) == 0


def test_the_same_picture_of_two_models_is_two_cases(gallery):
    gallery.add([case(1, model="one"), case(1, model="two")])
    assert gallery.count() == 2
    assert case(1, model="one").id == case_id(case(1).path, "one")


def test_labelling_and_taking_out(full):
    full.label(CASES[4].id, "uneven")
    assert full.get([CASES[4].id]) == [replace(CASES[4], kind="uneven")]
    assert full.similar(CASES[4].defect, where=Filter(kinds=("uneven",)))[0].case.id == CASES[4].id
    full.remove([CASES[4].id, CASES[8].id, case_id("/nowhere.png", "tiles")])
    full.remove([])
    assert full.count() == len(CASES) - 2
    assert CASES[4].id not in [one.case.id for one in full.similar(CASES[4].defect, top=300)]
    with pytest.raises(SightlineError, match=r"not in the gallery any more: index"):
        full.label(CASES[4].id, "hole")
    full.add([CASES[4]])
    assert full.similar(CASES[4].defect)[0].case == CASES[4]


def test_an_empty_gallery_answers(gallery):
    assert gallery.similar(CASES[0].defect) == []
    assert (gallery.count(), gallery.kinds(), gallery.cases()) == (0, {}, ([], ""))
    assert gallery.lengths == LENGTHS


def test_vectors_of_another_length(full):
    with pytest.raises(SightlineError, match=r"compares 16 numbers, but the model makes 24: open the model that"):
        full.similar(CASES[0].whole, DEFECT)
    with pytest.raises(SightlineError, match=r"compares 24 numbers, but the model makes 8"):
        full.add([case(900), case(901, whole=np.ones(8, np.float32))])
    for wrong in (np.zeros(16, np.float32), np.full(16, np.nan, np.float32), np.full(16, np.inf, np.float32), None):
        with pytest.raises(ValueError, match="defect"):
            full.add([case(900), case(901, defect=wrong)])
    with pytest.raises(ValueError, match="score nan"):
        full.add([case(900), case(901, score=float("nan"))])
    with pytest.raises(ValueError, match="embedding"):
        full.similar(CASES[0].whole, "hole")
    # nothing of a batch with a mistake is in
    assert full.count() == len(CASES)


def test_threads_wait_for_each_other(full):
    wrong = []

    def ask(start: int) -> None:
        for i in range(start, start + 20):
            if full.similar(CASES[i].defect, top=1)[0].case.path != CASES[i].path:
                wrong.append(i)

    def add() -> None:
        for i in range(1000, 1100, 10):
            full.add([case(j) for j in range(i, i + 10)])

    threads = [threading.Thread(target=ask, args=(i,)) for i in (0, 100)] + [threading.Thread(target=add)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert full.count() == len(CASES) + 100


def test_closing_twice_is_harmless(gallery):
    gallery.close()
    gallery.close()
    with pytest.raises(ValueError, match="closed"):
        gallery.count()


def test_filling(gallery):
    def found():
        for i in range(BATCH + 20):
            if i == 3:
                yield Notice("one picture was skipped")
            yield case(i)

    events = []
    assert drive(filling(gallery, found(), BATCH + 21), events.append) == BATCH + 20
    assert gallery.count() == BATCH + 20
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.text for event in events if isinstance(event, Notice)] == ["one picture was skipped"]
    assert (progress[0].done, progress[-1].done, progress[-1].total) == (0, BATCH + 21, BATCH + 21)
    assert progress[1].left_s > progress[-1].left_s == 0
    assert progress[-1].unit == "pictures"


def test_filling_stopped_keeps_whole_batches(gallery):
    closed = []

    def found():
        try:
            for i in range(10 * BATCH):
                yield case(i)
        finally:
            closed.append(True)

    job = filling(gallery, found(), 10 * BATCH)
    while next(job).done < 2 * BATCH:
        pass
    job.close()
    assert closed == [True]
    assert gallery.count() == 2 * BATCH
    assert drive(filling(gallery, [])) == 0
    # the same pictures again: nothing doubles
    drive(filling(gallery, found()))
    assert gallery.count() == 10 * BATCH


def test_a_case_of_a_file(tmp_path, monkeypatch):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    given = {"category": "tile", "kind": "good", "score": 0.2, "threshold": 0.5, "size": (30, 20)}
    vectors = {"whole": CASES[0].whole, "defect": CASES[0].defect}
    made = new_case("sub/../a.png", "tiles", **given, **vectors)
    assert made.path == str(picture)
    assert made.id == case_id("a.png", "tiles") == new_case(picture, "tiles", **given, **vectors).id
    assert made.id != case_id("a.png", "other")
    assert (made.width, made.height, made.abnormal) == (30, 20, False)
    when = datetime.fromisoformat(made.date)
    assert when.utcoffset() == timedelta(0)
    assert when.timestamp() == int(picture.stat().st_mtime)
    assert new_case(tmp_path / "gone.png", "tiles", **given, **vectors).date


def test_opening_is_a_job(address):
    events = []
    gallery = drive(opening(address, "open sesame", lengths=LENGTHS), events.append)
    with gallery:
        assert gallery.count() == 0
    assert all(event == Progress("Opening the gallery") for event in events)


def test_a_gallery_that_is_not_there(address):
    with pytest.raises(SightlineError, match=r"There is no gallery .*: index pictures into it first"):
        open_gallery(address, "open sesame")


@pytest.mark.parametrize("text", ["", "ftp://a/b", "http://", "http://a:b", "https:///x"])
def test_what_is_no_address(text):
    with pytest.raises(SightlineError, match=r"is no (gallery|address of a server): "):
        open_gallery(text, lengths=LENGTHS)


@pytest.mark.parametrize("lengths", [{"whole": 3}, {"whole": 3, "defect": 0}, {"whole": 3, "defect": 3, "more": 3}])
def test_lengths_must_be_of_both_vectors(lengths):
    with pytest.raises(ValueError, match="lengths"):
        open_gallery(":memory:", lengths=lengths)


def test_both_stores_answer_alike(tmp_path):
    rng = np.random.default_rng(5)
    with (
        open_gallery(tmp_path / "g", lengths=LENGTHS) as edge,
        open_gallery(":memory:", lengths=LENGTHS) as memory,
    ):
        for store in (edge, memory):
            store.add(CASES[:200])
            store.remove([one.id for one in CASES[20:60]])
            store.add(CASES[40:300])
            store.label(CASES[50].id, "hole")
        for embedding in (WHOLE, DEFECT):
            for where in (None, *(where for where, _ in FILTERS.values())):
                vector = unit(rng, LENGTHS[embedding])
                one, other = (store.similar(vector, embedding, 20, where) for store in (edge, memory))
                assert [n.case for n in one] == [n.case for n in other]
                assert [n.similarity for n in one] == pytest.approx([n.similarity for n in other], abs=1e-5)
        assert edge.kinds() == memory.kinds()
