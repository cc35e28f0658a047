"""The command line's contract: JSON on standard output, a sentence for bad input, and the exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from media_server import MediaServer

from engine import commands
from engine.media.writer import VideoWriter
from engine.tracking.example import EXAMPLE_WEIGHTS, example_truth
from engine.tracking.score import read_mot

ROOT = Path(__file__).parent.parent
SCENE = "example:crossing"


def run(capsys, *words):
    """Exit status, the lines of standard output as JSON, the lines of standard error."""
    status = commands.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, [json.loads(line) for line in out.splitlines()], err.splitlines()


def video(path, width=64, height=48, frames=5):
    with VideoWriter(path, width, height, 25.0) as writer:
        for n in range(frames):
            writer.write(np.full((height, width, 3), 8 * n, np.uint8))
    return path


def test_track_prints_one_line_and_writes_what_was_asked(capsys, tmp_path):
    example_truth("crossing", tmp_path / "gt.txt")
    status, lines, _err = run(
        capsys, "track", SCENE, "--frames", 60, "--mot", tmp_path / "out.txt", "--save", tmp_path / "out.mp4",
        "--truth", tmp_path / "gt.txt",
    )  # fmt: skip
    assert status == 0
    assert len(lines) == 1
    line = lines[0]
    wanted = {
        "source",
        "weights",
        "frames",
        "dropped",
        "fps",
        "load_s",
        "ms",
        "ids",
        "counts",
        "lines",
        "zones",
        "scores",
    }
    assert wanted <= line.keys()
    assert line["source"] == SCENE
    assert line["frames"] == 60
    assert line["dropped"] == 0
    assert set(line["ms"]) == {"decode", "detect", "embed", "associate", "draw"}
    assert set(line["scores"]) == {"HOTA", "IDF1", "MOTA", "switches"}
    assert line["ids"] == sum(line["counts"].values())
    rows = read_mot(tmp_path / "out.txt")
    text = (tmp_path / "out.txt").read_text().splitlines()
    assert all(row.count(",") == 9 and row.endswith(",-1,-1,-1") for row in text)
    assert rows[:, 0].min() >= 1
    assert rows[:, 0].max() <= 60
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gt.txt", "out.mp4", "out.txt"]


def test_without_drawing_and_without_truth(capsys):
    status, lines, _err = run(capsys, "track", SCENE, "--frames", 5, "--no-draw", "--tracker", "reference")
    assert status == 0
    assert lines[0]["scores"] is None
    assert lines[0]["ms"]["draw"] < 1


def test_the_same_seed_gives_the_same_tracks(capsys, tmp_path):
    for name in ("a.txt", "b.txt"):
        assert run(capsys, "track", SCENE, "--frames", 40, "--mot", tmp_path / name, "--seed", 3)[0] == 0
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text()


def test_nothing_to_be_seen_is_no_error(capsys, tmp_path):
    path = video(tmp_path / "grey.mp4")
    status, lines, _err = run(capsys, "track", path, "--weights", EXAMPLE_WEIGHTS, "--mot", tmp_path / "none.txt")
    assert status == 0
    assert lines[0]["ids"] == 0
    assert (tmp_path / "none.txt").read_text() == ""


@pytest.mark.parametrize(("width", "height"), [(1, 1), (63, 47), (2, 300)])
def test_odd_sizes_go_through(capsys, tmp_path, width, height):
    folder = tmp_path / "pictures"
    folder.mkdir()
    import cv2

    for n in range(3):
        cv2.imwrite(str(folder / f"{n}.png"), np.full((height, width, 3), 90, np.uint8))
    status, lines, _err = run(capsys, "track", folder, "--weights", EXAMPLE_WEIGHTS, "--save", tmp_path / "out.mp4")
    assert status == 0
    assert lines[0]["frames"] == 3


def _missing(folder):
    return [folder / "nothing.mp4"], "nothing.mp4"


def _empty(folder):
    (folder / "empty.mp4").write_bytes(b"")
    return [folder / "empty.mp4"], "empty.mp4"


def _text(folder):
    (folder / "notes.mp4").write_text("these are notes")
    return [folder / "notes.mp4"], "notes.mp4"


def _no_pictures(folder):
    (folder / "plain").mkdir()
    (folder / "plain" / "readme.txt").write_text("no picture")
    return [folder / "plain"], "plain"


def _no_camera(_folder):
    return ["83"], "83"


def _no_weights(folder):
    return [video(folder / "v.mp4"), "--weights", folder / "gone.pt"], "gone.pt"


def _text_weights(folder):
    (folder / "fake.pt").write_text("<html>404</html>")
    return [video(folder / "v.mp4"), "--weights", folder / "fake.pt"], "fake.pt"


def _unknown_class(folder):
    return [SCENE, "--classes", "unicorn"], "unicorn"


def _no_truth(folder):
    return [SCENE, "--truth", folder / "gt.txt"], "gt.txt"


def _no_folder(folder):
    return [SCENE, "--frames", "3", "--save", folder / "not" / "there" / "out.mp4"], "out.mp4"


def _no_example(_folder):
    return ["example:nowhere"], "nowhere"


def _no_fraction(_folder):
    return [SCENE, "--conf", "7"], "conf"


def _no_cuda(_folder):
    return [SCENE, "--device", "cuda"], "CUDA"


BAD = [
    _missing, _empty, _text, _no_pictures, _no_camera, _no_weights, _text_weights, _unknown_class, _no_truth,
    _no_folder, _no_example, _no_fraction, _no_cuda,
]  # fmt: skip


@pytest.mark.parametrize("make", BAD, ids=lambda f: f.__name__[1:])
def test_bad_input_ends_in_one_sentence_that_names_it_and_status_2(capsys, tmp_path, make):
    if make is _no_cuda:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is CUDA here")
    words, named = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status, lines, err = run(capsys, "track", *words)
    assert status == 2
    assert lines == []
    assert named.lower() in err[-1].lower()
    assert err[-1].rstrip().endswith(".")
    assert "Traceback" not in "\n".join(err)
    assert sorted(tmp_path.rglob("*")) == before, "nothing half-written is left"


def test_what_existed_is_kept_when_the_run_fails(capsys, tmp_path):
    (tmp_path / "out.txt").write_text("precious")
    (tmp_path / "out.mp4").write_text("precious too")
    words = ["track", SCENE, "--mot", tmp_path / "out.txt", "--save", tmp_path / "out.mp4", "--classes", "unicorn"]
    assert run(capsys, *words)[0] == 2
    assert (tmp_path / "out.txt").read_text() == "precious"
    assert (tmp_path / "out.mp4").read_text() == "precious too"


def test_an_interrupt_ends_with_130_and_leaves_nothing_half_written(tmp_path):
    words = [sys.executable, "main.py", "track", "example:crowd", "--save", str(tmp_path / "out.mp4"), "--every-frame"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 90
    while not list(tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_download_prints_what_came(capsys, tmp_path):
    with MediaServer() as server:
        address = server.add("/street.mp4", video(tmp_path / "street.mp4", frames=30))
        status, lines, err = run(capsys, "download", address, "--out", tmp_path / "here")
    assert status == 0, err
    line = lines[0]
    assert set(line) == {"file", "title", "width", "height", "fps", "duration_s", "bytes"}
    assert (line["width"], line["height"]) == (64, 48)
    assert Path(line["file"]).stat().st_size == line["bytes"]


def test_download_of_nothing_is_a_sentence(capsys):
    with MediaServer() as server:
        status, _lines, err = run(capsys, "download", server.url("/gone.mp4"))
    assert status == 2
    assert "gone.mp4" in err[-1]


def test_doctor_looks_at_everything_and_ends_with_0(capsys):
    status, lines, _err = run(capsys, "doctor")
    assert status == 0
    assert all(set(line) == {"check", "ok", "say"} for line in lines)
    assert {"python", "opencv", "weights", "example"} <= {line["check"] for line in lines}
    assert next(line for line in lines if line["check"] == "example")["ok"]


def test_two_sources_are_one_too_many():
    done = subprocess.run(
        [sys.executable, "main.py", "one.mp4", "two.mp4"], cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=False, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "two.mp4" in done.stderr.splitlines()[-1]


def test_numbers_that_are_none_become_null(capsys):
    commands.say({"a": float("nan"), "b": float("inf"), "c": [1.23456]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": None, "c": [1.2346]}
