"""A fitted EfficientAD: scores pictures with the numbers of anomalib's model."""

import functools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection import efficientad_networks as networks
from engine.inspection.scorer import Scored
from engine.job import Job, Progress

Array = NDArray[np.float32]
_EXTRA = ("mean_std.mean", "mean_std.std")
_QUANTILES = ("quantiles.qa_st", "quantiles.qb_st", "quantiles.qa_ae", "quantiles.qb_ae")


class EfficientAd:
    """Teacher, student and autoencoder, and how their maps are brought together.

    Args:
        weights: by anomalib's names ("teacher.conv1.weight", "mean_std.mean", "quantiles.qa_st"), on the device.
        size: "small" or "medium".
        device: where it runs: "cpu", "cuda" or "mps".
        notes: what is worth knowing of how it was trained.
    """

    def __init__(self, weights: Mapping[str, Any], size: str, device: str, notes: tuple[str, ...] = ()) -> None:
        self._weights = networks.placed(weights, device)
        self.size, self.device, self.notes = size, device, notes

    def score(self, batch: Array) -> Scored:
        """Score (n, 3, h, w) float32 RGB 0..1; a picture's score is the highest value of its map, as in the paper.

        Raises:
            SightlineError: the pictures are under 64 pixels.
        """
        import torch

        least = 64
        if min(batch.shape[2:]) < least:
            raise SightlineError(f"EfficientAD needs pictures of at least {least} pixels a side: choose a larger size.")
        begun = time.perf_counter()
        with torch.inference_mode():
            local, logical = networks.maps(self._weights, networks.picture_tensor(batch, self.device))
            maps: Array = networks.combined(self._weights, local, logical)[:, 0].cpu().numpy()
        ms = {"network": 1e3 * (time.perf_counter() - begun)}
        return Scored(maps.max((1, 2)), maps, ms=ms)

    def tensors(self) -> dict[str, Any]:
        """Every weight by anomalib's name: what is kept can be loaded into anomalib's own `EfficientAdModel`."""
        return {name: value.detach().cpu().contiguous() for name, value in self._weights.items()}

    def settings(self) -> dict[str, Any]:
        """What `load_efficientad` needs beside the tensors."""
        return {"size": self.size, "notes": list(self.notes)}

    def module(self) -> Any:
        """The same as a torch module on the CPU, to export: (n, 3, h, w) RGB 0..1 -> scores (n,), maps (n, h, w)."""
        return _module_class()(self.tensors()).eval()

    def close(self) -> None:
        """Nothing is held open."""


def load_efficientad(settings: Mapping[str, Any], tensors: Mapping[str, Any], *, device: str) -> Job[EfficientAd]:
    """A kept EfficientAD: yields `Progress`, returns it.

    Raises:
        SightlineError: tensors are missing or do not fit.
    """
    yield Progress("Loading the model")
    size = str(settings.get("size", ""))
    if size not in networks.SIZES:
        raise SightlineError("The model does not say which size of EfficientAD it is: it is damaged; fit it again.")
    channels = (1, networks.CHANNELS, 1, 1)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_EXTRA, channels) | dict.fromkeys(_QUANTILES, ())
    for part in ("teacher", "student", "ae"):
        shapes |= networks.shapes_of(part, size)
    if {name: tuple(value.shape) for name, value in tensors.items()} != shapes:
        raise SightlineError(
            f"The kept weights do not fit EfficientAD of the size {size}: the model is damaged; fit it again."
        )
    return EfficientAd(tensors, size, device, tuple(str(note) for note in settings.get("notes", ())))


@functools.cache
def _module_class() -> Any:
    """The class is made when torch is wanted: this file is imported without it."""
    import torch
    from torch import nn

    class EfficientAdModule(nn.Module):  # type: ignore[misc]
        """The functions of `efficientad_networks` over buffers."""

        def __init__(self, weights: Mapping[str, torch.Tensor]) -> None:
            super().__init__()
            self.names = {name.replace(".", "_"): name for name in weights}
            for own, name in self.names.items():
                self.register_buffer(own, weights[name])

        def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            weights = {name: getattr(self, own) for own, name in self.names.items()}
            maps = networks.combined(weights, *networks.maps(weights, batch))[:, 0]
            return maps.amax((1, 2)), maps

    return EfficientAdModule
