"""Any image model of anomalib by its name: fitted through anomalib's Engine, kept as plain tensors, opened again.

Importing anomalib takes ten seconds and more, so it is done in the background, when it is wanted, and said. The Engine
runs beside the job: its progress comes through a callback of Lightning, and closing the job stops it at the next batch.
What a model does between batches (a coreset, a covariance) cannot be stopped; it ends by itself and is dropped. All
files that it writes lie in a temporary folder, and it gets no weights but those that are here (`anomalib_weights`).
"""

import contextlib
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.anomalib_engine import quiet, run
from engine.inspection.anomalib_table import TABLE, AnomalibModel, anomalib_names, choose, find_model, why_not
from engine.inspection.anomalib_weights import weights_at_hand
from engine.inspection.knobs import AUTO, FitKnobs
from engine.inspection.preparation import PictureSet
from engine.inspection.scorer import Scored
from engine.job import Job, Notice, Progress
from engine.media.aside import Line, aside
from engine.samples.pictures import training_pictures
from engine.weights.networks import asks_for_code

__all__ = ["AnomalibScorer", "anomalib_names", "fit_anomalib", "load_anomalib", "open_anomalib_checkpoint", "why_not"]

Array = NDArray[np.float32]
_LOADING = Progress("Loading anomalib")
_COMPONENTS = ("pre_processor", "post_processor", "evaluator", "visualizer")


class AnomalibScorer:
    """A fitted model of anomalib.

    Args:
        module: the Lightning module, fitted.
        model: which it is.
        options: what its class was called with; JSON values.
        side: pixels that its pictures are resized to, where it lets itself be told.
        device: "cpu", "cuda" or "mps".
        notes: what is worth knowing of how it was fitted.
    """

    def __init__(
        self, module: Any, model: AnomalibModel, options: Mapping[str, Any], side: int, device: str,
        notes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._module = module.to(device).eval()
        self._model, self._options, self._side = model, dict(options), side
        self.device, self.notes = device, notes

    def score(self, batch: Array) -> Scored:
        """Score (n, 3, h, w) float32 RGB 0..1; a model without a map gives its score on every pixel."""
        import torch

        begun = time.perf_counter()
        with torch.inference_mode():
            pictures = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device)
            prepared = self._module.pre_processor.transform(pictures)
            found = self._module.model(prepared)
        height, width = int(batch.shape[2]), int(batch.shape[3])
        maps = None if found.anomaly_map is None else found.anomaly_map.float().cpu().numpy().reshape(
            len(batch), *found.anomaly_map.shape[-2:]
        )  # fmt: skip
        if found.pred_score is not None:
            raw = found.pred_score.float().cpu().numpy().reshape(len(batch), -1).max(1)
        else:
            assert maps is not None
            raw = maps.max((1, 2))
        if maps is None:
            shown = np.broadcast_to(raw[:, None, None], (len(batch), height, width)).copy()
        else:
            shown = np.stack([self._placed(one, tuple(prepared.shape[-2:]), height, width) for one in maps])
        ms = {"network": 1e3 * (time.perf_counter() - begun)}
        return Scored(raw.astype(np.float32), shown.astype(np.float32), ms=ms)

    def _placed(self, one: Array, seen: tuple[int, ...], height: int, width: int) -> Array:
        """A map of what the model saw as a map of the picture: some look at the middle of it alone."""
        whole = _resized_to(self._module.pre_processor.transform) or seen
        if whole != seen:
            one = cv2.resize(one, (seen[1], seen[0]), interpolation=cv2.INTER_LINEAR)
            canvas = np.full(whole, one.min(), np.float32)
            top, left = (whole[0] - seen[0]) // 2, (whole[1] - seen[1]) // 2
            canvas[top : top + seen[0], left : left + seen[1]] = one
            one = canvas
        placed: Array = cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR)
        return placed

    def tensors(self) -> dict[str, Any]:
        """The module's own state by its own names."""
        # some models hold one tensor under two names, which a file of safetensors may not
        return {name: value.detach().cpu().clone().contiguous() for name, value in self._module.state_dict().items()}

    def settings(self) -> dict[str, Any]:
        """What `load_anomalib` needs beside the tensors."""
        return {"cls": self._model.cls, "options": self._options, "side": self._side, "notes": list(self.notes),
                "backbone": str(self._options.get("backbone", ""))}  # fmt: skip

    def close(self) -> None:
        """Nothing is held open."""


