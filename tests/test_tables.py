"""Files as numbers: kinds of columns, splits by groups, near twins, memory, and files that are no tables."""

import gzip
import itertools
import os

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import Progress, drive
from engine.learning import columns, metrics, reading
from engine.learning.columns import Column
from engine.learning.loading import describe, load
from engine.learning.room import free_memory
from engine.learning.setup import ProblemSetup
from engine.learning.tables import prepare
from engine.learning.twins import split_groups

pd = pytest.importorskip("pandas")
ROWS = 60


@pytest.fixture
def write(tmp_path):
    def written(data, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return written


def loaded(path, classify=True, most_classes=2, free=None, **settings):
    setup = ProblemSetup(**{"data": str(path), "label": "y", **settings})
    return drive(load(setup, classify=classify, most_classes=most_classes, free=free))


def plain():
    """A number, words and a label."""
    rng = np.random.default_rng(0)
    numbers, words = rng.normal(size=ROWS), rng.choice(["é", "b", "c"], ROWS)
    return "a,w,y\n" + "\n".join(f"{numbers[k]:.3f},{words[k]},{k % 2}" for k in range(ROWS)) + "\n"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bom.csv", lambda text: text.encode("utf-8-sig")),
        ("latin.csv", lambda text: text.encode("latin-1")),
        ("sixteen.csv", lambda text: text.encode("utf-16")),
        ("semicolons.csv", lambda text: text.replace(",", ";")),
        ("commas.csv", lambda text: text.replace(",", ";").replace(".", ",")),
        ("tabs.tsv", lambda text: text.replace(",", "\t")),
        ("spaces.csv", lambda text: text.replace(",", ", ")),
        ("windows.csv", lambda text: text.replace("\n", "\r\n")),
        ("packed.csv.gz", lambda text: gzip.compress(text.encode())),
    ],
)
def test_the_same_table_is_read_however_it_is_written(write, name, change):
    table = loaded(write(plain()))
    other = loaded(write(change(plain()), name))
    assert other.names == table.names == ("a", "w = b", "w = c", "w = é", "constant")
    assert np.array_equal(other.x, table.x)
    assert np.array_equal(other.test_y, table.test_y)


def test_parquet_is_read_as_a_csv_is(write, tmp_path):
    pytest.importorskip("pyarrow")
    path = write(plain())
    pd.read_csv(path).to_parquet(tmp_path / "table.parquet")
    table, other = loaded(path), loaded(tmp_path / "table.parquet")
    assert np.array_equal(other.x, table.x)
    assert other.names == table.names
    assert drive(describe(tmp_path / "table.parquet")).columns == drive(describe(path)).columns


def test_pieces_are_put_together(write, monkeypatch):
    path = write(plain())
    whole = loaded(path)
    monkeypatch.setattr(reading, "_piece", lambda _columns: 7)
    assert np.array_equal(loaded(path).x, whole.x)


def test_a_word_far_below_numbers_is_a_gap_and_words_below_numbers_are_words(write, monkeypatch):
    monkeypatch.setattr(reading, "_piece", lambda _columns: 20)
    lines = [f"{'none known' if k == 70 else k},{k % 3 if k < 50 else 'late'},{k % 2}" for k in range(100)]
    table = loaded(write("a,b,y\n" + "\n".join(lines)))
    assert table.names == ("a", "b = 0", "b = 1", "b = 2", "b = late", "constant")
    assert table.filled == 1


def test_gaps_infinities_and_rows_without_a_label(write):
    lines = [f"{'inf' if k == 3 else k},{'' if k % 5 == 0 else k},{'' if k % 4 == 0 else k % 2}" for k in range(80)]
    table = loaded(write("a,b,y\n" + "\n".join(lines)), features=("x", "y"))
    assert np.isfinite(table.x).all()
    assert table.filled == 1 + 16
    assert len(table.y) + len(table.test_y) == 60
    assert any("20 rows without a y" in note for note in table.notes)
    # the gap of b is its median in the training part, before it is standardised
    b = table.plane.train[:, 1]
    assert (b == np.median(b)).sum() > 5


def test_labels_of_many_classes_are_sorted(write):
    path = write("a,y\n" + "\n".join(f"{k},{['dog', 'ant', 'cat'][k % 3]}" for k in range(60)))
    table = loaded(path, most_classes=100)
    assert table.classes == ("ant", "cat", "dog")
    raw = pd.read_csv(path)["y"].to_numpy()
    order = np.random.default_rng(0).permutation(60)
    assert [table.classes[int(k)] for k in table.test_y] == list(raw[order[48:]])
    with pytest.raises(SightlineError, match=r"3 classes.*two"):
        loaded(path)
    truths = loaded(write("a,y\n" + "\n".join(f"{k},{k % 2 == 0}" for k in range(60))))
    assert truths.classes == ("False", "True")


