"""Similar cases for a page: the jobs that ask the gallery (a `Shelf`), change it and fill it.

A fitted model stays on the thread that owns it: what is wanted of it is put as a `Lend`, and a job waits for the
answer. A gallery may be called from any thread, but not from the one that paints.

A page imports this before its first paint: what is heavy is imported where it is used.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import SightlineError
from engine.inspection.gallery import DEFECT, Case, Filter, Neighbour, case_id
from engine.inspection.shelf import LOOK_S, Facts, Shelf
from engine.inspection.types import Image, Map, Verdict
from engine.job import Job

if TYPE_CHECKING:
    from engine.inspection.cases import Labelled
    from engine.inspection.model import FittedModel, ModelCard

FIVE = 5
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Lend:
    """Question: do this with the model, on the thread that owns it.

    Attributes:
        work: takes the model, None where there is none; what it returns is the answer, what it raises too.
        answer: done once it was; cancelled before, the work is not begun.
    """

    work: Callable[["FittedModel | None"], Any]
    answer: "Future[Any]" = field(default_factory=Future)

    def give(self, model: "FittedModel | None") -> None:
        """Do it; for the thread that owns the model."""
        if self.answer.set_running_or_notify_cancel():
            try:
                self.answer.set_result(self.work(model))
            except Exception as error:
                self.answer.set_exception(error)


def answered(lend: Lend) -> Job[Any]:
    """Wait for what was lent; stopping it cancels the question.

    Raises:
        Exception: what the work raised.
    """
    try:
        while not wait([lend.answer], LOOK_S).done:
            yield None
        return lend.answer.result()
    finally:
        lend.answer.cancel()


@dataclass(frozen=True, slots=True)
class Subject:
    """What similar cases are asked for.

    Attributes:
        name: path of the picture, or what else it is called.
        image: (H, W, 3) uint8 BGR, never written again.
        verdict: of it; None lets the model look at it.
        kind: of it, where somebody said so, else "".
        region: the part that is asked about; None is what is abnormal.
    """

    name: str
    image: Image
    verdict: Verdict | None = None
    kind: str = ""
    region: Box | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What the gallery says.

    Attributes:
        neighbours: the most similar first.
        kind: of the picture: as it was given, else as the gallery knows it, else "".
        known: whether the picture itself is a case.
        own: cases of the present fit of the model.
        facts: of the gallery.
    """

    neighbours: tuple[Neighbour, ...]
    kind: str
    known: bool
    own: int
    facts: Facts


def looking(subject: Subject) -> Lend:
    """What the model has to say of a subject before the gallery can be asked."""

    def work(model: "FittedModel | None") -> "tuple[ModelCard, Any, Any] | None":
        if model is None:
            return None
        verdict = subject.verdict or model.examine(subject.image, subject.name)
        return model.card, *model.vectors(subject.image, verdict, subject.region)

    return Lend(work)


def asking(
    shelf: Shelf, lend: Lend, subject: Subject, embedding: str, where: Filter, *, this_model: bool, top: int = FIVE
) -> Job[Found | None]:
    """The cases most like a subject; the picture itself is left out.

    Args:
        shelf: the gallery.
        lend: `looking(subject)`, which was put to the model's thread.
        subject: what is asked for.
        embedding: "defect" or "whole"; a region is always compared with what is abnormal.
        where: which cases; its model is filled in here.
        this_model: only cases of the present fit of the model.
        top: how many.

    Returns:
        None where there is no model.
    """
    from engine.inspection.cases import known_key

    looked = yield from answered(lend)
    if looked is None:
        return None
    card, whole, defect = looked
    try:
        gallery = yield from shelf.opened({"whole": len(whole), "defect": len(defect)})
        facts = shelf.facts(gallery)
        key = known_key(gallery, card)
        own = facts.models.get(key, 0) if key is not None else 0
        cases = gallery.get([case_id(subject.name, key)]) if key is not None else []
        kind = subject.kind or (cases[0].kind if cases else "")
        if this_model and key is None:
            return Found((), kind, False, 0, facts)
        by = DEFECT if subject.region is not None else embedding
        wanted = replace(
            where,
            model=key if this_model and key else "",
            exclude_paths=(str(Path(subject.name).absolute()),),
        )
        found = gallery.similar(defect if by == DEFECT else whole, by, top, wanted)
    except SightlineError:
        # what went wrong once is opened anew the next time
        shelf.drop()
        raise
    return Found(tuple(found), kind, bool(cases), own, facts)


@dataclass(frozen=True, slots=True)
class Seen:
    """A case as its tile shows it.

    Attributes:
        path: of its picture.
        fit: the fit of the model that made the map.
        picture: (h, w, 3) uint8 BGR, the part around its hottest spot; None where the file is gone or no picture.
        map: (h, w) float32 in 0..1, the same part; None where the model is another one.
    """

    path: str
    fit: str
    picture: Image | None
    map: Map | None


def seeing(cases: Sequence[Case], size: tuple[int, int]) -> list[Lend]:
    """What the model's thread has to do so that cases can be shown with their overlays: a `Seen` each.

    Args:
        cases: whose pictures are read and examined anew; only the present model's have a map.
        size: width, height of the small pictures.
    """
    return [Lend(partial(_seen, case, size)) for case in cases]


