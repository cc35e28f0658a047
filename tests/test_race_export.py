"""Curves as CSV and as TensorBoard's event files, and the ranking: read back, they are what was raced."""

import csv
import struct
from contextlib import closing

import numpy as np
import pytest
from problems_drawn import Logistic, Quadratic

from engine.errors import SightlineError
from engine.job import Progress, drive
from engine.learning.race_export import Curve, ranking, write_curves, write_events, write_table, write_wide
from engine.optimizers.contenders import parse_contenders
from engine.optimizers.race import Chunk, race
from engine.optimizers.record import Full, Record

pytest.importorskip("torch")
pytest.importorskip("tensorboardX")


def curves_of(problem, text, steps=60, replicates=3, batch="all"):
    contenders = parse_contenders(text, batch=batch)
    records = [Record() for _ in contenders]
    drive(
        race(problem, contenders, steps, replicates),
        lambda event: records[event.contender].append(event.trace) if isinstance(event, Chunk) else None,
    )
    return [Curve(one.name, record, problem.rows) for one, record in zip(contenders, records, strict=True)]


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def long_record(count):
    values = np.linspace(1.0, 0.0, count)
    return Record.restored(0, 0, dict.fromkeys(Record.NAMES, values), [Full(0, np.ones(2), np.full(2, 3.0))])


class Held(Logistic):
    """With rows that are kept aside."""

    def test_value(self, theta):
        return self.value(theta, None) + 1


def test_the_long_table_has_every_number_at_its_step(tmp_path):
    curves = curves_of(Held(rows=70), "sgd:lr=0.1,adam:lr=0.05", batch=16)
    path = tmp_path / "curves.csv"
    assert drive(write_curves(path, curves)) == path
    rows = read(path)
    assert len(rows) == 2 * 61
    for curve in curves:
        own = [row for row in rows if row["contender"] == curve.name]
        record = curve.record
        columns = {"loss": "loss", "error": "loss_standard_error", "norm": "gradient_norm", "rate": "learning_rate",
                   "evaluations": "evaluations", "seconds": "seconds"}  # fmt: skip
        for name, column in columns.items():
            assert [float(row[column]) for row in own[:60]] == record.series(name).tolist()
        assert [int(row["step"]) for row in own] == list(range(61))
        assert [float(row["epoch"]) for row in own[:60]] == record.epochs(70).tolist()
        assert {row["distance_to_minimum"] for row in own} == {""}
        measured = {int(row["step"]): row for row in own if row["objective"]}
        assert sorted(measured) == sorted({full.step for full in record.fulls}) == [*range(0, 60, 5), 60]
        for full in record.fulls:
            assert float(measured[full.step]["objective"]) == pytest.approx(full.train.mean(), rel=1e-14)
            error = full.test.std(ddof=1) / np.sqrt(3)
            assert float(measured[full.step]["test_loss"]) == pytest.approx(full.test.mean(), rel=1e-14)
            assert float(measured[full.step]["test_loss_standard_error"]) == pytest.approx(error, rel=1e-9)
        assert own[-1]["loss"] == ""


def test_the_wide_table_has_a_column_a_contender(tmp_path):
    first, second = curves_of(Quadratic(), "sgd:lr=0.03,sgd:lr=0.01", steps=2500)
    second.record.first = 40
    drive(write_wide(tmp_path / "wide.csv", [first, second]))
    rows = read(tmp_path / "wide.csv")
    assert list(rows[0]) == ["step", "SGD", "SGD 2"]
    assert len(rows) == 2540
    assert [float(row["SGD"]) for row in rows[:2500]] == first.record.series("loss").tolist()
    assert {row["SGD"] for row in rows[2500:]} == {row["SGD 2"] for row in rows[:40]} == {""}
    assert [float(row["SGD 2"]) for row in rows[40:]] == second.record.series("loss").tolist()
    drive(write_wide(tmp_path / "norms.csv", [first], "norm"))
    assert [float(row["SGD"]) for row in read(tmp_path / "norms.csv")] == first.record.series("norm").tolist()


def test_a_name_is_no_formula_and_no_new_column(tmp_path):
    curve = Curve('=1+1, "x"', long_record(3), 0)
    drive(write_curves(tmp_path / "a.csv", [curve]))
    assert {row["contender"] for row in read(tmp_path / "a.csv")} == {'\'=1+1, "x"'}


def test_the_ranking_puts_the_best_first_and_who_diverged_last(tmp_path):
    curves = curves_of(Quadratic(), "sgd:lr=1000,sgd:lr=0.001,sgd:lr=0.05")
    rows = ranking(curves, target=5.0)
    assert [row["name"] for row in rows] == ["SGD 3", "SGD 2", "SGD"]
    best = curves[2].record
    assert rows[0]["final_loss"] == pytest.approx(best.fulls[-1].train.mean())
    assert rows[0]["steps_to_target"] == int(np.argmax(best.series("loss") <= 5.0))
    assert rows[0]["area"] == pytest.approx(best.series("loss").mean())
    assert (rows[2]["final_loss"], rows[2]["steps_to_target"], rows[2]["diverged"]) == (None, None, 3)
    rows[0]["accuracy"] = 0.5
    written = read(write_table(tmp_path / "table.csv", rows))
    assert [row["name"] for row in written] == ["SGD 3", "SGD 2", "SGD"]
    assert float(written[0]["final_loss"]) == rows[0]["final_loss"]
    assert (written[2]["final_loss"], written[1]["accuracy"], written[0]["accuracy"]) == ("", "", "0.5")


