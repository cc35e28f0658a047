"""MOT text and scores, against hand-computed cases and TrackEval's own pipeline."""

import contextlib
import io

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.tracking.score import MotFile, mot_rows, read_mot, score, write_mot
from engine.tracking.types import TrackedFrame, Tracks


def tracked(index, *rows) -> TrackedFrame:
    """A frame with tracks (id, left, top, right, bottom)."""
    n = len(rows)
    ids = np.array([row[0] for row in rows], np.int64)
    boxes = np.array([row[1:] for row in rows], np.float32).reshape(n, 4)
    zeros = np.zeros(n, np.int64)
    tracks = Tracks(ids, boxes, np.full(n, 0.5, np.float32), zeros, zeros, np.zeros((n, 2), np.float32), zeros)
    return TrackedFrame(np.zeros((1, 1, 3), np.uint8), index, 0.0, tracks)


def rows(*values) -> np.ndarray:
    """Rows of frame, id, left, top, width, height."""
    return np.array([[*value, 1, -1, -1, -1] for value in values], float)


def test_mot_text_has_ten_columns_and_counts_frames_from_one(tmp_path):
    write_mot(tmp_path / "a.txt", [tracked(0, (3, 1.5, 2, 11.5, 22)), tracked(1), tracked(2, (3, 2, 2, 12, 22))])
    lines = (tmp_path / "a.txt").read_text().splitlines()
    assert lines == ["1,3,1.50,2.00,10.00,20.00,0.5000,-1,-1,-1", "3,3,2.00,2.00,10.00,20.00,0.5000,-1,-1,-1"]
    back = read_mot(tmp_path / "a.txt")
    assert back.shape == (2, 10)
    assert (back[0] == mot_rows(tracked(0, (3, 1.5, 2, 11.5, 22)))[0]).all()


def test_an_interrupted_file_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with contextlib.suppress(KeyboardInterrupt), MotFile(path) as file:
        file.add(tracked(0, (1, 0, 0, 1, 1)))
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["a.txt"]


def test_the_truth_itself_scores_a_hundred(tmp_path):
    frames = [tracked(i, (1, i, 0, i + 10, 20), (2, 50, i, 70, i + 30)) for i in range(5)]
    write_mot(tmp_path / "gt.txt", frames)
    found = score(tmp_path / "gt.txt", frames)
    assert (found.HOTA, found.IDF1, found.MOTA, found.switches) == (pytest.approx(100), 100, 100, 0)


def test_a_case_computed_by_hand(tmp_path):
    """One person for four frames; from the third on under another id; one false box."""
    write_mot(tmp_path / "gt.txt", [tracked(i, (1, 0, 0, 10, 10)) for i in range(4)])
    found = score(
        tmp_path / "gt.txt",
        rows(
            (1, 1, 0, 0, 10, 10), (2, 1, 0, 0, 10, 10), (3, 2, 0, 0, 10, 10), (4, 2, 0, 0, 10, 10), (4, 3, 90, 90, 5, 5)
        ),
    )
    assert found.switches == 1
    # 4 boxes: none missed, one false, one switch
    assert pytest.approx(100 * (1 - 2 / 4)) == found.MOTA
    # the better identity explains 2 of 4 true and 5 given boxes
    assert pytest.approx(100 * 2 * 2 / (4 + 5)) == found.IDF1
    # DetA = 4 / 5; AssA = 2 / 4 for each of the four, at every overlap
    assert pytest.approx(100 * np.sqrt(0.8 * 0.5)) == found.HOTA


