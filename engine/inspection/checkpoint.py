"""Learning that can be broken off, even by kill -9, and taken up again: the state lies in a folder, whole or not there.

Everything random in a training here is a function of its seed and the number of the step, so the random state and the
order of the data need no file: they follow from the step. What is kept is the weights, the optimizer's moments and the
step, as safetensors and JSON.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import SightlineError

EVERY_S = 60.0
"""Seconds between two states."""
_FORMAT = 1
_MOMENTS = ("exp_avg", "exp_avg_sq")
_STATE, _TENSORS = "state.json", "state.safetensors"


class Checkpoints:
    """The states of one stage of a training; the newest counts.

    Args:
        folder: where they are kept, made when the first is written; None keeps none.
        stage: of the training, a word that is part of their names.
        belongs: what the training must have in common with a state to go on from it; JSON values.
    """

    def __init__(self, folder: Path | None, stage: str, belongs: Mapping[str, Any]) -> None:
        self._folder, self._stage = folder, stage
        self._belongs = json.loads(json.dumps(belongs))
        self._last = time.monotonic()
        self.passed_over = False
        """Whether a state of another training lies in the folder."""

    @property
    def due(self) -> bool:
        """Whether it is time for the next."""
        return self._folder is not None and time.monotonic() - self._last >= EVERY_S

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """Step and tensors of the newest whole state of this very training; None where there is none."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        for place in reversed(self._places()):
            try:
                state = json.loads((place / _STATE).read_text(encoding="utf-8"))
                if state["format"] != _FORMAT or state["belongs"] != self._belongs:
                    self.passed_over = True
                    continue
                return int(state["step"]), load_file(place / _TENSORS)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError):
                continue  # damaged: the one before may be whole
        return None

    def save(self, step: int, tensors: Mapping[str, Any]) -> None:
        """Write a state beside its name, give it that, and throw the older ones of the stage away.

        Raises:
            SightlineError: it cannot be written.
        """
        if self._folder is None:
            return
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        place = self._folder / f"{self._stage}-{step:08d}"
        part = self._folder / f".{place.name}.{os.getpid()}.part"
        try:
            part.mkdir(parents=True)
            # safetensors knows no layout of memory but the plain one
            save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, part / _TENSORS)
            state = {"format": _FORMAT, "step": step, "belongs": self._belongs}
            (part / _STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
            older = [other for other in self._places() if other != place]
            if place.exists():
                shutil.rmtree(place)
            part.rename(place)
            for other in older:
                shutil.rmtree(other, ignore_errors=True)
        except (OSError, SafetensorError) as error:
            # safetensors says a full disk in an exception of its own
            reason = (getattr(error, "strerror", None) or "the disk may be full").lower()
            raise SightlineError(
                f"The state of the training could not be written into {self._folder} ({reason}): "
                "free some room there, or train without keeping it."
            ) from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._last = time.monotonic()

    def _places(self) -> list[Path]:
        if self._folder is None or not self._folder.is_dir():
            return []
        return sorted(self._folder.glob(f"{self._stage}-[0-9]*"))


class Learner:
    """Weights that are being learned with Adam.

    Attributes:
        weights: name -> torch tensor, a leaf that wants a gradient.

    Args:
        weights: to begin with; the learner's own from now on.
        decay: of the weights, a step.
    """

    def __init__(self, weights: Mapping[str, Any], decay: float = 0.0) -> None:
        import torch

        self.weights = {name: value.detach().requires_grad_() for name, value in weights.items()}
        self._adam = torch.optim.Adam(self.weights.values(), lr=0.0, weight_decay=decay)

    def step(self, rate: float) -> None:
        """Follow the gradients that have been summed up, and forget them."""
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._adam.zero_grad()

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, by name."""
        found = {f"weights.{name}": value for name, value in self.weights.items()}
        for name, value in self.weights.items():
            for moment in _MOMENTS:
                if moment in self._adam.state[value]:
                    found[f"{moment}.{name}"] = self._adam.state[value][moment]
        return found

    def restore(self, step: int, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave after `step` steps.

        Raises:
            KeyError: it belongs to other weights.
        """
        import torch

        with torch.no_grad():
            for name, value in self.weights.items():
                value.copy_(state[f"weights.{name}"])
                if step:
                    moments = {key: torch.empty_like(value).copy_(state[f"{key}.{name}"]) for key in _MOMENTS}
                    self._adam.state[value] = {"step": torch.tensor(float(step)), **moments}
