"""`inspect fit | score | evaluate | index | similar | export`: what the page Inspect does, without a window.

A picture that was named and cannot be read makes the status 2, after the others have been done; one that was only found
in a folder is left out with a notice, unless no picture is left.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands_base import Parser, Show, add_command, fraction, positive, say, told
from engine.errors import SightlineError
from engine.job import Job, Notice, Progress

if TYPE_CHECKING:
    from engine.inspection.knobs import FitKnobs
    from engine.inspection.types import Category

_LEAST_SIZE = 32
_EXAMPLES = 8
"""Pictures of each category and method that a report shows."""


def add_inspect(commands: Any) -> None:
    """Add the command and its parts to the parsers."""
    parser = commands.add_parser(
        "inspect", help="find what is abnormal, and similar cases", prog="main.py inspect",
        description="Find what is abnormal, and similar cases.",
    )  # fmt: skip
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART", parser_class=Parser)

    fit = add_command(parts, "fit", "learn from good pictures", within="inspect")
    fit.add_argument(
        "folder", metavar="FOLDER", help="a category, a folder of good pictures, or a root with one category"
    )
    fit.add_argument("--method", metavar="patchcore|efficientad|NAME", help="or an image model of anomalib")
    _add_knobs(fit)
    fit.add_argument("--out", type=Path, metavar="MODEL", help="the model's folder (default: among the kept models)")
    fit.add_argument("--name", default="", help="that a person reads")
    fit.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="keep the state of a training there, and go on")

    score = add_command(parts, "score", "judge pictures", within="inspect")
    score.add_argument("model", metavar="MODEL", type=Path)
    score.add_argument("images", metavar="IMAGE", nargs="+", help="a picture, or a folder of them")
    score.add_argument("--maps", type=Path, metavar="FOLDER", help="write STEM.npy and STEM.png of each picture there")
    score.add_argument("--threshold", type=fraction, help="other than the model's own, 0..1")

    evaluate = add_command(parts, "evaluate", "fit and measure, category by category", within="inspect")
    evaluate.add_argument("root", metavar="ROOT", help="a data set laid out as MVTec AD, or one category")
    evaluate.add_argument("--categories", metavar="A,B", type=_words, help="only these")
    evaluate.add_argument("--methods", metavar="A,B", type=_words, help="one after the other (default patchcore)")
    _add_knobs(evaluate)
    evaluate.add_argument("--report", type=Path, metavar="FILE.html", help="write a report with pictures")
    evaluate.add_argument("--csv", type=Path, metavar="FILE", help="write the table")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write all numbers, curves and scores too")

    index = add_command(parts, "index", "put pictures into a gallery", within="inspect")
    index.add_argument("model", metavar="MODEL", type=Path)
    index.add_argument("folders", metavar="FOLDER", nargs="+", help="laid out as MVTec AD, or called after the kind")
    _add_gallery(index)

    similar = add_command(parts, "similar", "find the cases most like a picture", within="inspect")
    similar.add_argument("images", metavar="IMAGE", nargs="+")
    similar.add_argument("--model", type=Path, metavar="MODEL", help="default: the one the gallery was made with")
    _add_gallery(similar)
    similar.add_argument("--top", type=positive, default=5, help="how many (default 5)")
    similar.add_argument("--kind", default="", help="only cases of this kind")
    similar.add_argument(
        "--embedding", choices=("defect", "whole"), default="defect", help="what is compared (default defect)"
    )
    similar.add_argument("--exclude-self", action="store_true", help="leave out the picture itself")

    export = add_command(parts, "export", "make a network of a model for other programs", within="inspect")
    export.add_argument("model", metavar="MODEL", type=Path)
    export.add_argument("file", metavar="FILE.onnx|FILE.xml", type=Path, help="ONNX, or OpenVINO")


def _add_knobs(parser: Any) -> None:
    """The settings of a fit; what is not given stays as `FitKnobs` has it."""
    parser.add_argument("--backbone", metavar="NAME", help="a network of torchvision or timm (default MobileNetV2)")
    parser.add_argument("--weights", metavar="FILE", help="of the backbone")
    parser.add_argument("--layers", metavar="A,B", type=_words, help="of the backbone, finest first")
    parser.add_argument("--coreset", type=_share, help="share of the patches that is kept, above 0 to 1")
    parser.add_argument("--size", type=_size, help=f"pixels a side, {_LEAST_SIZE} or more")
    parser.add_argument("--crop", type=_crop, metavar="N|none", help="centre crop after resizing, pixels")
    parser.add_argument("--steps", type=positive, metavar="N", help="of a training")
    parser.add_argument("--quantile", type=fraction, help="of the good pictures' scores that is the limit, 0..1")
    parser.add_argument("--neighbours", type=positive, metavar="N", help="of the reweighting; 1 switches it off")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="of network and search")
    parser.add_argument("--tile", type=_whole, metavar="N", help="cut larger pictures into tiles; 0 never does")
    parser.add_argument("--model-size", choices=("small", "medium"), dest="model_size", help="of EfficientAD")
    parser.add_argument("--teacher", metavar="FILE", help="EfficientAD's teacher weights")
    parser.add_argument("--pretraining", metavar="FOLDER", help="any pictures, for EfficientAD's penalty")


def _add_gallery(parser: Any) -> None:
    parser.add_argument("--gallery", metavar="FOLDER|ADDRESS", help="default: the one in Sightline's data folder")
    parser.add_argument("--key", default="", help="of a Qdrant server")


def _words(text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words:
        raise argparse.ArgumentTypeError("names are missing")
    return words


def _share(text: str) -> float:
    value = fraction(text)
    if value == 0:
        raise argparse.ArgumentTypeError("0 would keep nothing")
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number") from None


def _whole(text: str) -> int:
    value = _integer(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 on")
    return value


def _size(text: str) -> int:
    value = _integer(text)
    if value < _LEAST_SIZE:
        raise argparse.ArgumentTypeError(f"{text} is less than {_LEAST_SIZE} pixels")
    return value


def _crop(text: str) -> int:
    return 0 if text == "none" else _size(text)


def inspect(asked: argparse.Namespace, show: Show) -> Job[None]:
    """Run the part of the command that was asked for."""
    if asked.seed < 0:
        raise SightlineError(f"{asked.seed} is no seed; give 0 or a whole number above it.")
    yield from _PARTS[asked.part](asked, show)


def _knobs(asked: argparse.Namespace, **more: Any) -> "FitKnobs":
    from dataclasses import fields, replace

    from engine.inspection.knobs import FitKnobs

    known = {field.name for field in fields(FitKnobs)}
    given = {name: value for name, value in vars(asked).items() if name in known and value is not None}
    knobs = replace(FitKnobs(), **given, **more)
    if knobs.crop > knobs.size:
        raise SightlineError(f"A crop of {knobs.crop} pixels is larger than the size, {knobs.size}: make it smaller.")
    return knobs


def _fit(asked: argparse.Namespace, show: Show) -> Job[None]:
    from engine.inspection.dataset import read_any_folder

    knobs = _knobs(asked)
    if asked.out is not None:
        _check_place(asked.out)
    found = read_any_folder(Path(asked.folder))
    if len(found) > 1:
        names = ", ".join(category.name for category in found)
        raise SightlineError(f"{asked.folder} holds {len(found)} categories: give the folder of one of {names}.")
    yield from _fit_one(found[0], knobs, asked, show)


def _fit_one(category: "Category", knobs: "FitKnobs", asked: argparse.Namespace, show: Show) -> Job[None]:
    from dataclasses import replace

    from engine.inspection.fit import fit
    from engine.inspection.keeping import save_model
    from engine.inspection.labels import region_of

    knobs = replace(knobs, region=region_of(category))
    options = {"name": asked.name, "device": asked.device, "seed": asked.seed, "checkpoint": asked.checkpoint}
    with closing((yield from told(fit(category, knobs, **options), show))) as model:
        card = yield from told(save_model(model, asked.out), show)
    say(
        {
            "model": asked.out or card.folder, "method": card.method, "backbone": card.backbone or None,
            "images": card.pictures, "patches": card.patches or None, "fit_s": card.fit_s,
        }
    )  # fmt: skip


def _check_place(out: Path) -> None:
    """Say now, not after the fit, that a model cannot be kept there.

    Raises:
        SightlineError: it holds something else, or cannot be written.
    """
    from engine.inspection.keeping import is_model

    out = out.expanduser().absolute()
    if out.exists() and not is_model(out) and (not out.is_dir() or any(out.iterdir())):
        raise SightlineError(f"{out} holds something else than a model: choose another folder.")
    above = next(folder for folder in out.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise SightlineError(f"{out} cannot be written, because {above} cannot: choose another folder.")


def _check_file(path: Path | None) -> None:
    """The same for a file of results."""
    if path is None:
        return
    if path.is_dir():
        raise SightlineError(f"{path} is a folder: give a file's name.")
    if not path.absolute().parent.is_dir():
        raise SightlineError(
            f"There is no folder {path.absolute().parent}: make it, or choose another for {path.name}."
        )
    if not os.access(path.absolute().parent, os.W_OK):
        raise SightlineError(f"{path} cannot be written: choose another folder.")


class _Images:
    """The pictures that were given, in order; folders are opened up.

    Raises:
        SightlineError: a folder holds no picture.
    """

    def __init__(self, words: Sequence[str]) -> None:
        from engine.inspection.cases import pictures_at

        self.paths: list[Path] = []
        self._named: set[Path] = set()
        self._failed: list[SightlineError] = []
        self._done = 0
        for word in words:
            path = Path(word)
            if path.is_dir():
                self.paths += [shown.item.path for shown in pictures_at(path)]
            else:
                self.paths.append(path)
                self._named.add(path)
        if not any(path.exists() for path in self.paths):
            raise SightlineError(f"There is no file {self.paths[0]}: check the name and the folder.")

    def each(self, what: str, show: Show, do: Callable[[int, Path], None]) -> Iterator[Progress]:
        """Do something with each; yields `Progress`.

        Raises:
            SightlineError: a picture that was named could not be read, or none could; after all others were done.
        """
        begun = time.monotonic()
        last: SightlineError | None = None
        for index, path in enumerate(self.paths):
            try:
                do(index, path)
                self._done += 1
            except SightlineError as error:
                last = error
                if path in self._named:
                    self._failed.append(error)
                else:
                    show.event(Notice(f"Left out: {error}"))
            left = (time.monotonic() - begun) / (index + 1) * (len(self.paths) - index - 1)
            event = Progress(what, index + 1, len(self.paths), "pictures", left)
            if len(self.paths) > 1:
                show.event(event)
            yield event
        for one in self._failed[:-1]:
            show.line(str(one))
        if self._failed:
            raise self._failed[-1]
        if last is not None and not self._done:
            raise last


def _score(asked: argparse.Namespace, show: Show) -> Job[None]:
    from engine.inspection.keeping import open_model
    from engine.inspection.map_files import make_folder, map_stems, save_maps

    images = _Images(asked.images)
    with closing((yield from told(open_model(asked.model, asked.device), show))) as opened:
        model = opened if asked.threshold is None else opened.with_threshold(asked.threshold)
        stems = map_stems(images.paths)
        if asked.maps is not None:
            make_folder(asked.maps)

        def judge(index: int, path: Path) -> None:
            image = model.read(path)
            if not index:
                # compiles for this size, which is not the picture's time
                model.examine(image)
            verdict = model.examine(image, str(path))
            line = {
                "image": path, "score": verdict.score, "raw": verdict.raw, "threshold": verdict.threshold,
                "abnormal": verdict.abnormal, "hottest": verdict.hottest, "ms": sum(verdict.ms.values()),
            }  # fmt: skip
            if asked.maps is not None:
                line["map"], line["overlay"] = save_maps(asked.maps, stems[index], image, verdict)
            say(line, exact=True)

        yield from images.each("Inspecting", show, judge)


def _evaluate(asked: argparse.Namespace, show: Show) -> Job[None]:
    from engine.inspection.evaluate import Result, evaluate, to_csv, to_json
    from engine.inspection.report import write_report

    categories = _chosen(asked.root, asked.categories)
    settings = [_knobs(asked, method=method) for method in asked.methods or ("patchcore",)]
    for path in (asked.report, asked.csv, asked.json):
        _check_file(path)
    examples = _EXAMPLES if asked.report is not None else 0
    job = told(evaluate(categories, settings, device=asked.device, seed=asked.seed, examples=examples), show)
    results: tuple[Result, ...] = ()
    with closing(job):
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                results = end.value
                break
            if isinstance(event, Result):
                say(event.row(), exact=True)
            yield event
    if asked.csv is not None:
        to_csv(results, asked.csv)
    if asked.json is not None:
        to_json(results, asked.json)
    if asked.report is not None:
        yield from told(write_report(results, asked.report, seed=asked.seed), show)


def _chosen(root: str, names: Sequence[str] | None) -> list["Category"]:
    """The categories of a data set, all of them or those that are named, in that order."""
    from engine.inspection.dataset import read_any_folder

    found = {category.name: category for category in read_any_folder(Path(root))}
    unknown = [name for name in names or () if name not in found]
    if unknown:
        raise SightlineError(f"There is no category {', '.join(unknown)} in {root}: it has {', '.join(found)}.")
    return [found[name] for name in dict.fromkeys(names or found)]


def _index(asked: argparse.Namespace, show: Show) -> Job[None]:
    from engine.inspection.cases import indexing, pictures_at, vector_lengths
    from engine.inspection.gallery import opening
    from engine.inspection.keeping import open_model

    pictures = [shown for folder in asked.folders for shown in pictures_at(Path(folder))]
    where = _gallery(asked)
    begun = time.monotonic()
    with closing((yield from told(open_model(asked.model, asked.device), show))) as model:
        lengths = vector_lengths(model)
        with (yield from told(opening(where, asked.key, lengths=lengths), show)) as gallery:
            _note(gallery, show)
            added = yield from told(indexing(model, gallery, pictures), show)
            points = gallery.count()
    say({"gallery": where, "points": points, "added": added, "s": time.monotonic() - begun})


def _similar(asked: argparse.Namespace, show: Show) -> Job[None]:
    from engine.inspection.cases import recorded_model, similar_cases
    from engine.inspection.gallery import Filter, opening
    from engine.inspection.keeping import open_model

    images = _Images(asked.images)
    with (yield from told(opening(_gallery(asked), asked.key), show)) as gallery:
        _note(gallery, show)
        folder = asked.model or recorded_model(gallery)
        with closing((yield from told(open_model(folder, asked.device), show))) as model:

            def ask(_index: int, path: Path) -> None:
                image = model.read(path)
                where = Filter(
                    kinds=(asked.kind,) if asked.kind else (),
                    exclude_paths=(os.path.abspath(path),) if asked.exclude_self else (),  # noqa: PTH100
                )
                found = similar_cases(model, gallery, image, embedding=asked.embedding, top=asked.top, where=where)
                for near in found:
                    case = near.case
                    say(
                        {
                            "image": path, "rank": near.rank, "path": case.path, "category": case.category,
                            "kind": case.kind, "score": case.score, "similarity": near.similarity,
                        },
                        exact=True,
                    )  # fmt: skip

            yield from images.each("Asking", show, ask)


def _gallery(asked: argparse.Namespace) -> str:
    from engine.runtime import data_folder

    return asked.gallery or str(data_folder() / "gallery")


def _note(gallery: Any, show: Show) -> None:
    if gallery.note:
        show.line(gallery.note)


def _export(asked: argparse.Namespace, show: Show) -> Job[None]:
    from engine.inspection.export import export_model
    from engine.inspection.keeping import open_model

    with closing((yield from told(open_model(asked.model, asked.device), show))) as model:
        made = yield from told(export_model(model, asked.file), show)
    say({"file": made.path, "kind": made.kind, "size": made.size, "difference": made.difference}, exact=True)


_PARTS: dict[str, Callable[[argparse.Namespace, Show], Job[None]]] = {
    "fit": _fit,
    "score": _score,
    "evaluate": _evaluate,
    "index": _index,
    "similar": _similar,
    "export": _export,
}