def fit_anomalib(
    name: str, pictures: PictureSet, knobs: FitKnobs, *, device: str = "cpu", seed: int = 0
) -> Job[AnomalibScorer]:
    """Fit one of anomalib's models on good pictures; yields `Progress` and `Notice`, returns it.

    Args:
        name: one of `anomalib_names()`.
        pictures: good ones.
        knobs: size; steps, for those that are trained by steps; backbone, where it can be chosen; pretraining, for
            those that paint defects from other pictures.
        device: "cpu", "cuda" or "mps".
        seed: of everything random.

    Raises:
        SightlineError: no such model, weights that are not here, pictures that it cannot use.
    """
    model = find_model(name)
    choice = choose(model, "" if knobs.backbone == AUTO else knobs.backbone)
    side = int(min(pictures.size))
    options = _plain(choice.options(side, len(pictures)))
    if choice.weights and choice != model.choices[0]:
        own = " and ".join(model.choices[0].weights)
        yield Notice(f"{model.cls} rests on {' and '.join(choice.weights)}: the weights of {own} are not here.")

    def work(line: Line[AnomalibScorer]) -> AnomalibScorer:
        with tempfile.TemporaryDirectory(prefix="sightline-anomalib-", ignore_cleanup_errors=True) as place, quiet():
            folder = Path(place)
            line.show(Progress(f"Building {model.cls}"))
            module = _built(model, options, side, folder, knobs, fill=True)
            run(module, pictures, knobs, folder, line, device=device, seed=seed)
            module.trainer = None
            notes = (f"{model.cls} of anomalib{_resting_on(choice.weights)}",)
            scorer = AnomalibScorer(module, model, options, side, device, notes)
            if not line.stopped.is_set():
                scorer.score(pictures.batch(0))  # one that has learned nothing says so here
        return scorer

    try:
        return (yield from aside(work, _LOADING, f"anomalib-{model.name}"))
    except (RuntimeError, ValueError, IndexError) as error:
        # the models state what they cannot use in such exceptions; what they say is all that is known
        raise SightlineError(
            f"anomalib's {model.cls} could not be fitted on these pictures ({_first_line(error)}): "
            "try another size, more pictures, or another method."
        ) from error


def load_anomalib(
    name: str, settings: Mapping[str, Any], tensors: Mapping[str, Any], *, device: str = "cpu"
) -> Job[AnomalibScorer]:
    """A kept model of anomalib: yields `Progress`, returns it.

    Raises:
        SightlineError: the tensors or settings do not fit.
    """
    model = find_model(name)
    try:
        options, side = dict(settings["options"]), int(settings["side"])
        notes = tuple(str(note) for note in settings.get("notes", ()))
    except (KeyError, TypeError, ValueError):
        raise SightlineError(f"The kept {model.cls} lacks its settings: it is damaged; fit it again.") from None

    def work(line: Line[AnomalibScorer]) -> AnomalibScorer:
        with tempfile.TemporaryDirectory(prefix="sightline-anomalib-", ignore_cleanup_errors=True) as place, quiet():
            try:
                module = _built(model, options, side, Path(place), FitKnobs(), fill=False)
                module.load_state_dict(dict(tensors))
            except (RuntimeError, TypeError, ValueError, KeyError, AttributeError):
                raise SightlineError(
                    f"The kept tensors do not fit {model.cls} of the anomalib that is installed: fit the model again."
                ) from None
        return AnomalibScorer(module, model, options, side, device, notes)

    return (yield from aside(work, _LOADING, f"anomalib-{model.name}"))


def open_anomalib_checkpoint(path: Path, device: str = "cpu") -> Job[AnomalibScorer]:
    """A model out of a checkpoint (.ckpt) that anomalib itself has written; yields `Progress`, returns it.

    The file is a pickle. It is read with `weights_only` and anomalib's own list of allowed types, so nothing in it can
    run; which model it is, is found by its settings and its tensors.

    Raises:
        SightlineError: it is damaged, would have to run code, or is none of anomalib's image models.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise SightlineError(f"There is no file {path}: check the path of the checkpoint.")

    def work(line: Line[AnomalibScorer]) -> AnomalibScorer:
        with quiet():
            checkpoint = _read_checkpoint(path)
            hyper = {key: value for key, value in checkpoint["hyper_parameters"].items() if key not in _COMPONENTS}
            state = {
                key: value
                for key, value in checkpoint["state_dict"].items()
                if not key.startswith((*_COMPONENTS, "image_metrics", "pixel_metrics", "normalization_metrics"))
            }
            line.show(Progress(f"Opening {path.name}"))
            for model in _alike(hyper):
                with (
                    contextlib.suppress(RuntimeError, TypeError, ValueError, KeyError, AttributeError, SightlineError),
                    tempfile.TemporaryDirectory(prefix="sightline-anomalib-", ignore_cleanup_errors=True) as place,
                ):
                    side = _side_of(checkpoint)
                    options = _plain(hyper)
                    module = _built(model, options, side, Path(place), FitKnobs(), fill=False)
                    module.load_state_dict(state)
                    return AnomalibScorer(module, model, options, side, device, (f"from {path.name}",))
        raise SightlineError(
            f"{path} is none of anomalib's image models that can be opened here: fit the model anew, or choose another."
        )

    return (yield from aside(work, _LOADING, "anomalib-checkpoint"))


def _built(
    model: AnomalibModel, options: Mapping[str, Any], side: int, folder: Path, knobs: FitKnobs, *, fill: bool
) -> Any:
    """The model's Lightning module, not fitted."""
    import anomalib.models

    cls = getattr(anomalib.models, model.cls)
    extra: dict[str, Any] = {}
    if model.cls == "Draem":
        extra["dtd_dir"] = _painted_from(knobs, folder)
    if model.cls == "Glass" and knobs.pretraining:
        extra["anomaly_source_path"] = knobs.pretraining
    given = {key: value for key, value in options.items() if key not in extra}
    with weights_at_hand(fill=fill):
        return cls(
            **given, **extra, pre_processor=_pre_processor(cls, model, side), post_processor=False, evaluator=False,
            visualizer=False,
        )  # fmt: skip


