"""Runs anomalib's Engine: good pictures as its data, its progress for a job, its end when the job is closed."""

import contextlib
import logging
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.inspection.anomalib_table import BATCH
from engine.inspection.knobs import FitKnobs
from engine.inspection.preparation import PictureSet
from engine.job import Progress
from engine.media.aside import Line

_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


def run(
    module: Any, pictures: PictureSet, knobs: FitKnobs, folder: Path, line: Line[Any], *, device: str, seed: int
) -> None:  # fmt: skip
    """Fit a module through anomalib's Engine.

    Args:
        module: a Lightning module of anomalib's; it is fitted in place.
        pictures: good ones.
        knobs: steps, for those that are trained by steps.
        folder: for what the Engine writes.
        line: is told the progress; stopping it ends the fit at the next batch.
        device: "cpu", "cuda" or "mps".
        seed: of everything random.
    """
    from anomalib.engine import Engine
    from anomalib.models.components import MemoryBankMixin
    from lightning.pytorch import seed_everything

    if line.stopped.is_set():
        return
    seed_everything(seed, verbose=False)
    # a memory bank is built in passes over all pictures, however many steps those are
    steps = -1 if isinstance(module, MemoryBankMixin) else knobs.steps
    engine = Engine(
        callbacks=[_callback(line)], default_root_dir=folder, logger=False, accelerator=_ACCELERATORS[device],
        devices=1, max_steps=steps, max_epochs=-1, limit_val_batches=0, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    with contextlib.suppress(_Stopped):
        engine.fit(module, datamodule=datamodule(pictures))


class _Stopped(Exception):
    """The job was closed."""


def _callback(line: Line[Any]) -> Any:
    """Brings the Engine's progress to the job and its end to the Engine."""
    from lightning.pytorch import Callback

    class Telling(Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seen = 0
            self.begun = time.monotonic()

        def on_train_batch_start(self, trainer: Any, *_rest: Any) -> None:
            if line.stopped.is_set():
                raise _Stopped

        def on_train_batch_end(self, trainer: Any, *_rest: Any) -> None:
            self.seen += 1
            epochs, steps = trainer.max_epochs or -1, trainer.max_steps
            if epochs > 0:
                done, total, unit = self.seen, int(epochs * trainer.num_training_batches), "batches"
            else:
                done, total, unit = trainer.global_step, steps, "steps"
            left = (time.monotonic() - self.begun) / max(1, done) * max(0, total - done)
            line.show(Progress(f"Fitting {trainer.lightning_module.name}", done, total, unit, left))

    return Telling()


def datamodule(pictures: PictureSet) -> Any:
    """Every tile of every picture as anomalib's items; some models ask for more than the loader."""
    import torch
    from anomalib.data.dataclasses.torch import ImageBatch, ImageItem
    from lightning.pytorch import LightningDataModule
    from torch.utils.data import DataLoader, Dataset

    places = [(index, tile) for index in range(len(pictures)) for tile in range(len(pictures.batch(index)))]

    class Tiles(Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(places)

        def __getitem__(self, number: int) -> Any:
            index, tile = places[number]
            image = torch.from_numpy(pictures.batch(index)[tile].copy())
            mask = torch.zeros(image.shape[1:], dtype=torch.bool)
            return ImageItem(image=image, gt_label=torch.tensor(0), gt_mask=mask, image_path=f"{index:05d}.png")

    class Good(LightningDataModule):  # type: ignore[misc]
        name, category = "good", None
        train_batch_size = min(BATCH, len(pictures))

        def train_dataloader(self) -> Any:
            return DataLoader(Tiles(), self.train_batch_size, shuffle=True, collate_fn=ImageBatch.collate)

    return Good()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lightning and anomalib say much to the terminal that nobody has asked for."""
    import anomalib.models  # noqa: F401  (Lightning sets the levels of its loggers when it is imported)

    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "anomalib")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