def showing(lends: Sequence[Lend]) -> Job[None]:
    """Yield each `Seen` as it comes; stopping it cancels the rest."""
    try:
        for lend in lends:
            yield (yield from answered(lend))
    finally:
        for lend in lends:
            lend.answer.cancel()


def _seen(case: Case, size: tuple[int, int], model: "FittedModel | None") -> Seen:
    from engine.inspection.pictures import read_any

    path = Path(case.path)
    fit = model.card.fitted if model is not None else ""
    try:
        image = model.read(path) if model is not None else read_any(path)
        own = model is not None and case.model.rpartition("@")[2] == fit
        verdict = model.examine(image, case.path) if model is not None and own else None
    except SightlineError:
        return Seen(case.path, fit, None, None)
    if verdict is None:
        return Seen(case.path, fit, cut_out(image, size), None)
    height, width = image.shape[:2]
    # what is abnormal is never cut away
    spot = verdict.hottest if verdict.abnormal else (width // 2, height // 2)
    return Seen(case.path, fit, cut_out(image, size, spot), cut_out(verdict.map, size, spot))


def cut_out(array: Any, size: tuple[int, int], spot: tuple[int, int] | None = None) -> Any:
    """Cut a part out of a picture or a map and make it this large (width, height).

    Args:
        array: (H, W) or (H, W, 3).
        size: width, height; the part is as large as can be in these proportions.
        spot: x, y of the pixel that is to lie as near the middle as can be; None is the middle itself.
    """
    import cv2

    width, height = size
    have_h, have_w = array.shape[:2]
    scale = max(width / have_w, height / have_h)
    w, h = min(have_w, max(1, round(width / scale))), min(have_h, max(1, round(height / scale)))
    left, top = (have_w - w) // 2, (have_h - h) // 2
    if spot is not None:
        left, top = min(max(0, spot[0] - w // 2), have_w - w), min(max(0, spot[1] - h // 2), have_h - h)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(array[top : top + h, left : left + w], (width, height), interpolation=how)


def making(subject: Subject, labelled: "Labelled") -> Lend:
    """A case of a subject, for `putting_in`."""

    def work(model: "FittedModel | None") -> Case:
        from engine.inspection.cases import case_of_verdict

        if model is None:
            raise SightlineError("No model is open: fit or open one, then put the picture in.")
        verdict = subject.verdict or model.examine(subject.image, subject.name)
        return case_of_verdict(model, labelled, subject.image, verdict)

    return Lend(work)


def putting_in(shelf: Shelf, lend: Lend) -> Job[Case]:
    """Put one picture into the gallery, which is made where there is none; returns the case."""
    case: Case = yield from answered(lend)
    assert case.whole is not None
    assert case.defect is not None
    gallery = yield from shelf.opened({"whole": len(case.whole), "defect": len(case.defect)})
    fit = case.model.rpartition("@")[2]
    # a model that was moved is known to the gallery by where it was
    key = next((key for key in gallery.models() if key == case.model or key.rpartition("@")[2] == fit), case.model)
    case = replace(case, model=key)
    gallery.add([case])
    shelf.changed()
    return case


def labelling(shelf: Shelf, ids: Sequence[str], kind: str) -> Job[None]:
    """Say what kind cases are."""
    gallery = yield from shelf.opened()
    try:
        for id in ids:
            gallery.label(id, kind)
    finally:
        shelf.changed()


def relabelling(shelf: Shelf, path: str, kind: str) -> Job[None]:
    """Say what kind the cases of a picture are, whatever the model; one that is no case is left alone."""
    gallery = yield from shelf.opened()
    for key in gallery.models():
        for case in gallery.get([case_id(path, key)]):
            if case.kind != kind:
                gallery.label(case.id, kind)
                shelf.changed()


def taking_out(shelf: Shelf, ids: Sequence[str]) -> Job[list[Case]]:
    """Take cases out; returns them with their vectors, so that they can be put back."""
    gallery = yield from shelf.opened()
    cases = gallery.get(ids, vectors=True)
    gallery.remove(ids)
    shelf.changed()
    return cases


def putting_back(shelf: Shelf, cases: Sequence[Case]) -> Job[None]:
    """Put back what was taken out."""
    gallery = yield from shelf.opened()
    gallery.add(cases)
    shelf.changed()


def filling_from(shelf: Shelf, folder: Path, device: str, find: "Callable[[], Sequence[Labelled]]") -> Job[int]:
    """Inspect pictures with the model in a folder and put them in; returns how many.

    The model is opened once more, so that the page can go on with its own meanwhile.

    Args:
        shelf: the gallery; made where there is none.
        folder: of the model.
        device: where it runs.
        find: says which pictures; called on the job's thread.
    """
    from engine.inspection.cases import indexing, vector_lengths
    from engine.inspection.keeping import open_model

    pictures = find()
    model = yield from open_model(folder, device)
    try:
        gallery = yield from shelf.opened(vector_lengths(model))
        try:
            return (yield from indexing(model, gallery, pictures))
        finally:
            shelf.changed()
    finally:
        model.close()
