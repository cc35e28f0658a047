"""Methods over categories: fit each, examine every test picture, and say in figures how right it is and how fast."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.errors import SightlineError
from engine.inspection.knobs import FitKnobs
from engine.inspection.metrics import (
    PixelScores,
    auroc,
    average_precision,
    best_f1,
    precision_recall_curve,
    roc_curve,
)
from engine.inspection.pictures import read_mask
from engine.inspection.results import (
    AVERAGE,
    Bank,
    Example,
    PictureScore,
    Result,
    average,
    method_names,
    to_csv,
    to_json,
)
from engine.inspection.retrieval import Retrieval
from engine.inspection.showing import bank_of, small_enough
from engine.inspection.types import Category, Image, Item, NearPatch, Verdict
from engine.job import Job, Notice, Progress

__all__ = ["AVERAGE", "Example", "PictureScore", "Result", "average", "evaluate", "method_names", "to_csv", "to_json"]

_TELL_S = 0.05


class Examiner(Protocol):
    """What is needed of a fitted model; `engine.inspection.model.FittedModel` is one."""

    def read(self, path: Path) -> Image: ...

    def examine(self, image: Image, name: str = "") -> Verdict: ...

    def nearest_patches(self, image: Image, x: int, y: int, top: int = 6) -> tuple[NearPatch, ...]: ...

    def close(self) -> None: ...


Fit = Callable[..., Job[Any]]
"""As `engine.inspection.fit.fit`: (category, knobs, *, name, device, seed), returns an `Examiner`."""


def evaluate(
    categories: Sequence[Category],
    settings: Sequence[FitKnobs],
    *,
    device: str = "auto",
    seed: int = 0,
    fit: Fit | None = None,
    examples: int = 0,
) -> Job[tuple[Result, ...]]:
    """Fit every method on every category and measure it on the test pictures.

    Pixel figures are of the raw maps at each picture's own size, against the masks as they are; memory is bounded by
    `PixelScores`, whatever the number and size of the pictures. What a method does not look at (beyond its region of
    interest or centre crop) is not in them, as in PatchCore's own evaluation, which crops the masks. A picture that
    cannot be read, a defect without a mask and a category that cannot be fitted are left out and said in a `Notice`.
    Only one model is there at a time.

    Args:
        categories: in the order of the results.
        settings: of the methods, in their order.
        device: where the networks run.
        seed: of every fit.
        fit: makes a model; None is `engine.inspection.fit.fit`.
        examples: how many test pictures each result keeps with picture, map and nearest good patches: the worst of the
            wrong ones, then the plainest of each kind. Above 0 a result of PatchCore keeps pictures of its memory bank
            as well, and one of a model that makes vectors the test pictures that look most like its examples.

    Yields:
        `Progress` in pictures of the whole run, `Notice`, and a `Result` as soon as it is there: for each category each
        method; at the end for each method the average over the categories.

    Returns:
        All results in the same order.

    Raises:
        SightlineError: no category could be evaluated.
    """
    make = fit if fit is not None else _own_fit()
    clock = _Clock(categories, settings)
    found: list[tuple[int, Result]] = []
    failed: SightlineError | None = None
    for category in categories:
        for number, knobs in enumerate(settings):
            clock.begin()
            run = _Run(category, clock.names[number], knobs, clock, examples)
            try:
                result = yield from run.through(make, device, seed)
            except SightlineError as error:
                failed = error
                yield Notice(f"{run.title} is left out: {error}")
            else:
                found.append((number, result))
                yield result
            clock.end()
    if not found:
        raise failed or SightlineError("There is nothing to evaluate: choose a category and a method.")
    results = [result for _, result in found]
    for number in range(len(settings)):
        of_method = [result for at, result in found if at == number]
        if of_method:
            results.append(average(of_method))
            yield results[-1]
    return tuple(results)


def _own_fit() -> Fit:
    from engine.inspection.fit import fit

    return fit


class _Run:
    """One method on one category."""

    def __init__(self, category: Category, method: str, knobs: FitKnobs, clock: "_Clock", examples: int) -> None:
        self.title = f"{category.name}, {method}"
        self._category, self._method, self._knobs = category, method, knobs
        self._clock, self._examples = clock, examples
        self._retrieval = Retrieval(category.name, self.title)

    def through(self, fit: Fit, device: str, seed: int) -> Job[Result]:
        if not self._category.test:
            raise SightlineError(f"There are no test pictures in {self._category.folder}: add some to its test folder.")
        begun = time.perf_counter()
        model: Examiner = yield from self._fitting(fit, device, seed)
        fit_s = time.perf_counter() - begun
        self._clock.fitted()
        try:
            return (yield from self._measure(model, fit_s))
        finally:
            model.close()

    def _fitting(self, fit: Fit, device: str, seed: int) -> Job[Any]:
        with closing(fit(self._category, self._knobs, name=self.title, device=device, seed=seed)) as job:
            while True:
                try:
                    event = next(job)
                except StopIteration as end:
                    return end.value
                if isinstance(event, Progress):
                    yield self._clock.fitting(f"{self.title}: {event.what}", event)
                elif isinstance(event, Notice):
                    yield Notice(f"{self.title}: {event.text}")

    def _measure(self, model: Examiner, fit_s: float) -> Job[Result]:
        test = self._category.test
        pixels = PixelScores()
        masked = any(item.abnormal and item.mask is not None for item in test)
        scores: list[PictureScore] = []
        unmasked: list[str] = []
        spent = 0.0
        told = -1.0
        for done, item in enumerate(test):
            if time.perf_counter() - told > _TELL_S:
                yield self._clock.examining(f"{self.title}: examining", done)
                told = time.perf_counter()
            try:
                image = model.read(item.path)
                begun = time.perf_counter()
                verdict = model.examine(image, str(item.path))
            except SightlineError as error:
                yield Notice(f"{self.title}: a picture is left out. {error}")
                continue
            spent += time.perf_counter() - begun
            scores.append(PictureScore(item, verdict.score, verdict.raw))
            if self._examples:
                yield from self._retrieval.add(model, item, image, verdict)
            if masked:
                yield from self._add(pixels, item, verdict, unmasked)
        if not scores:
            raise SightlineError(f"None of the {len(test)} test pictures can be examined: look at {test[0].path}.")
        yield from self._say_what_lacks(scores, masked, unmasked)
        yield self._clock.examining(f"{self.title}: counting", len(test))
        pixel_figures = (pixels.auroc(), pixels.aupro()) if masked else (None, None)
        return (yield from self._result(model, scores, pixel_figures, fit_s, 1e3 * spent / len(scores)))

    def _add(self, pixels: PixelScores, item: Item, verdict: Verdict, unmasked: list[str]) -> Iterator[Notice]:
        """Count the pixels of a good picture, or of a defect whose mask is there and can be read."""
        mask = None
        if item.abnormal:
            if item.mask is None:
                unmasked.append(item.path.name)
                return
            try:
                mask = read_mask(item.mask, verdict.raw_map.shape)
            except SightlineError as error:
                unmasked.append(item.path.name)
                yield Notice(f"{self.title}: {error}")
                return
            if not mask.any():
                yield Notice(f"{self.title}: the mask {item.mask.name} is empty, all its pixels count as good.")
        seen = verdict.map > 0
        pixels.add(verdict.raw_map, mask, None if seen.all() else seen)

    def _say_what_lacks(self, scores: list[PictureScore], masked: bool, unmasked: list[str]) -> Iterator[Notice]:
        bad = sum(seen.item.abnormal for seen in scores)
        if not bad:
            yield Notice(f"{self.title}: no defective test picture is there, so it has neither AUROC nor F1.")
        elif bad == len(scores):
            yield Notice(f"{self.title}: no good test picture is there, so it has neither AUROC nor F1.")
        if bad and not masked:
            yield Notice(f"{self.title}: the defects have no masks, so it has no pixel figures.")
        elif unmasked:
            names = ", ".join(unmasked[:3]) + (" ..." if len(unmasked) > 3 else "")
            yield Notice(f"{self.title}: {len(unmasked)} without a mask are not in the pixel figures: {names}.")

    def _result(
        self,
        model: Examiner,
        seen: list[PictureScore],
        pixels: tuple[float | None, float | None],
        fit_s: float,
        ms: float,
    ) -> Job[Result]:
        scores, truth = [one.score for one in seen], [one.item.abnormal for one in seen]
        best = best_f1(scores, truth)
        wrong: list[PictureScore] = []
        if best is not None:
            wrong = [one for one in seen if (one.score >= best.threshold) != one.item.abnormal]
            wrong.sort(key=lambda one: -abs(one.score - best.threshold))
        roc, precision = roc_curve(scores, truth), precision_recall_curve(scores, truth)
        examples, bank = yield from self._for_a_report(model, _worth_showing(seen, wrong, self._examples))
        return Result(
            category=self._category.name,
            method=self._method,
            knobs=self._knobs,
            images=len(seen),
            image_auroc=auroc(scores, truth),
            average_precision=average_precision(scores, truth),
            pixel_auroc=pixels[0],
            aupro=pixels[1],
            f1=best.f1 if best is not None else None,
            threshold=best.threshold if best is not None else None,
            fit_s=fit_s,
            ms_per_image=ms,
            roc=roc.thinned() if roc is not None else None,
            precision_recall=precision.thinned() if precision is not None else None,
            scores=tuple(seen),
            wrong=tuple(wrong),
            examples=examples,
            similar=self._retrieval.similar([example.item for example in examples]),
            bank=bank,
            card=getattr(model, "card", None),
        )

    def _for_a_report(
        self, model: Examiner, chosen: Sequence[PictureScore]
    ) -> Job[tuple[tuple[Example, ...], Bank | None]]:
        total = len(self._category.test)
        examples: list[Example] = []
        for one in chosen:
            yield self._clock.examining(f"{self.title}: keeping examples", total)
            image = model.read(one.item.path)
            verdict = model.examine(image, str(one.item.path))
            mask = None
            if one.item.abnormal and one.item.mask is not None:
                # what is wrong with a mask was said when the pixels were counted
                with suppress(SightlineError):
                    mask = read_mask(one.item.mask, verdict.map.shape)
            nearest = model.nearest_patches(image, *verdict.hottest)
            examples.append(small_enough(Example(one.item, image, verdict, nearest, mask)))
        bank = None
        if self._examples:
            with closing(bank_of(model)) as job:
                while True:
                    try:
                        next(job)
                    except StopIteration as end:
                        bank = end.value
                        break
                    yield self._clock.examining(f"{self.title}: drawing the memory bank", total)
        return tuple(examples), bank


def _worth_showing(seen: list[PictureScore], wrong: list[PictureScore], count: int) -> list[PictureScore]:
    """Half of them the worst wrong ones, then the plainest of each kind in turn, good ones (the lowest) last."""
    kinds = sorted({one.item.kind for one in seen if one.item.abnormal})
    of_kind = [sorted((one for one in seen if one.item.kind == kind), key=lambda one: -one.score) for kind in kinds]
    of_kind.append(sorted((one for one in seen if not one.item.abnormal), key=lambda one: one.score))
    plainest = [row[at] for at in range(max(map(len, of_kind))) for row in of_kind if at < len(row)]
    chosen: dict[Item, PictureScore] = {}
    for one in [*wrong[: count // 2], *plainest]:
        if len(chosen) < count:
            chosen.setdefault(one.item, one)
    return list(chosen.values())


@dataclass(slots=True)
class _Pace:
    """Seconds a picture of one method: to fit on it, to examine it; None while unknown."""

    fit: float | None = None
    look: float | None = None


class _Clock:
    """How far a whole evaluation is and how long it takes still, judged by what has been done so far."""

    def __init__(self, categories: Sequence[Category], settings: Sequence[FitKnobs]) -> None:
        self.names = method_names(settings)
        self._sizes = [(len(category.train), len(category.test)) for category in categories]
        self._paces = [_Pace() for _ in settings]
        self._runs = [(at, number) for at in range(len(categories)) for number in range(len(settings))]
        self._total = len(settings) * sum(train + test for train, test in self._sizes)
        self._at = 0
        self._before = 0
        self._stage = ""
        self._stages = 0
        self._begun = self._looking = 0.0

    def begin(self) -> None:
        """The next run begins."""
        self._stage, self._stages, self._begun = "", 0, time.perf_counter()

    def end(self) -> None:
        """The run is over."""
        self._before += sum(self._size)
        self._at += 1

    def fitted(self) -> None:
        """The run's model is there."""
        self._looking = time.perf_counter()
        self._pace.fit = (self._looking - self._begun) / max(1, self._size[0])

    def fitting(self, what: str, event: Progress) -> Progress:
        """Where the run is inside its fit.

        Nobody knows how many stages a fit has: each takes half of what is left of the training pictures' share.
        """
        if what != self._stage:
            self._stage, self._stages = what, self._stages + 1
        rest = 0.5 ** (self._stages - 1)
        train, test = self._size
        share = 1 - rest * (1 - 0.5 * (event.share or 0.0))
        left = self._left(train, test)
        return Progress(
            what, self._before + share * train, self._total, "pictures", event.left_s if left is None else left
        )

    def examining(self, what: str, done: int) -> Progress:
        """So many pictures of the run were examined."""
        train, test = self._size
        if done:
            self._pace.look = (time.perf_counter() - self._looking) / done
        return Progress(what, self._before + train + done, self._total, "pictures", self._left(0, test - done))

    @property
    def _size(self) -> tuple[int, int]:
        return self._sizes[self._runs[self._at][0]]

    @property
    def _pace(self) -> _Pace:
        return self._paces[self._runs[self._at][1]]

    def _left(self, train: int, test: int) -> float | None:
        """Seconds for that many pictures of this run and all runs after it; None while nothing was finished."""
        spent = time.perf_counter() - self._begun if train else 0.0
        left = 0.0
        for at, (category, number) in enumerate(self._runs[self._at :]):
            sizes = self._sizes[category] if at else (train, test)
            for count, name in zip(sizes, ("fit", "look"), strict=True):
                pace = self._known(number, name)
                if count and pace is None:
                    return None
                left += count * (pace or 0.0) - (spent if not at and name == "fit" else 0.0)
                left = max(0.0, left)
        return left

    def _known(self, number: int, name: str) -> float | None:
        """A method's pace; of one that has not run yet the mean of the others."""
        own: float | None = getattr(self._paces[number], name)
        if own is not None:
            return own
        known = [pace for other in self._paces if (pace := getattr(other, name)) is not None]
        return sum(known) / len(known) if known else None
