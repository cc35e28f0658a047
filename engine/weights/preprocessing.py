"""What a network wants to see: how a picture of any shape becomes its square, and how a map of it is put back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FITS = ("crop", "letterbox", "stretch")
"""How a picture that is not square meets a square: its middle, all of it with bars, all of it pulled into shape."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the picture and the network's square meet; rectangles are (left, top, width, height) in pixels.

    Attributes:
        source: the part of the picture that the network sees.
        target: where that part lies in the network's square.
    """

    source: tuple[int, int, int, int]
    target: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a network's pictures are made; it belongs to the network's card.

    Attributes:
        size: side of the network's square, pixels.
        resize: what the picture's shorter side becomes before the middle `size` is cut; for "crop" only.
        fit: one of `FITS`.
        mean, std: of each channel, RGB, of values in 0..1.
    """

    size: int = 224
    resize: int = 256
    fit: str = "crop"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def placement(self, height: int, width: int) -> Placement:
        """Where a picture of this shape and the square meet."""
        whole, square = (0, 0, width, height), (0, 0, self.size, self.size)
        if self.fit == "stretch":
            return Placement(whole, square)
        if self.fit == "letterbox":
            scale = self.size / max(height, width)
            wide, high = max(1, round(width * scale)), max(1, round(height * scale))
            return Placement(whole, ((self.size - wide) // 2, (self.size - high) // 2, wide, high))
        # the cut comes first: a thin picture whose shorter side grew to `resize` would not fit in memory
        side = max(1, min(height, width, round(min(height, width) * self.size / self.resize)))
        return Placement(((width - side) // 2, (height - side) // 2, side, side), square)

    def square(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The network's square of a picture.

        Args:
            image: (H, W, 3) uint8, BGR, any shape.

        Returns:
            (size, size, 3) uint8, BGR; a letterbox's bars have the colour of `mean`.
        """
        import cv2

        place = self.placement(*image.shape[:2])
        x, y, wide, high = place.source
        left, top, w, h = place.target
        smaller = w * h < wide * high
        part = cv2.resize(
            image[y : y + high, x : x + wide], (w, h), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        )
        if (w, h) == (self.size, self.size):
            return np.ascontiguousarray(part)
        colour = np.array([round(255 * value) for value in self.mean[::-1]], np.uint8)
        square = np.empty((self.size, self.size, 3), np.uint8)
        square[:] = colour
        square[top : top + h, left : left + w] = part
        return square

    def normalise(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network takes in.

        Args:
            squares: (n, size, size, 3) uint8, BGR.

        Returns:
            (n, 3, size, size) float32, RGB, each channel less its mean, over its deviation.
        """
        rgb = squares[..., ::-1].astype(np.float32) / 255
        rgb = (rgb - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(rgb.transpose(0, 3, 1, 2))

    def back(self, values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
        """Put a map of the square back onto the full picture.

        Args:
            values: (size, size) float32.
            height, width: the picture's.

        Returns:
            (height, width) float32; 0 where the network saw nothing.
        """
        import cv2

        place = self.placement(height, width)
        x, y, wide, high = place.source
        left, top, w, h = place.target
        full = np.zeros((height, width), np.float32)
        full[y : y + high, x : x + wide] = cv2.resize(
            values[top : top + h, left : left + w], (wide, high), interpolation=cv2.INTER_LINEAR
        )
        return full

    def as_card(self) -> dict[str, Any]:
        """What is written into a card."""
        return {
            "size": self.size, "resize": self.resize, "fit": self.fit, "mean": list(self.mean), "std": list(self.std),
        }  # fmt: skip

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> "Preprocessing":
        """The same out of a card.

        Raises:
            KeyError, TypeError, ValueError: the card says something that cannot be.
        """
        size, resize, fit = int(card["size"]), int(card["resize"]), str(card["fit"])
        mean, std = tuple(float(v) for v in card["mean"]), tuple(float(v) for v in card["std"])
        if not (8 <= size <= 4096 and size <= resize <= 8192 and fit in FITS):
            raise ValueError("a size or a way to fit that cannot be")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0 or not np.isfinite(mean + std).all():
            raise ValueError("means and deviations that cannot be")
        return cls(size, resize, fit, mean, std)