def test_a_class_that_cannot_be_learned_is_told(write):
    order = np.random.default_rng(0).permutation(50)
    labels = np.where(np.arange(50) == order[-1], "rare", np.where(np.arange(50) % 2, "a", "b"))
    table = loaded(write("x,y\n" + "\n".join(f"{k},{one}" for k, one in enumerate(labels))), most_classes=9)
    assert table.classes == ("a", "b", "rare")
    assert any("rare" in note for note in table.notes)


@pytest.mark.parametrize(
    "dress",
    ["{:,.2f}", "{:.2f} %", "${:,.2f}", "{:.2f} €", "€ {:.2f}", " {:.2f}\u00a0%"],
)
def test_numbers_in_their_units_are_numbers(dress):
    values = np.random.default_rng(0).normal(0, 9000, 90).round(2)
    words = [dress.format(value).replace("$-", "-$") for value in values]
    table = prepare(pd.DataFrame({"a": words, "y": np.arange(90) % 2}), "y", classify=True)
    other = prepare(pd.DataFrame({"a": values, "y": np.arange(90) % 2}), "y", classify=True)
    assert table.names == ("a", "constant")
    assert np.allclose(table.x, other.x)


def test_commas_are_what_the_whole_column_says():
    def read(words):
        words = [*words] * 20
        words = [f"{k}{word}" for k, word in enumerate(words, 10)]
        return columns.settled(Column("a", codes=np.arange(len(words), dtype=np.int32), words=tuple(words))).numbers

    assert list(read([",234", ",500"])[:2]) == [10234, 11500]
    assert list(read([",25 %", ",5 %"])[:2]) == [10.25, 11.5]
    assert read(["x", "y"]) is None


def test_a_word_for_what_is_not_known_leaves_the_others_numbers():
    words = [str(k / 7) if k % 3 else "unknown" for k in range(300)]
    table = prepare(pd.DataFrame({"a": words, "y": np.arange(300) % 2}), "y", classify=True)
    assert (table.names, table.filled) == (("a", "constant"), 100)


def test_blanks_around_words_and_very_small_numbers(tmp_path):
    frame = pd.DataFrame(
        {"a": np.arange(60) * 1e-300, "b": np.arange(60) * 1e-15, "y": ["no ", " yes", "no", " "] * 15}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = loaded(tmp_path / "t.parquet", features=("x", "y"))
    assert table.classes == ("no", "yes")
    assert table.names == ("a", "b", "constant")
    assert np.allclose(table.x[:, :2].std(0), 1)
    assert len(table.y) + len(table.test_y) == 45


def test_names_that_occur_twice_and_no_names(write):
    assert loaded(write("a,a,y\n" + "\n".join(f"{k},{k * k},{k % 2}" for k in range(50)))).names[:2] == ("a", "a.1")
    table = loaded(write("\n".join(f"{k},{k * k},{k % 2}" for k in range(50))), label="column 3")
    assert len(table.y) + len(table.test_y) == 50
    assert any("first line" in note for note in table.notes)


def test_integers_too_large_for_any_type_are_numbers(write):
    table = loaded(write("a,b,y\n" + "\n".join(f"{k * 10**30},{k + 10**19},{k % 2}" for k in range(50))))
    assert table.names[0] == "a"
    assert np.allclose(table.x[:, 0].std(), 1)


def test_groups_are_on_one_side_of_the_split(write):
    rng = np.random.default_rng(0)
    lines = [f"{group}.{k},g{group},{rng.integers(2)}" for group in range(40) for k in range(5)]
    path = write("a,who,y\n" + "\n".join(lines))
    table = loaded(path, columns=("a", "who"), group="who")
    assert table.x.shape[0] == 160
    # left out of what is learned from, where nothing is said
    table = loaded(path, group="who")
    assert table.names == ("a", "constant")
    # a number and its group are the same but for the fraction
    values = np.concatenate([table.x[:, 0], table.test_x[:, 0]])
    known = np.sort(pd.read_csv(path)["a"].to_numpy())
    groups = np.floor(known[np.argsort(np.argsort(values))])
    assert not set(groups[:160]) & set(groups[160:])


def test_a_split_of_groups_takes_as_nearly_the_share_as_can_be():
    groups = np.repeat(np.arange(30), np.random.default_rng(0).integers(1, 9, 30))
    train, test = split_groups(groups, "who", 0.3, 1)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(len(groups)))
    assert not set(groups[train]) & set(groups[test])
    assert abs(len(test) - 0.3 * len(groups)) <= 4
    assert not np.array_equal(test, split_groups(groups, "who", 0.3, 2)[1])


