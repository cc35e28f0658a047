"""PatchCore: a picture is as abnormal as its strangest patch, compared with good patches.

Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022, https://arxiv.org/abs/2106.08265. The
steps are numbered as in the paper's sections: 3.1 locally aware patch features, 3.2 the coreset-reduced memory bank,
3.3 detection. anomalib's model is the reference: given the same backbone, projection and first index this gives its
coreset, its scores and its maps.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.backbone import Backbone, make_backbone, rebuild_backbone
from engine.inspection.coreset import choosing, projection_matrix, projection_size
from engine.inspection.knobs import FitKnobs
from engine.inspection.nearest import Nearest
from engine.inspection.preparation import PictureSet
from engine.inspection.runtime import Network, run_on
from engine.inspection.scorer import Scored
from engine.job import Job, Notice, Progress

Array = NDArray[np.float32]
SIGMA = 4.0
"""Of the Gaussian that smooths a map, in pixels of the network's input (3.3)."""
_REACH = 2 * int(4.0 * SIGMA + 0.5) + 1


class PatchCore:
    """A fitted PatchCore.

    Args:
        backbone: that gives the features.
        network: the same, ready to run.
        bank: (m, d) float32, the memory bank.
        owners: (m, 3) int32: picture, row and column of each row of the bank.
        grid: rows and columns of patches of a training picture.
        neighbours: b of the reweighting; 1 switches it off.
        device, precision: where and how the search runs.
    """

    def __init__(
        self,
        backbone: Backbone,
        network: Network,
        bank: Array,
        owners: NDArray[np.int32],
        grid: tuple[int, int],
        *,
        neighbours: int = 9,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        self.backbone, self.network = backbone, network
        self.bank, self.owners, self.grid = bank, owners, grid
        self.neighbours = neighbours
        self.nearest = Nearest(bank, device, precision)

    def score(self, batch: Array) -> Scored:
        """Score (n, 3, h, w) float32 RGB 0..1."""
        begun = time.perf_counter()
        features = self.network(batch)  # 3.1
        ran = time.perf_counter()
        n, rows, columns, d = features.shape
        patches = np.stack([self.nearest.distances(one.reshape(-1, d)) for one in features])  # 3.3, distance to m*
        raw = np.array([self.reweighted(*pair) for pair in zip(patches, features.reshape(n, -1, d), strict=True)])
        scored = time.perf_counter()
        patches = patches.reshape(n, rows, columns)
        maps = np.stack([smooth_map(one, batch.shape[2:]) for one in patches])
        ms = {"network": 1e3 * (ran - begun), "score": 1e3 * (scored - ran)}
        ms["map"] = 1e3 * (time.perf_counter() - scored)
        return Scored(raw.astype(np.float32), maps, patches, features, ms)

    def reweighted(self, distances: Array, features: Array, leave_out: NDArray[np.bool_] | None = None) -> float:
        """3.3, equation 7: the largest distance s*, less where its neighbourhood in the bank is far from it as well.

        Args:
            distances: (p,) of one picture's patches to their nearest in the bank.
            features: (p, d) the same patches.
            leave_out: (m,) rows of the bank that do not count.
        """
        strangest = int(distances.argmax())  # m^test,*
        largest = float(distances[strangest])  # s*
        if self.neighbours == 1:
            return largest
        patch = features[strangest]
        nearest = self.bank[int(self.nearest.neighbours(patch, 1, leave_out)[1][0])]  # m*
        around = self.nearest.neighbours(nearest, self.neighbours, leave_out)[1]  # N_b(m*), m* itself first
        if len(around) == 1:
            return largest  # a bank of one row has no neighbourhood: equation 7 would call every picture good
        apart = np.linalg.norm(self.bank[around] - patch, axis=1).astype(np.float64)
        shares = np.exp(apart - apart.max())
        return float((1 - shares[0] / shares.sum()) * largest)

    def score_without(self, batch: Array, picture: int) -> tuple[float, Array] | None:
        """Score a training picture as if its own patches were not in the bank (leave one out).

        Args:
            batch: (n, 3, h, w) float32 RGB 0..1, its tiles.
            picture: its number among the training pictures.

        Returns:
            Its raw score and maps (n, h, w); None where the bank holds nothing but its own patches.
        """
        own = self.owners[:, 0] == picture
        if own.all():
            return None
        features = self.network(batch)
        n, rows, columns, d = features.shape
        found = [self.nearest.distances_without(one.reshape(-1, d), own) for one in features]
        raw = max(self.reweighted(*pair, own) for pair in zip(found, features.reshape(n, -1, d), strict=True))
        return raw, np.stack([smooth_map(one.reshape(rows, columns), batch.shape[2:]) for one in found])

    def tensors(self) -> dict[str, Any]:
        """The bank, whose patches they are, and the truncated backbone."""
        import torch

        own = {
            f"backbone.{name}": value.contiguous().cpu() for name, value in self.backbone.module.state_dict().items()
        }
        return own | {"bank": torch.from_numpy(self.bank), "owners": torch.from_numpy(self.owners)}

    def settings(self) -> dict[str, Any]:
        """What `load_patchcore` needs beside the tensors."""
        return {
            "backbone": self.backbone.name,
            "layers": list(self.backbone.layers),
            "weights": self.backbone.weights,
            "grid": list(self.grid),
            "neighbours": self.neighbours,
        }

    def close(self) -> None:
        """Nothing is held open."""


def smooth_map(patches: Array, size: tuple[int, ...]) -> Array:
    """Patch scores as a map of the network's input: each patch's value on its pixels, then smoothed (3.3).

    Args:
        patches: (ph, pw) float32.
        size: h, w of the map.
    """
    height, width = size
    # the index rule of torch's "nearest", which cv2.INTER_NEAREST does not follow when the sizes do not divide
    rows, columns = _spread(patches.shape[0], height), _spread(patches.shape[1], width)
    spread = np.ascontiguousarray(patches[rows][:, columns])
    smoothed: Array = cv2.GaussianBlur(spread, (_REACH, _REACH), SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return smoothed


def _spread(patches: int, pixels: int) -> NDArray[np.int64]:
    """Which patch each pixel belongs to; reckoned in float32, as torch does: 69 on 258 fall elsewhere in float64."""
    step = np.float32(patches) / np.float32(pixels)
    return np.minimum((np.arange(pixels, dtype=np.float32) * step).astype(np.int64), patches - 1)


def fit_patchcore(pictures: PictureSet, knobs: FitKnobs, *, device: str, seed: int) -> Job[PatchCore]:
    """Fit on good pictures: yields `Progress` and `Notice`, returns the fitted model.

    Args:
        pictures: good ones.
        knobs: backbone, layers, coreset, projection, memory_mib, neighbours, precision.
        device: "cpu", "cuda" or "mps".
        seed: of the coreset's first index, the projection and the thinning.

    Raises:
        SightlineError: the backbone cannot be had, or the memory does not suffice.
    """
    yield Progress("Loading the backbone")
    backbone = make_backbone(knobs)
    network = run_on(backbone.module, device, knobs.precision)
    features, owners, grid = yield from _patches(pictures, network, knobs, seed)
    count = max(1, int(len(features) * knobs.coreset))
    projection = None
    into = projection_size(len(features), features.shape[1], knobs.projection)
    if into:
        projection = projection_matrix(features.shape[1], into, seed)
    rows = np.arange(len(features))
    if count < len(features):
        rows = yield from choosing(features, count, projection=projection, seed=seed)
    bank = np.ascontiguousarray(features[rows])
    del features
    if not np.isfinite(bank).all():
        raise SightlineError(f"The weights of {backbone.name} are damaged (it gives no numbers): choose other weights.")
    yield Progress("Building the memory bank")
    return PatchCore(
        backbone,
        network,
        bank,
        owners[rows],
        grid,
        neighbours=knobs.neighbours,
        device=device,
        precision=knobs.precision,
    )


def _patches(
    pictures: PictureSet, network: Network, knobs: FitKnobs, seed: int
) -> Job[tuple[Array, NDArray[np.int32], tuple[int, int]]]:
    """3.1 for every training picture: (n, d) features, (n, 3) whose they are, and the grid of one picture."""
    random = np.random.default_rng(seed)
    kept: Array | None = None
    owners: list[NDArray[np.int32]] = []
    filled, share, grid = 0, 1.0, (0, 0)
    begun = time.monotonic()
    for index in range(len(pictures)):
        found = network(pictures.batch(index))
        _tiles, rows, columns, d = found.shape
        patches = found.reshape(-1, d)
        if kept is None:
            grid = (rows, columns)
            share = min(1.0, knobs.memory_mib * 2**20 / (len(pictures) * patches.nbytes))
            if share < 1:
                wanted = len(pictures) * patches.nbytes / 2**30
                yield Notice(
                    f"The patches of {len(pictures):,} pictures would take {wanted:.1f} GiB: {share * 100:.0f} % of "
                    f"each picture's are kept, so that {knobs.memory_mib / 1024:g} GiB suffice."
                )
            kept = _room(math.ceil(len(pictures) * len(patches) * share) + len(pictures), d)
        places = np.arange(len(patches))
        if share < 1:
            places = np.sort(random.permutation(len(patches))[: max(1, round(len(patches) * share))])
        if filled + len(places) > len(kept):
            # a larger picture has more tiles than the first one had
            kept = np.concatenate([kept[:filled], _room(max(len(places), filled // 2), d)])
        kept[filled : filled + len(places)] = patches[places]
        filled += len(places)
        tile, inside = np.divmod(places, rows * columns)
        # the column of tile t of a large picture begins at t grids: one number for both
        where = np.stack([np.full_like(places, index), tile * rows + inside // columns, inside % columns], 1)
        owners.append(where.astype(np.int32))
        took = time.monotonic() - begun
        left = took / (index + 1) * (len(pictures) - index - 1)
        yield Progress("Looking at good pictures", index + 1, len(pictures), "pictures", left)
    assert kept is not None
    return kept[:filled], np.concatenate(owners), grid


def _room(rows: int, columns: int) -> Array:
    try:
        return np.empty((rows, columns), np.float32)
    except MemoryError:
        raise SightlineError(
            f"{rows * columns * 4 / 2**30:.1f} GiB for the patches of the good pictures are not free: "
            "choose fewer pictures, a smaller size, or a lower memory cap."
        ) from None


def load_patchcore(
    settings: Mapping[str, Any], tensors: dict[str, Any], *, device: str, precision: str
) -> Job[PatchCore]:
    """A kept PatchCore: yields `Progress`, returns it.

    Raises:
        SightlineError: tensors are missing or do not fit.
    """
    yield Progress("Loading the model")
    try:
        own = {name.removeprefix("backbone."): v for name, v in tensors.items() if name.startswith("backbone.")}
        name, layers = str(settings["backbone"]), [str(layer) for layer in settings["layers"]]
        bank, owners = tensors["bank"].numpy(), tensors["owners"].numpy()
        grid = (int(settings["grid"][0]), int(settings["grid"][1]))
        neighbours = int(settings["neighbours"])
    except (KeyError, TypeError, ValueError, IndexError):
        raise SightlineError("The model lacks parts of its memory bank: it is damaged; fit it again.") from None
    if bank.ndim != 2 or not len(bank) or owners.shape != (len(bank), 3) or not np.isfinite(bank).all():
        raise SightlineError("The model's memory bank is damaged: fit it again.")
    if min(*grid, neighbours) < 1:
        raise SightlineError("The model's settings are damaged: fit it again.")
    backbone = rebuild_backbone(name, layers, str(settings.get("weights", "")), own)
    if bank.shape[1] != backbone.module.width:
        raise SightlineError(f"The model's memory bank does not fit {name}: it is damaged; fit it again.")
    yield Progress("Preparing the network")
    network = run_on(backbone.module, device, precision)
    return PatchCore(
        backbone,
        network,
        np.ascontiguousarray(bank, np.float32),
        owners.astype(np.int32),
        grid,
        neighbours=neighbours,
        device=device,
        precision=precision,
    )
