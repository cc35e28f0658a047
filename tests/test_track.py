"""The track job: every frame of a file, the newest of a camera, and everything let go at the end."""

import time

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import Notice, drive
from engine.knobs import Cell
from engine.media.frame import Frame, SourceInfo
from engine.tracking.deepsort import DeepSort
from engine.tracking.knobs import TrackKnobs
from engine.tracking.track import track
from engine.tracking.types import Detections, TrackedFrame

KNOBS = TrackKnobs(confirm_after=1, trail=5, sure=0.0)


class Film:
    """A source of black frames; a live one has lost every third."""

    def __init__(self, frames=20, live=False, fps=200.0):
        self.info = SourceInfo("film", "film", "drawn", 320, 240, fps, None if live else frames, live)
        self.length, self.open = frames, 0

    def frames(self, start=0):
        self.open += 1
        try:
            yield Notice("The film begins.")
            for index in range(start, self.length):
                if not (self.info.live and index % 3 == 2):
                    yield Frame(np.zeros((240, 320, 3), np.uint8), index, index / self.info.fps, time.monotonic())
        finally:
            self.open -= 1


class Finder:
    """Finds one thing that moves 2 pixels a frame; `slow_s` for each."""

    def __init__(self, depth=2, slow_s=0.0):
        self.depth, self.slow_s, self.under_way, self.most, self.asked = depth, slow_s, [], 0, 0

    def submit(self, image, knobs, alone=False):
        self.under_way.append(self.asked)
        self.asked += 1
        self.most = max(self.most, len(self.under_way))

    def collect(self):
        time.sleep(self.slow_s)
        x = 2.0 * self.under_way.pop(0)
        box = np.array([[x, 50, x + 40, 150]], np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64))


def run(source, finder=None, tracker=None, knobs=KNOBS, **how):
    seen = []
    end = drive(track(source, finder or Finder(), tracker or DeepSort(), Cell(knobs), **how), seen.append)
    return seen, end


def test_every_frame_of_a_file_comes_once_in_order():
    seen, end = run(Film(20))
    frames = [event for event in seen if isinstance(event, TrackedFrame)]
    assert [frame.index for frame in frames] == list(range(20))
    assert (end.frames, end.dropped, end.ids) == (20, 0, 1)
    assert set(end.ms) == set(frames[0].ms) == {"decode", "detect", "embed", "associate"}
    assert all(frame.late_ms == 0 for frame in frames)


def test_notices_of_the_source_are_passed_on():
    seen, _ = run(Film(3))
    assert seen[0] == Notice("The film begins.")


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_detections_stay_with_their_frames_however_many_are_under_way(depth):
    finder = Finder(depth)
    seen, _ = run(Film(12), finder, start=4, stop=10)
    frames = [event for event in seen if isinstance(event, TrackedFrame)]
    assert [frame.index for frame in frames] == [4, 5, 6, 7, 8, 9]
    np.testing.assert_allclose([frame.tracks.boxes[0, 0] for frame in frames], 2.0 * np.arange(6), atol=2)
    assert finder.most == depth


def test_a_trail_is_the_way_of_the_feet_and_ends_with_the_knob():
    seen, _ = run(Film(12))
    frames = [event for event in seen if isinstance(event, TrackedFrame)]
    assert [len(frame.trails[1]) for frame in frames] == [1, 2, 3, 4, *[5] * 8]
    box = frames[-1].tracks.boxes[0]
    np.testing.assert_allclose(frames[-1].trails[1][-1], ((box[0] + box[2]) / 2, box[3]), rtol=1e-5)
    # what was handed out is never written again
    assert frames[3].trails[1][-1].tolist() == frames[4].trails[1][-2].tolist()


def test_closing_half_way_closes_the_source_and_empties_the_detector():
    film, finder = Film(50), Finder(3)
    job = track(film, finder, DeepSort(), Cell(KNOBS))
    for _ in range(5):
        next(job)
    assert film.open == 1
    job.close()
    assert (film.open, finder.under_way) == (0, [])


def test_an_error_in_the_detector_closes_the_source():
    class Broken(Finder):
        def submit(self, image, knobs, alone=False):
            if self.asked == 4:
                raise SightlineError("The weights know no class unicorn.")
            super().submit(image, knobs)

    film, finder = Film(50), Broken()
    with pytest.raises(SightlineError, match="unicorn"):
        run(film, finder)
    assert (film.open, finder.under_way) == (0, [])


def test_a_live_source_counts_what_it_dropped_and_says_how_old_it_is():
    seen, end = run(Film(21, live=True), Finder(2, slow_s=0.02))
    frames = [event for event in seen if isinstance(event, TrackedFrame)]
    assert frames[-1].dropped == end.dropped == 6
    assert all(15 < frame.late_ms < 1000 for frame in frames)


def test_a_file_seen_live_drops_frames_rather_than_fall_behind():
    seen, end = run(Film(60, fps=100.0), Finder(2, slow_s=0.03), every_frame=False)
    frames = [event for event in seen if isinstance(event, TrackedFrame)]
    assert end.dropped > 10
    assert end.frames + end.dropped == 60
    assert len(frames) == end.frames


def test_every_frame_of_a_file_is_seen_however_slow():
    _, end = run(Film(20, fps=1000.0), Finder(2, slow_s=0.005), every_frame=True)
    assert (end.frames, end.dropped) == (20, 0)


def test_a_second_run_never_reuses_an_id():
    tracker = DeepSort()
    first, _ = run(Film(6), tracker=tracker)
    second, _ = run(Film(6), tracker=tracker, start=3)
    ids = [{number for event in seen[1:] for number in event.tracks.ids.tolist()} for seen in (first, second)]
    assert not ids[0] & ids[1]


def test_the_embedder_is_asked_only_if_the_tracker_wants_to_know():
    class Looker:
        asked = 0

        def embed(self, image, boxes, choose):
            self.asked += 1
            return np.ones((len(boxes), 2000), np.float32)

    class Blind(DeepSort):
        needs_embeddings = False

    looker = Looker()
    run(Film(5), embedder=looker)
    assert looker.asked == 5
    run(Film(5), tracker=Blind(), embedder=looker)
    assert looker.asked == 5


def test_knobs_are_read_once_a_frame():
    cell = Cell(KNOBS)
    job = track(Film(10), Finder(1), DeepSort(), cell)
    frames = [event for event in (next(job) for _ in range(4)) if isinstance(event, TrackedFrame)]
    assert len(frames[-1].trails) == 1
    cell.value = TrackKnobs(confirm_after=1, trail=0, sure=0.0)
    assert next(job).trails == {}
    job.close()
