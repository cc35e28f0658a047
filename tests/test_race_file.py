"""A race is shared as one string and kept as one file; reopened and raced again it repeats bit for bit."""

import io
import pickle
import zipfile
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from problems_drawn import Logistic, Quadratic

from engine.errors import SightlineError
from engine.job import drive
from engine.knobs import Cell
from engine.learning.problems import KINDS
from engine.learning.race_file import kept_race, open_race, replayed, save_race
from engine.learning.race_text import (
    RaceSetup,
    parse_contender,
    parse_race,
    text_of_contender,
    text_of_race,
)
from engine.learning.setup import ProblemSetup
from engine.optimizers.contenders import Contender, parse_contenders, parse_schedule
from engine.optimizers.race import Chunk, RaceKnobs, race
from engine.optimizers.record import Record
from engine.optimizers.rules import RULES
from engine.optimizers.run import Edit
from engine.optimizers.schedules import SCHEDULES
from engine.optimizers.wrappers import Wraps

torch = pytest.importorskip("torch")


def setup_of(*contenders, problem=None):
    return RaceSetup(problem or ProblemSetup(), contenders, 200, 3)


# -- the text


@pytest.mark.parametrize("key", RULES)
def test_every_rule_comes_back_from_its_text(key):
    knobs = RULES[key].knobs()
    turned = replace(knobs, **{name: getattr(knobs, name) * 0.7 for name in ("lr", "eps") if hasattr(knobs, name)})
    wraps = Wraps() if RULES[key].searches else Wraps(clip=1.5, decay=0.01, average=0.25)
    batch = "all" if RULES[key].searches else 17
    one = Contender(key, turned, parse_schedule("cosine:warmup=7"), batch, 2**60 + 1, wraps, "Größe & Co = 1+1, ½", 4)
    assert parse_contender(text_of_contender(one)) == one
    assert parse_race(text_of_race(setup_of(one, Contender(key)))) == setup_of(one, Contender(key))


@pytest.mark.parametrize("key", SCHEDULES)
def test_every_schedule_comes_back_from_its_text(key):
    one = Contender("sgd", schedule=parse_schedule(f"{key}:warmup=3:floor=0.001"))
    assert parse_race(text_of_race(setup_of(one))).contenders == (one,)


@pytest.mark.parametrize("key", KINDS)
def test_every_problem_comes_back_from_its_text(key):
    problem = ProblemSetup(key, data="my data/clicks.csv", label="Clicked on Ad", hidden=(8, 4), noise=0.25, seed=3)
    made = setup_of(Contender("adam"), Contender("sgd", seed=3, batch=8), problem=problem)
    assert parse_race(text_of_race(made)) == made


def test_line_breaks_of_a_mail_do_no_harm():
    text = text_of_race(setup_of(Contender("adam", name="With a name")))
    assert parse_race(f"  {text[:40]}\r\n  {text[40:]}\n") == parse_race(text)


def test_a_text_is_short_and_plain():
    text = text_of_race(setup_of(Contender("adam", batch=32), problem=ProblemSetup("logistic", data="moons")))
    assert text == "sightline:race?problem=logistic&data=moons&steps=200&replicates=3&rule=adam:batch=32&end=1"


WHOLE = text_of_race(setup_of(Contender("adam", name="A", colour=2, seed=5)))


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "sightline:race?", "sightline:race?end=1", WHOLE[:-1], WHOLE[:-7], WHOLE[:60],
        WHOLE.replace("adam", "eve"), WHOLE.replace("problem=logistic", "problem=chess"),
        WHOLE.replace("steps=200", "steps=0"), WHOLE.replace("steps=200", "steps=1e9"),
        WHOLE.replace("replicates=3", "replicates=" + "9" * 5000), WHOLE.replace("seed=5", "seed=-1"),
        WHOLE.replace("seed=5", "seed=5&seed=6"), WHOLE.replace("seed=5", "sneed=5"),
        WHOLE.replace("rule=", "rule=sgd,"), WHOLE.replace("seed=5", "around=clip=x"),
        WHOLE.replace("seed=5", "around=clop=1"), WHOLE.replace("seed=5", "schedule=sine"),
        WHOLE.replace("name=A", "name=%ff"), WHOLE.replace("batch=all", "batch=0"),
        "sightline:race?" + "&" * 100 + "end=1",
        WHOLE.replace("&rule", "&color=1&rule"), WHOLE.replace("&end", ":lr=0&end").replace("colour=2", "rule=sgd"),
    ],
)  # fmt: skip
def test_a_broken_text_is_one_sentence(text):
    with pytest.raises(SightlineError) as told:
        parse_race(text)
    said = str(told.value)
    assert said.endswith((".", "?"))
    assert len(said) < 600
    assert "\n" not in said


