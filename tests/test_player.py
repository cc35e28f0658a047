"""The player: tracks what it has not seen, remembers what it has, starts anew after a jump, and paces itself."""

from dataclasses import replace

import numpy as np
import pytest

from engine.job import Notice
from engine.knobs import Cell
from engine.media.drawn import DrawnSource
from engine.media.frame import Frame
from engine.tracking.history import History, Summary
from engine.tracking.knobs import TrackKnobs
from engine.tracking.player import Ended, Playback, Played, play
from engine.tracking.types import TrackedFrame, Tracks


def drawn(frames=12):
    """Every frame is filled with its own number."""
    return DrawnSource("numbers", 8, 6, 25.0, frames, lambda i: np.full((6, 8, 3), i, np.uint8))


def one_track(number, index):
    box = np.array([[index, 1, index + 2, 4]], np.float32)
    ints = np.array([number], np.int64)
    return Tracks(ints, box, np.array([0.9], np.float32), ints * 0, ints * 0, np.array([[1, 0]], np.float32), ints * 0)


class Follower:
    """Stands in for the networks: one thing that moves a pixel a frame; counts how often it was asked."""

    def __init__(self, source):
        self.source, self.asked, self.number = source, [], 1

    def __call__(self, start):
        for frame in self.source.frames(start):
            assert isinstance(frame, Frame)
            self.asked.append(frame.index)
            yield TrackedFrame(frame.image, frame.index, frame.time_s, one_track(self.number, frame.index))

    def anew(self, _index):
        self.number += 1


class Machine:
    """A player, its cells, and what it has shown."""

    def __init__(self, frames=12, **playback):
        self.source = drawn(frames)
        self.follower = Follower(self.source)
        self.knobs, self.history = Cell(TrackKnobs()), History()
        self.playback = Cell(Playback(speed=0.0, **playback))
        self.job = play(
            self.source, self.follower, self.knobs, self.playback, self.history, tracker_at=self.follower.anew
        )

    def until(self, wanted):
        """Events up to the first for which `wanted` holds."""
        seen = []
        for event in self.job:
            if event is not None:
                seen.append(event)
            if event is not None and wanted(event):
                return seen
        return seen

    def go_to(self, index, **more):
        now = self.playback.value
        self.playback.value = replace(now, go_to=index, request=now.request + 1, **more)

    def close(self):
        self.job.close()
        self.source.close()


@pytest.fixture
def machine():
    made = Machine()
    yield made
    made.close()


def at_end(event):
    return isinstance(event, Ended)


def shows(index):
    return lambda event: isinstance(event, Played) and event.seen.index == index


def test_a_file_is_shown_at_once_then_tracked_frame_by_frame(machine):
    seen = machine.until(at_end)
    first, rest = seen[0], [e for e in seen[1:] if isinstance(e, Played)]
    assert (first.seen.index, first.tracked) == (0, False)
    assert [e.seen.index for e in rest] == list(range(12))
    assert all(e.tracked and e.fresh for e in rest)
    assert all((e.seen.image == e.seen.index).all() for e in rest), "each picture is that of its frame"
    assert machine.history.ranges() == [(0, 11)]


def test_scrubbing_back_shows_what_was_tracked_without_the_networks(machine):
    machine.until(at_end)
    asked = len(machine.follower.asked)
    machine.go_to(5)
    shown = machine.until(shows(5))[-1]
    assert shown.tracked
    assert not shown.fresh
    assert shown.seen.tracks.ids.tolist() == [1]
    assert (shown.seen.image == 5).all()
    replayed = [e for e in machine.until(at_end) if isinstance(e, Played)]
    assert [e.seen.index for e in replayed] == list(range(6, 12))
    assert len(machine.follower.asked) == asked


def test_a_jump_into_unseen_frames_starts_new_tracks_says_so_and_never_reuses_a_number(machine):
    machine.until(shows(3))
    machine.go_to(8)
    seen = machine.until(at_end)
    notices = [e.text for e in seen if isinstance(e, Notice)]
    assert notices == ["New tracks start here: the frames in between were not followed."]
    assert machine.history.frames[2].tracks.ids.tolist() == [1]
    assert machine.history.frames[9].tracks.ids.tolist() == [2]
    assert machine.history.ranges()[0][0] == 0
    assert machine.history.ranges()[-1] == (8, 11)


def test_playing_on_from_what_was_seen_keeps_the_tracks(machine):
    machine.until(lambda e: shows(5)(e) and e.fresh)
    machine.go_to(2)
    seen = machine.until(at_end)
    assert not [e for e in seen if isinstance(e, Notice)]
    assert machine.history.frames[11].tracks.ids.tolist() == [1]


def test_a_step_tracks_one_frame_and_holds(machine):
    machine.playback.value = replace(machine.playback.value, playing=False)
    machine.until(shows(0))
    machine.go_to(1)
    machine.until(shows(1))
    assert machine.history.ranges() == [(0, 1)]
    assert next(machine.job) is None, "held"


def test_a_seek_past_the_end_shows_the_last_frame(machine):
    machine.until(shows(2))
    machine.go_to(500, playing=False)
    assert machine.until(shows(11))


def test_other_knobs_forget_what_lies_ahead_and_keep_what_was_seen(machine):
    machine.until(at_end)
    machine.go_to(4, playing=False)
    machine.until(shows(4))
    machine.knobs.value = replace(machine.knobs.value, confidence=0.6)
    for _ in range(3):
        next(machine.job)
    assert machine.history.ranges() == [(0, 4)]


def test_a_longer_trail_forgets_nothing(machine):
    machine.until(at_end)
    machine.go_to(4, playing=False)
    machine.until(shows(4))
    machine.knobs.value = replace(machine.knobs.value, trail=200)
    for _ in range(3):
        next(machine.job)
    assert machine.history.ranges() == [(0, 11)]


def test_one_picture_is_a_source_too():
    machine = Machine(frames=1)
    seen = machine.until(at_end)
    assert [e.seen.index for e in seen if isinstance(e, Played)] == [0, 0]
    machine.close()


def test_the_summary_grows_with_the_history_and_starts_again_when_something_was_forgotten():
    history = History()
    summary = Summary(history, fps=10.0)
    for index in range(5):
        history.keep(TrackedFrame(np.zeros((4, 4, 3), np.uint8), index, index / 10, one_track(7, index)))
    assert summary.update()
    row = summary.rows[7]
    assert (row.frames, row.last_s) == (5, 0.4)
    assert row.path == pytest.approx(4.0)
    assert row.speed == pytest.approx(10.0)
    times, counts = summary.counts()
    assert times.tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert counts[0].tolist() == [1, 1, 1, 1, 1]
    assert not summary.update()
    history.forget_from(2)
    assert summary.update()
    assert summary.rows[7].frames == 2


def test_a_live_history_is_bounded():
    history = History(limit=10)
    for index in range(100):
        history.keep(TrackedFrame(np.zeros((1, 1, 3), np.uint8), index, index / 10, one_track(1, index)))
    assert sorted(history.frames) == list(range(90, 100))
    assert len(history.log) <= 20


def test_ranges_join_when_the_gap_is_filled():
    history = History()
    for index in (0, 1, 5, 6, 2, 4, 3):
        history.keep(TrackedFrame(np.zeros((1, 1, 3), np.uint8), index, 0.0, Tracks.none()))
    assert history.ranges() == [(0, 6)]