# -- TensorBoard


def scalars(folder):
    """(tag -> [(step, value, time)]) of the one event file in a folder, its checksums looked at."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    (path,) = folder.iterdir()
    assert path.name.startswith("events.out.tfevents.")
    data, found, at, first = path.read_bytes(), {}, 0, True
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        body = data[at + 12 : at + 12 + length]
        assert struct.unpack("<I", data[at + 8 : at + 12])[0] == masked_crc32c(data[at : at + 8])
        assert struct.unpack("<I", data[at + 12 + length : at + 16 + length])[0] == masked_crc32c(body)
        event = Event()
        event.ParseFromString(body)
        if first:
            assert event.file_version == "brain.Event:2"
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value, event.wall_time))
        at, first = at + 16 + length, False
    return found


def test_tensorboard_reads_what_was_raced(tmp_path):
    curves = curves_of(Held(rows=70), "sgd:lr=0.1,adam:lr=0.05", batch=16)
    seen = []
    folder = drive(write_events(tmp_path / "events", curves, began=1000.0), seen.append)
    assert sorted(one.name for one in folder.iterdir()) == ["Adam", "SGD"]
    assert seen[-1] == Progress("Writing Adam for TensorBoard", 2.0, 2)
    for curve in curves:
        found = scalars(folder / curve.name)
        assert set(found) == {"loss", "gradient_norm", "learning_rate", "objective/train", "objective/test"}
        for tag, name in (("loss", "loss"), ("gradient_norm", "norm"), ("learning_rate", "rate")):
            assert [step for step, _, _ in found[tag]] == list(range(60))
            assert np.array_equal([v for _, v, _ in found[tag]], curve.record.series(name).astype(np.float32))
            assert np.allclose([t for _, _, t in found[tag]], 1000.0 + curve.record.series("seconds"))
        for tag, part in (("objective/train", "train"), ("objective/test", "test")):
            means = {full.step: getattr(full, part).mean() for full in curve.record.fulls}
            assert {step: value for step, value, _ in found[tag]} == pytest.approx(means, rel=1e-6)


def test_a_long_curve_is_thinned_and_keeps_its_ends(tmp_path):
    folder = drive(write_events(tmp_path / "events", [Curve("Adam", long_record(200_000), 0)]))
    for tag, points in scalars(folder / "Adam").items():
        steps = [step for step, _, _ in points]
        assert steps == ([0] if "/" in tag else steps)
        if "/" not in tag:
            assert (len(steps), steps[0], steps[-1]) == (10_000, 0, 199_999)
            assert max(np.diff(steps)) <= 21


def test_a_name_that_is_no_folder_and_one_that_comes_twice(tmp_path):
    names = ["../../etc", "a/b: η=½", "adam", "Adam", ""]
    folder = drive(write_events(tmp_path / "events", [Curve(name, long_record(3), 0) for name in names]))
    made = sorted(one.name for one in folder.iterdir())
    assert len(made) == 5
    assert all("/" not in name and ".." not in name for name in made)
    assert {"adam", "Adam 2", "run", "etc"} <= set(made)
    assert [one.name for one in tmp_path.iterdir()] == ["events"]


def test_what_has_no_number_is_left_out(tmp_path):
    curves = curves_of(Quadratic(), "sgd:lr=1000000")
    found = scalars(drive(write_events(tmp_path / "events", curves)) / "SGD")
    assert 0 < len(found["loss"]) < 60
    assert np.isfinite([value for _, value, _ in found["loss"]]).all()


def test_a_stopped_job_leaves_what_was_there(tmp_path):
    curves = [Curve("Adam", long_record(5000), 0)]
    folder = drive(write_events(tmp_path / "events", curves))
    before = sorted(folder.rglob("*"))
    for job in (
        write_events(folder, curves),
        write_curves(tmp_path / "a.csv", curves),
        write_wide(tmp_path / "a.csv", curves),
    ):
        with closing(job):
            assert isinstance(next(job), Progress)
    assert sorted(folder.rglob("*")) == before
    assert [one.name for one in tmp_path.iterdir()] == ["events"]
    drive(write_events(folder, [Curve("Lion", long_record(5), 0)]))
    assert [one.name for one in folder.iterdir()] == ["Lion"]


def test_nothing_else_is_ever_replaced(tmp_path):
    own = tmp_path / "thesis"
    own.mkdir()
    (own / "thesis.tex").write_text("years of work")
    curves = [Curve("Adam", long_record(5), 0)]
    for folder in (own, own / "thesis.tex", tmp_path):
        with pytest.raises(SightlineError, match="holds something else"):
            drive(write_events(folder, curves))
    assert (own / "thesis.tex").read_text() == "years of work"
    for job in (write_curves(own, curves), write_curves(tmp_path / "none" / "a.csv", curves)):
        with pytest.raises(SightlineError, match="cannot be written"):
            drive(job)
    for made in (lambda: drive(write_curves(tmp_path / "a", [])), lambda: write_table(tmp_path / "a", [])):
        with pytest.raises(SightlineError, match="start a race first"):
            made()