# -- the file


class Raced:
    """A race that has ended, its curves, and where it went."""

    def __init__(self, problem, contenders=(), steps=200, replicates=3, cell=None, heed=None, runs=()):
        self.records = {}
        self.theta = {}

        def see(event):
            if isinstance(event, Chunk):
                self.records.setdefault(event.contender, Record()).append(event.trace)
                self.theta[event.contender] = event.theta
                if heed is not None:
                    heed(event)

        self.result = drive(race(problem, contenders, steps, replicates, cell, runs), see)
        self.runs = self.result.runs

    def kept(self, setup=None):
        return kept_race(setup or ProblemSetup(), self.runs, [self.records[k] for k in sorted(self.records)])


def same_curves(one, other):
    assert one.first == other.first
    assert one.diverged == other.diverged
    for name in set(Record.NAMES) - {"seconds"}:
        assert np.array_equal(one.series(name), other.series(name), equal_nan=True), name
    assert [full.step for full in one.fulls] == [full.step for full in other.fulls]
    for a, b in zip(one.fulls, other.fulls, strict=True):
        assert np.array_equal(a.train, b.train, equal_nan=True)


def kept_and_opened(kept, path):
    assert drive(save_race(path, kept)) == path
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    return drive(open_race(path))


RULES_TEXT = "sgd:lr=0.1,adam:lr=0.05:batch=16,nadam:batch=7:average=0.3,lbfgs,momentum:lr=1000000000:batch=32"


def test_what_was_kept_is_what_is_opened(tmp_path):
    raced = Raced(Logistic(rows=70), parse_contenders(RULES_TEXT, parse_schedule("cosine:warmup=5"), 32))
    setup = ProblemSetup("logistic", data="moons", seed=4)
    kept = raced.kept(setup)
    opened = kept_and_opened(kept, tmp_path / "mine.race")
    assert opened.setup == kept.setup
    assert opened.setup.problem == setup
    assert opened.made == kept.made
    for number, (one, other) in enumerate(zip(opened.runs, kept.runs, strict=True)):
        same_curves(one.record, raced.records[number])
        assert np.array_equal(one.record.series("seconds"), other.record.series("seconds"))
        assert np.array_equal(one.theta, raced.theta[number])
        assert np.array_equal(one.diverged, other.diverged)
        assert (one.history, one.steps, one.step, one.every) == (other.history, other.steps, other.step, other.every)
    assert opened.records[4].diverged == 3


@pytest.mark.parametrize("problem", [Logistic(rows=70), Quadratic(noise=0.2)], ids=["data", "noise"])
def test_raced_again_with_its_seeds_it_repeats_bit_for_bit(tmp_path, problem):
    contenders = parse_contenders("sgd:lr=0.01,adam:batch=16,lion:batch=9:seed=3", parse_schedule("linear"))
    raced = Raced(problem, contenders)
    opened = kept_and_opened(raced.kept(), tmp_path / "a.race")
    again = Raced(problem, runs=replayed(opened, problem))
    for number, run in enumerate(opened.runs):
        same_curves(run.record, again.records[number])
        assert np.array_equal(run.theta, again.theta[number])