def test_flag_zero_is_not_counted_and_a_statue_is_neither_right_nor_wrong(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text("1,1,0,0,10,10,1,1,1\n1,2,50,0,10,10,0,1,1\n1,3,90,0,10,10,1,7,1\n2,1,0,0,10,10,1,1,1\n")
    found = score(path, rows((1, 5, 0, 0, 10, 10), (2, 5, 0, 0, 10, 10), (1, 6, 90, 0, 10, 10)))
    assert (found.MOTA, found.IDF1) == (100, 100)


def test_only_the_frames_that_were_tracked_are_compared(tmp_path):
    write_mot(tmp_path / "gt.txt", [tracked(i, (1, 0, 0, 10, 10)) for i in range(9)])
    some = rows(*[(frame, 1, 0, 0, 10, 10) for frame in (1, 2, 3)])
    assert score(tmp_path / "gt.txt", some, frames=3).MOTA == 100
    assert pytest.approx(100 / 3) == score(tmp_path / "gt.txt", some).MOTA


def test_no_track_at_all_scores_nothing(tmp_path):
    write_mot(tmp_path / "gt.txt", [tracked(0, (1, 0, 0, 10, 10))])
    found = score(tmp_path / "gt.txt", [])
    assert (found.HOTA, found.IDF1, found.MOTA, found.switches) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "content", [None, b"", b"a,b\n", b"1,2,3\n", b"0,1,2,3,4,5\n", b"1,1,nan,3,4,5\n", b"\xff\xfe\x00"]
)
def test_a_truth_that_cannot_be_read_is_one_sentence(tmp_path, content):
    path = tmp_path / "gt.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SightlineError) as error:
        score(path, [])
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("clip", ["TUD-Campus", "TUD-Stadtmitte"])
def test_the_same_scores_as_trackeval_s_own_pipeline(assets, tmp_path, clip):
    from trackeval import Evaluator
    from trackeval.datasets import MotChallenge2DBox
    from trackeval.metrics import CLEAR, HOTA, Identity

    truth_path = assets / "mot" / clip / "gt" / "gt.txt"
    truth = read_mot(truth_path)
    rng = np.random.default_rng(0)
    tracks = truth[rng.random(len(truth)) > 0.2].copy()
    tracks[:, 2:6] += rng.normal(0, 6, (len(tracks), 4))
    tracks[:, 1] += 100 * (tracks[:, 0] > 30)
    tracks[:, 6:] = (0.5, -1, -1, -1)
    frames = int(truth[:, 0].max())
    folder = tmp_path / "trackers" / "ours" / "data"
    folder.mkdir(parents=True)
    np.savetxt(folder / f"{clip}.txt", tracks, delimiter=",", fmt="%g")
    dataset = {
        "GT_FOLDER": str(assets / "mot"), "TRACKERS_FOLDER": str(tmp_path / "trackers"), "BENCHMARK": "MOT15",
        "TRACKERS_TO_EVAL": ["ours"], "SKIP_SPLIT_FOL": True, "SEQ_INFO": {clip: frames},
        "GT_LOC_FORMAT": "{gt_folder}/{seq}/gt/gt.txt", "PRINT_CONFIG": False, "OUTPUT_FOLDER": str(tmp_path / "out"),
    }  # fmt: skip
    settings = {"PRINT_RESULTS": False, "PRINT_CONFIG": False, "PLOT_CURVES": False, "OUTPUT_SUMMARY": False,
                "OUTPUT_DETAILED": False, "OUTPUT_EMPTY_CLASSES": False, "TIME_PROGRESS": False,
                "LOG_ON_ERROR": str(tmp_path / "error.txt")}  # fmt: skip
    quiet = {"PRINT_CONFIG": False}
    with contextlib.redirect_stdout(io.StringIO()):
        found, _ = Evaluator(settings).evaluate([MotChallenge2DBox(dataset)], [HOTA(), CLEAR(quiet), Identity(quiet)])
    expected = found["MotChallenge2DBox"]["ours"][clip]["pedestrian"]
    ours = score(truth_path, np.genfromtxt(folder / f"{clip}.txt", delimiter=","))
    assert pytest.approx(100 * expected["HOTA"]["HOTA"].mean()) == ours.HOTA
    assert pytest.approx(100 * expected["Identity"]["IDF1"]) == ours.IDF1
    assert pytest.approx(100 * expected["CLEAR"]["MOTA"]) == ours.MOTA
    assert ours.switches == expected["CLEAR"]["IDSW"]