def _pre_processor(cls: Any, model: AnomalibModel, side: int) -> Any:
    """The model's own, for pictures of this size; networks of transformers have sizes of their own."""
    if any("vit" in weight for choice in model.choices for weight in choice.weights):
        return True
    try:
        return cls.configure_pre_processor((side, side))
    except ValueError:
        return True


def _painted_from(knobs: FitKnobs, folder: Path) -> Path:
    """A folder of pictures that defects are painted from: the one given by hand, or drawn ones."""
    if knobs.pretraining:
        return Path(knobs.pretraining).expanduser()
    place = folder / "other" / "drawn"
    place.mkdir(parents=True)
    for number, picture in enumerate(training_pictures(16, 0)):
        cv2.imwrite(str(place / f"{number:02d}.png"), picture.image)
    return place.parent


def _resized_to(transform: Any) -> tuple[int, int] | None:
    """The size of pictures before a crop; None where nothing is cropped."""
    from torchvision.transforms.v2 import CenterCrop, Resize

    steps = list(getattr(transform, "transforms", []))
    if not any(isinstance(step, CenterCrop) for step in steps):
        return None
    for step in steps:
        if isinstance(step, Resize):
            sides = list(step.size)
            return int(sides[0]), int(sides[-1])
    return None


def _read_checkpoint(path: Path) -> dict[str, Any]:
    import anomalib.models
    import torch
    from anomalib.utils.serialization import anomalib_safe_globals

    known: list[Any] = []
    for model in TABLE:
        known += getattr(anomalib.models, model.cls).checkpoint_safe_globals()
    try:
        with anomalib_safe_globals(extra=known):
            read = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch says in many types of exceptions that a file is damaged
        if asks_for_code(error):
            raise SightlineError(
                f"{path} was not opened because it asks for code to be run: fit the model anew, or use a checkpoint of "
                "anomalib 2.7 or later."
            ) from None
        raise SightlineError(f"{path} is damaged or no checkpoint: choose another file.") from None
    parts = ("state_dict", "hyper_parameters")
    if not isinstance(read, dict) or not all(isinstance(read.get(part), dict) for part in parts):
        raise SightlineError(f"{path} is no checkpoint of anomalib: choose a .ckpt that its Engine has written.")
    return read


def _alike(hyper: Mapping[str, Any]) -> list[AnomalibModel]:
    """The models that take these settings, those first that take no others."""
    import inspect

    import anomalib.models

    found = []
    for model in TABLE:
        takes = set(inspect.signature(getattr(anomalib.models, model.cls)).parameters) - set(_COMPONENTS)
        if set(hyper) <= takes:
            found.append((len(takes - set(hyper)), model))
    return [model for _others, model in sorted(found, key=lambda pair: pair[0])]


def _side_of(checkpoint: Mapping[str, Any]) -> int:
    """The size of pictures that a checkpoint's pre-processor states; 256 where it states none."""
    found = _first_resize(checkpoint.get("anomalib_pre_processor_config"))
    return found or 256


def _first_resize(config: Any) -> int:
    if isinstance(config, Mapping):
        size = config.get("size")
        if isinstance(size, list | tuple) and size and all(isinstance(side, int) for side in size):
            return int(size[0])
        return next((found for value in config.values() if (found := _first_resize(value))), 0)
    if isinstance(config, list | tuple):
        return next((found for value in config if (found := _first_resize(value))), 0)
    return 0


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON has them."""
    return {
        key: list(value) if isinstance(value, tuple) else getattr(value, "value", value)
        for key, value in options.items()
    }


def _resting_on(weights: tuple[str, ...]) -> str:
    return f" on {' and '.join(weights)}" if weights else ""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