def test_what_was_changed_on_the_way_is_changed_again(tmp_path):
    problem = Logistic(rows=70)
    contenders = parse_contenders("sgd:lr=0.1,adam:lr=0.05", batch=16)
    cell = Cell(RaceKnobs(until=60))
    others = parse_contenders("sgd:lr=0.4:clip=1,momentum:lr=0.05:batch=8")

    def turn(event):
        knobs = cell.value
        if event.contender == 1 and event.trace.first + event.trace.losses.shape[1] == 60:
            edits = ((0, Edit(2, 5.0, 1)), (1, Edit(0, -3.0)))
            cell.value = replace(knobs, contenders=others, edits=edits, until=None)

    raced = Raced(problem, contenders, cell=cell, heed=turn)
    assert [len(run.history) for run in raced.runs] == [3, 3]
    kept = raced.kept()
    assert kept.setup.contenders == contenders
    opened = kept_and_opened(kept, tmp_path / "a.race")
    assert opened.runs[1].contender == others[1]
    again = Raced(problem, runs=replayed(opened, problem))
    for number, run in enumerate(opened.runs):
        assert again.runs[number].history == list(run.history)
        same_curves(run.record, again.records[number])
        assert np.array_equal(run.theta, again.theta[number])
    unchanged = Raced(problem, contenders)
    assert not np.array_equal(unchanged.theta[0], again.theta[0])


def test_a_fork_is_kept_with_what_went_before(tmp_path):
    problem = Logistic(rows=70)
    raced = Raced(problem, parse_contenders("adam:batch=16"))
    fork = drive(raced.runs[0].fork(120, parse_contenders("adam:lr=0.1:batch=16")[0]))
    forked = Raced(problem, runs=[fork])
    assert forked.records[0].first == 120
    opened = kept_and_opened(forked.kept(), tmp_path / "a.race")
    again = Raced(problem, runs=replayed(opened, problem))
    assert np.array_equal(again.records[0].series("loss")[120:], opened.records[0].series("loss"))
    assert np.array_equal(again.theta[0], opened.runs[0].theta)


def test_half_a_race_goes_on_as_the_whole_one_did(tmp_path):
    problem = Logistic(rows=70)
    whole = Raced(problem, parse_contenders("adam:batch=16"))
    half = drive(whole.runs[0].fork(80))
    record = Record()
    record.append(replace_first(whole.records[0], 80))
    opened = kept_and_opened(kept_race(ProblemSetup(), [half], [record]), tmp_path / "a.race")
    assert (opened.runs[0].step, len(opened.records[0])) == (80, 80)
    again = Raced(problem, runs=replayed(opened, problem))
    assert np.array_equal(again.theta[0], whole.theta[0])


def replace_first(record, count):
    """The first steps of a record as a trace of one replicate."""
    from engine.optimizers.record import Trace

    part = {name: record.series(name)[:count] for name in Record.NAMES}
    return Trace(
        0, part["loss"][None], part["norm"][None], None, part["rate"], part["evaluations"], part["seconds"], None, (), 0
    )


def test_arrays_of_the_page_are_kept_beside(tmp_path):
    raced = Raced(Quadratic(), parse_contenders("sgd:lr=0.01"), steps=20)
    path = np.arange(20.0 * 3 * 2).reshape(20, 3, 2)
    kept = kept_race(ProblemSetup(), raced.runs, [raced.records[0]], [{"path": path}])
    opened = kept_and_opened(kept, tmp_path / "a.race")
    assert np.array_equal(opened.runs[0].extras["path"], path)
    assert np.array_equal(np.load(tmp_path / "a.race", allow_pickle=False)["0/extra_path"], path)


def test_other_data_are_noticed(tmp_path):
    raced = Raced(Logistic(rows=70), parse_contenders("sgd:lr=0.1"), steps=20)
    kept = raced.kept()
    for other in (Logistic(rows=69), Quadratic(), Logistic(rows=70, seed=9)):
        with pytest.raises(SightlineError, match="data of this race have changed"):
            replayed(kept, other)


def test_a_stopped_saving_leaves_what_was_there(tmp_path):
    raced = Raced(Quadratic(), parse_contenders("sgd:lr=0.01"), steps=20)
    path = tmp_path / "a.race"
    path.write_bytes(b"old")
    with closing(save_race(path, raced.kept())) as job:
        next(job)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
    assert drive(save_race(tmp_path / "b.1", raced.kept())) == tmp_path / "b.1.race"
    with pytest.raises(SightlineError, match="cannot be written"):
        drive(save_race(tmp_path / "nowhere" / "a", raced.kept()))


# -- files that are not to be trusted