def test_near_twins_are_counted(write):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, 4))
    rows = np.concatenate([values, values[:50] * (1 + 1e-9)])
    lines = [",".join([*map(str, row), str(k % 2)]) for k, row in enumerate(rows)]
    table = loaded(write("a,b,c,d,y\n" + "\n".join(lines)))
    order = np.random.default_rng(0).permutation(150)
    train = set(order[:120])
    assert table.twins == sum((k - 100 in train) if k >= 100 else (k < 50 and k + 100 in train) for k in order[120:])
    assert any(f"{table.twins} of 30 test rows have a near twin" in note for note in table.notes)
    assert loaded(write("a,b,c,d,y\n" + "\n".join(lines[:100]))).twins == 0


def test_memory_is_said_before_a_file_is_read(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "large.csv"
    block = rng.normal(size=(1000, 50)).round(4)
    text = "\n".join(",".join(map(str, row)) for row in block) + "\n"
    path.write_text(",".join(f"c{k}" for k in range(50)) + "\n" + text * 200)
    setup = ProblemSetup(data=str(path), label="c49")
    with pytest.raises(SightlineError, match=r"large\.csv would take about 16\d\.\d MB .* 50\.0 MB are free"):
        drive(load(setup, classify=False, most_classes=2, free=50_000_000))
    job = load(setup, classify=False, most_classes=2)
    first = next(event for event in job if event is not None)
    job.close()
    assert "large.csv" in first.what
    assert "MB in memory" in first.what
    # a few columns of the same file fit
    table = drive(load(ProblemSetup(data=str(path), label="c49", columns=("c0", "c7", "c3")), classify=False,
                       most_classes=2, free=50_000_000))  # fmt: skip
    assert table.x.shape == (160_000, 4)
    assert table.names == ("c0", "c7", "c3", "constant")
    assert table.notes[0] == "large.csv: 200,000 rows, 6.4 MB in memory."
    assert free_memory() is None or free_memory() > 0


def test_reading_can_be_stopped_everywhere(write):
    path = write(plain())
    steps = sum(1 for _event in load(ProblemSetup(data=str(path), label="y"), classify=True, most_classes=2))
    assert steps > 5
    for stop in range(1, steps):
        job = load(ProblemSetup(data=str(path), label="y"), classify=True, most_classes=2)
        # how often it can be stopped is a matter of how fast it goes
        events = list(itertools.islice(job, stop))
        job.close()
        assert all(event is None or isinstance(event, Progress) for event in events)


@pytest.mark.parametrize(
    ("data", "settings", "says"),
    [
        ("", {}, "0 rows"),
        ("a,y\n", {}, "0 rows"),
        ("a,y\n1,0\n", {}, "has 1 row"),
        (b"\x00\x01\x02" * 50, {}, "no text"),
        (b"PAR1" + bytes(100), {}, "could not be read"),
        (b"\x1f\x8b broken", {}, "could not be opened"),
        ("a,y\n1,0\n2,1,3\n3,1\n4,0\n", {}, "line 3"),
        ("a,y\n" + "3,0\n3,1\n" * 20, {}, "No column moves"),
        ("a,y\n" + "3,1\n4,1\n" * 20, {}, "has 1 class:"),
        ("a,y\n" + "3,w\n4,v\n" * 20, {"classify": False}, "no number"),
        ("a,y\n" + "3,0\n4,1\n" * 20, {"label": "z"}, "no column z"),
        ("a,y\n" + "3,0\n4,1\n" * 20, {"group": "z"}, "no column z"),
        ("a,y\n" + "3,0\n4,1\n" * 20, {"columns": ("y",)}, "no column to learn from"),
        ("a,g,y\n" + "3,1,0\n4,1,1\n" * 20, {"group": "g"}, "same g"),
        ("a,y\n" + ",0\n,1\n" * 20, {}, "No column moves"),
        ("a,y\n" + "3,\n4,\n" * 20, {}, "y"),
        ("a,b,y\n" + "3,1,0\n4,2,1\n" * 20, {"features": ()}, "No feature"),
    ],
)
def test_a_file_that_cannot_be_learned_from_is_one_sentence(write, data, settings, says):
    path = write(data)
    with pytest.raises(SightlineError, match=says) as caught:
        loaded(path, **settings)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_folder_and_bytes_of_any_kind_are_one_sentence(write, tmp_path):
    with pytest.raises(SightlineError, match="folder"):
        loaded(tmp_path)
    rng = np.random.default_rng(0)
    for length in (1, 10, 300, 5000):
        for low in (0, 1, 32):
            with pytest.raises(SightlineError):
                loaded(write(rng.integers(low, 256, length, np.uint8).tobytes()))


def test_nothing_in_a_file_is_run(write, tmp_path):
    import pickle

    class Bad:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(SightlineError):
        loaded(write(pickle.dumps(Bad()), "bad.pkl"))
    assert not (tmp_path / "made").exists()


def test_columns_are_described(write):
    stamps = pd.date_range("2020-01-01", periods=ROWS, freq="7h").strftime("%d.%m.%Y %H:%M")
    lines = [
        f"{k * 0.5},{['x', 'y'][k % 2]},id{k},{when},{k % 2},{'' if k % 2 else k}" for k, when in enumerate(stamps)
    ]
    said = drive(describe(write("num,sex,id,when,clicked,gaps\n" + "\n".join(lines))))
    kinds = {column.name: column.kind for column in said.columns}
    assert kinds == {"num": "number", "sex": "words", "id": "many words", "when": "date", "clicked": "number",
                     "gaps": "number"}  # fmt: skip
    assert said.label == "clicked"
    assert (said.rows, said.exact) == (ROWS, True)
    assert said.columns[5].missing == 0.5
    assert said.columns[1].distinct == 2


def test_a_long_file_is_described_from_its_first_rows(write):
    said = drive(describe(write("a,y\n" + "".join(f"{k},{k % 2}\n" for k in range(100_000, 300_000)))))
    assert not said.exact
    assert said.rows == pytest.approx(200_000, rel=0.02)
    assert said.columns[0].distinct == 20_000


def test_dates_with_zones_and_days_first():
    rows = pd.DataFrame({"when": [f"{1 + k % 28:02d}/{1 + k % 12:02d}/2019 {k % 24:02d}:30" for k in range(400)],
                         "zone": [f"2020-03-{1 + k % 28:02d}T{k % 24:02d}:00:00+02:00" for k in range(400)],
                         "y": np.arange(400) % 2})  # fmt: skip
    table = prepare(rows, "y", classify=True)
    assert table.names == ("when day", "when hour", "when weekday", "zone day", "zone hour", "zone weekday", "constant")
    train = np.random.default_rng(0).permutation(400)[:320]
    days = (pd.to_datetime(rows["when"], dayfirst=True, format="mixed") - pd.Timestamp(1970, 1, 1)).dt.total_seconds()
    days = days.to_numpy()[train]
    assert np.allclose(table.x[:, 0], (days - days.mean()) / days.std())


def test_dates_of_which_some_are_written_otherwise():
    words = tuple(f"2016-03-{1 + k % 28:02d} {k % 24}:{k % 60:02d}:07" for k in range(500))
    made = columns.as_dates((*words, "3 April 2016", "not known"))
    assert np.isfinite(made[:-2]).all()
    assert made[500, 0] == 16894
    assert list(made[:24, 1]) == list(range(24))
    assert np.isnan(made[501:]).all()


def test_the_values_of_a_column_are_sorted_as_words():
    places, words = Column("a", np.array([10.0, np.nan, 2.0, 10.0])).kinds()
    assert words == ["10", "2"]
    assert list(places) == [0, -1, 1, 0]


def test_the_click_through_file_has_near_twins_and_scikit_learns_curves(assets):
    pytest.importorskip("sklearn")
    from sklearn import metrics as theirs
    from sklearn.linear_model import LogisticRegression

    path = assets / "tables" / "ad_10000records.csv"
    columns = ("Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Gender")
    table = loaded(path, label="Clicked on Ad", columns=columns)
    assert len(table.y) + len(table.test_y) == 8549
    assert table.twins > 300
    other = LogisticRegression(C=np.inf, max_iter=1000).fit(table.x[:, :-1], table.y)
    scores = other.decision_function(table.test_x[:, :-1])
    precision, recall, _at = theirs.precision_recall_curve(table.test_y, scores)
    ours = metrics.precision_recall(table.test_y, scores)
    # theirs runs the other way and ends in (1, 0)
    assert np.abs(ours[0][::-1] - precision[:-1]).max() < 1e-9
    assert np.abs(ours[1][::-1] - recall[:-1]).max() < 1e-9
    assert metrics.roc_auc(table.test_y, scores) == pytest.approx(theirs.roc_auc_score(table.test_y, scores), abs=1e-12)
    apart = loaded(path, label="Clicked on Ad", columns=columns, group="Ad Topic Line")
    assert apart.twins < table.twins
