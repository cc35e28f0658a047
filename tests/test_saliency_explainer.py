"""The explainer: one thread holds the network, the newest question wins, what is under way gives way."""

import threading
import time
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import Progress
from engine.saliency.classifier import wrap
from engine.saliency.explainer import Explainer
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.questions import (
    Aside,
    Cell,
    Ended,
    Explain,
    Explained,
    Failed,
    Look,
    Opened,
    Seen,
    SeenFrame,
    Told,
    Use,
    Watch,
)
from engine.saliency.types import Target
from engine.weights.preprocessing import Preprocessing

SQUARE = Preprocessing(size=32, resize=32, fit="stretch", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def brightness():
    """Class 0 is the brightness of the left half, class 1 that of the right half."""
    import torch

    class Halves(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.same = torch.nn.Conv2d(3, 1, 1, bias=False)
            torch.nn.init.constant_(self.same.weight, 1 / 3)

        def forward(self, x):
            bright = self.same(x)
            half = bright.shape[-1] // 2
            return torch.stack([bright[..., :half].mean((1, 2, 3)), bright[..., half:].mean((1, 2, 3))], 1)

    return wrap(Halves(), ("left", "right"), SQUARE, title="halves", device="cpu")


def opening(classifier):
    def job():
        yield Progress("Opening")
        return classifier

    return Use(job, "halves")


def picture(left: int, right: int):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = left, right
    return image


def answers(explainer: Explainer, *questions: Any, until=Ended):
    """Put the questions, run until an event of this kind, and return all events."""
    for question in questions:
        explainer.ask(question)
    seen = []
    job = explainer.run()
    for event in job:
        if event is not None:
            seen.append(event)
        if isinstance(event, until):
            break
    job.close()
    return seen


def only(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_a_picture_its_classes_and_its_maps():
    wanted = Explain((Cell("grad_cam"), Cell("integrated_gradients", Target(1))))
    events = answers(Explainer(), opening(brightness()), Look("a", picture(250, 10)), wanted)
    assert only(events, Opened)
    seen = only(events, Seen)[-1]
    assert seen.prediction.names[seen.prediction.top(1)[0]] == "left"
    maps = {event.place: event.explanation for event in only(events, Explained) if event.explanation.done}
    # the first follows the likeliest class: the left half speaks for it
    assert maps[0].target == Target(0)
    assert maps[0].values[:, :16].sum() > maps[0].values[:, 16:].sum()
    assert maps[1].target == Target(1)
    assert abs(maps[1].values[:, :16]).max() == 0


def test_a_picture_waits_for_its_network():
    explainer = Explainer()
    events = answers(explainer, Look("a", picture(250, 10)), until=Seen)
    assert events[-1].prediction is None
    events = answers(explainer, Explain((Cell("grad_cam"),)), opening(brightness()))
    assert only(events, Seen)[-1].prediction is not None
    assert only(events, Explained)


def test_of_two_pictures_at_once_the_newest_wins():
    explainer = Explainer()
    explainer.ask(Look("old", picture(1, 2)))
    events = answers(explainer, opening(brightness()), Look("new", picture(250, 10)), Explain((Cell("grad_cam"),)))
    assert {event.name for event in only(events, Explained)} == {"new"}


def test_a_new_question_stops_the_one_that_is_under_way():
    explainer = Explainer()
    answers(explainer, opening(brightness()), until=Opened)
    slow = ExplainKnobs(steps=800, double=False)
    explainer.ask(Look("slow", picture(250, 10)))
    explainer.ask(Explain((Cell("integrated_gradients"),), slow))
    job = explainer.run()
    for event in job:
        if isinstance(event, Explained):
            break
    explainer.ask(Look("next", picture(10, 250)))
    after = []
    for event in job:
        after.append(event)
        if isinstance(event, Seen):
            break
    job.close()
    # not one more map of the first picture comes after the second was asked for
    assert not [event for event in only(after, Explained) if event.name == "slow"]


def test_a_map_that_is_there_is_not_made_again():
    explainer = Explainer()
    answers(explainer, opening(brightness()), Look("a", picture(250, 10)), Explain((Cell("grad_cam"),)))
    again = answers(explainer, Explain((Cell("grad_cam"), Cell("grad_cam", Target(1)))))
    first = answers(explainer, Explain((Cell("grad_cam"),)))
    assert only(again, Explained)[0].explanation is only(first, Explained)[0].explanation
    # a knob that the method does not read changes nothing, one that it reads does
    kept = answers(explainer, Explain((Cell("grad_cam"),), ExplainKnobs(steps=100)))
    assert only(kept, Explained)[0].explanation is only(first, Explained)[0].explanation
    other = answers(explainer, Explain((Cell("grad_cam"),), ExplainKnobs(relu=True)))
    assert only(other, Explained)[0].explanation is not only(first, Explained)[0].explanation


def test_one_map_that_cannot_be_made_leaves_the_others():
    wanted = Explain((Cell("grad_cam"), Cell("integrated_gradients")), ExplainKnobs(layer="nothing"))
    events = answers(Explainer(), opening(brightness()), Look("a", picture(250, 10)), wanted)
    refused = only(events, Failed)
    assert [event.place for event in refused] == [0]
    assert "no layer nothing" in str(refused[0].error)
    assert {event.place for event in only(events, Explained)} == {1}


def test_a_file_that_is_no_picture_is_one_sentence(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    explainer = Explainer()
    answers(explainer, opening(brightness()), until=Opened)
    events = answers(explainer, Look(str(path)), until=Failed)
    assert path.name in str(events[-1].error)


def test_a_network_that_cannot_be_opened_leaves_the_one_before():
    def broken():
        yield Progress("Opening")
        raise SightlineError("There is no file x: check the path.")

    explainer = Explainer()
    answers(explainer, opening(brightness()), Look("a", picture(250, 10)), until=Seen)
    events = answers(explainer, Use(broken, "x"), until=Failed)
    assert "no file x" in str(events[-1].error)
    assert only(answers(explainer, Explain((Cell("grad_cam"),))), Explained)


def test_what_takes_longer_runs_while_nothing_else_is_asked():
    def count(bench):
        yield from range(3)
        return bench.prediction.top(1)

    explainer = Explainer()
    answers(explainer, opening(brightness()), Look("a", picture(250, 10)), Explain((Cell("grad_cam"),)))
    told = only(answers(explainer, Aside("count", count), until=Told), Told)
    assert told[0].event == 0
    events = []
    job = explainer.run()
    explainer.ask(Aside("count", count))
    for event in job:
        events.append(event)
        if isinstance(event, Told) and event.done:
            break
    job.close()
    assert [event.event for event in only(events, Told)] == [0, 1, 2, [0]]


def test_aside_without_a_picture_is_one_sentence():
    events = answers(Explainer(), Aside("count", lambda _bench: iter(())), until=Failed)
    assert "no picture" in str(events[-1].error)


def test_an_idle_explainer_ends():
    begun = time.monotonic()
    assert [event for event in Explainer(linger_s=0.1).run() if event is not None] == []
    assert time.monotonic() - begun < 5


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "halves.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(6):
        writer.write(picture(250, 10) if number < 3 else picture(10, 250))
    writer.release()
    return path


def test_a_video_is_explained_frame_by_frame(clip):
    explainer = Explainer()
    answers(explainer, opening(brightness()), until=Opened)
    frames = []
    job = explainer.run()
    explainer.ask(Watch(str(clip)))
    for event in job:
        if isinstance(event, SeenFrame):
            frames.append(event)
        if len(frames) == 6:
            break
    job.close()
    assert [event.frame.index for event in frames] == list(range(6))
    assert [event.target for event in frames] == [Target(0)] * 3 + [Target(1)] * 3
    assert frames[0].values[:, :16].mean() > frames[0].values[:, 16:].mean()


def test_a_held_video_answers_and_goes_on(clip):
    explainer = Explainer()
    answers(explainer, opening(brightness()), until=Opened)
    explainer.playing = False
    explainer.ask(Watch(str(clip)))
    job = explainer.run()
    waited = 0
    for event in job:
        waited = waited + 1 if event is None else 0
        if waited > 3:
            break
    # a picture takes the place of the video
    explainer.ask(Look("a", picture(10, 250)))
    assert any(isinstance(event, Seen) for event, _n in zip(job, range(50), strict=False))
    job.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("sightline")]


def test_another_network_explains_the_same_picture():
    explainer = Explainer()
    answers(explainer, opening(brightness()), Look("a", picture(250, 10)), Explain((Cell("grad_cam"),)))
    renamed = replace(brightness(), names=("west", "east"))
    events = answers(explainer, opening(renamed))
    assert only(events, Seen)[-1].prediction.names == ("west", "east")
    assert only(events, Explained)