class Bang:
    """Would be noticed if a pickle of it were opened."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    raced = Raced(Quadratic(), parse_contenders("sgd:lr=0.01,adam"), steps=20)
    path = tmp_path_factory.mktemp("good") / "good.race"
    drive(save_race(path, raced.kept()))
    with zipfile.ZipFile(path) as file:
        return path.read_bytes(), {name: file.read(name) for name in file.namelist()}


def zipped(entries, kind=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", kind) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return made.getvalue()


def npy(array):
    made = io.BytesIO()
    np.save(made, array, allow_pickle=True)
    return made.getvalue()


def header(shape):
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return made.getvalue()


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(SightlineError) as told:
        drive(open_race(path))
    assert str(told.value).endswith(".")
    assert "\n" not in str(told.value)
    return str(told.value)


def test_a_file_cut_off_anywhere_is_one_sentence(tmp_path, good):
    whole, _ = good
    for length in (0, 1, 30, len(whole) // 2, len(whole) - 40, len(whole) - 1):
        refused(tmp_path / "a.race", whole[:length])


def test_a_turned_byte_is_noticed(tmp_path, good):
    whole, _ = good
    for at in range(60, len(whole) - 200, len(whole) // 12):
        turned = bytearray(whole)
        turned[at] ^= 0x55
        path = tmp_path / "a.race"
        path.write_bytes(turned)
        try:
            drive(open_race(path))
        except SightlineError:
            continue
        with zipfile.ZipFile(path) as file:
            assert file.testzip() is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("0/loss.npy", npy(np.array([Bang()], dtype=object))),
        ("0/theta.npy", pickle.dumps(Bang())),
        ("0/loss.npy", header((10**12,)) + b"\0" * 160),
        ("0/loss.npy", header((3, 10**9)) + b"\0" * 160),
        ("0/loss.npy", npy(np.zeros(20, np.float32))),
        ("0/loss.npy", npy(np.zeros(21))),
        ("0/loss.npy", npy(np.zeros((20, 1)))),
        ("0/norm.npy", npy(np.zeros(7))),
        ("0/theta.npy", npy(np.zeros(3))),
        ("0/diverged.npy", npy(np.full(3, np.nan))),
        ("0/diverged.npy", npy(np.zeros(4))),
        ("0/full_train.npy", npy(np.zeros((1, 1)))),
        ("race.json", b"{}"),
        ("race.json", b"[" * 100_000),
        ("race.json", b"\xff\xfe"),
    ],
)
def test_an_entry_that_cannot_be_is_one_sentence_and_nothing_runs(tmp_path, good, name, data):
    refused(tmp_path / "a.race", zipped({**good[1], name: data}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"format": 1', '"format": 2'), ('"steps": 20', '"steps": 10'), ('"steps": 20', '"steps": -1'),
        ('"step": 20', '"step": "20"'), ('"every": null', '"every": 0'), ("rule=sgd", "rule=eve"),
        ('"first": 0', '"first": 5'), ('"rows": 0', '"rows": 1e400'), ("[[0, ", "[[1, "), ("sightline:race?", ""),
        ('"settings"', '"edit"'), ('"loss"', '"lost"'), ('"made": "2', '"made": "x'),
    ],
)  # fmt: skip
def test_a_head_that_cannot_be_is_one_sentence(tmp_path, good, old, new):
    head = good[1]["race.json"].decode()
    assert old in head
    refused(tmp_path / "a.race", zipped({**good[1], "race.json": head.replace(old, new)}))


def test_a_zip_bomb_is_not_opened(tmp_path, good):
    packed = zipped({**good[1], "0/loss.npy": npy(np.zeros(10_000_000))}, zipfile.ZIP_DEFLATED)
    assert len(packed) < 1_000_000
    assert "claims to hold more than it weighs" in refused(tmp_path / "a.race", packed)


def test_what_is_no_race_is_told(tmp_path):
    assert "no race" in refused(tmp_path / "a.race", b"hello")
    assert "no race" in refused(tmp_path / "b.race", zipped({"x": b"1"}))
    for path in (tmp_path, tmp_path / "none.race"):
        with pytest.raises(SightlineError, match="There is no file"):
            drive(open_race(path))
