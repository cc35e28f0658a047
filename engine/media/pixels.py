"""From the bytes of a picture file to pixels: every depth, every number of channels, upright, of a sane size."""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine import runtime
from engine.errors import SightlineError
from engine.media.frame import Image

runtime.drop_qt_variables_of_cv2()

LARGEST = 200_000_000
"""Pixels that a picture may have; a file of some kilobytes can claim billions."""
WHITES = (255, 4095, 65535)
"""What white may be in a file with more than 8 bits: 8-bit numbers, a 12-bit camera, the full 16 bits."""
_KEEP_DEPTH = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
_OVERSHOOT = 1.5
"""Interpolation and bright spots bring pictures of 0..1 above 1: up to here that is cut off, beyond it is no 0..1."""
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def decode_raw(data: bytes, name: str, alpha: bool = False) -> NDArray[Any]:
    """Decode a picture and leave the numbers as they are stored.

    Palettes and CMYK become colours; of several pages the first is taken.

    Args:
        data: the file.
        name: what the file is called in a sentence.
        alpha: keep transparency, and the picture as it lies (not turned by its EXIF orientation).

    Returns:
        (H, W) or (H, W, channels), colours as BGR; uint8, uint16, another integer, or floating.

    Raises:
        SightlineError: it is empty, damaged, no picture, or larger than `LARGEST`.
    """
    if not data:
        raise SightlineError(f"{name} is empty (0 bytes): copy it again.")
    size, mode = _header(data, name)
    _check_size(size, name)
    if mode in ("RGBA", "LA") and data[:4] in _TIFF:
        # OpenCV multiplies the colours of such a TIFF by its alpha, unlike those of a PNG
        return _with_pillow(data, name, alpha)
    try:
        raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if alpha else _KEEP_DEPTH)
    except cv2.error:
        raw = None
    if raw is None:
        raise _no_picture(name)
    _check_size((raw.shape[1], raw.shape[0]), name)
    found: NDArray[Any] = raw
    return found


def white_of(raw: NDArray[Any]) -> float:
    """Which number of a decoded picture is white.

    A 12-bit camera's pictures come in 16-bit files that do not say so. Divided by 257 they would be black, and
    stretched each by its own brightest pixel they could not be compared. So white is one of a few levels a factor of
    16 apart, the lowest that the picture fits under: the pictures of one camera agree unless one of them is darker
    than a sixteenth throughout. Whoever compares pictures can settle it once for all, see `to_image`.

    Args:
        raw: from `decode_raw`.

    Returns:
        255 for 8 bits; 255, 4095 or 65535 (or the type's own end) for more; 1 for floating numbers up to 1.5.
    """
    if raw.dtype == np.uint8:
        return 255.0
    if np.issubdtype(raw.dtype, np.floating):
        finite = raw[np.isfinite(raw)]
        brightest, slack = float(finite.max(initial=0)), _OVERSHOOT
        levels, end = [1, *WHITES], brightest
    else:
        brightest, slack = float(raw.max(initial=0)), 1.0
        end = float(np.iinfo(raw.dtype).max)
        levels = [level for level in WHITES if level < end]
    return next((float(level) for level in levels if brightest <= level * slack), end)


def to_image(raw: NDArray[Any], white: float | None = None) -> Image:
    """A decoded picture as 8-bit BGR; transparency is dropped, the colours stay as they are stored.

    Args:
        raw: from `decode_raw`.
        white: the number that becomes 255; None means `white_of`. Pictures with 8 bits stay as they are.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    if raw.ndim == 3 and raw.shape[2] not in (1, 3):
        raw = raw[:, :, :3] if raw.shape[2] > 3 else raw[:, :, :1]
    if raw.dtype != np.uint8:
        white = white or white_of(raw)
        if raw.dtype in (np.uint16, np.int16, np.int32):
            raw = np.clip(raw, 0, int(min(white, np.iinfo(raw.dtype).max)))
        else:
            raw = np.clip(np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=white, neginf=0.0), 0, white)
        # clipped before: it takes the absolute value, and numbers far beyond 255 turn round
        raw = cv2.convertScaleAbs(raw, alpha=255.0 / white)
    if raw.ndim == 2 or raw.shape[2] == 1:
        raw = cv2.cvtColor(raw, cv2.COLOR_GRAY2BGR)
    image: Image = np.ascontiguousarray(raw)
    return image


def _header(data: bytes, name: str) -> tuple[tuple[int, int], str]:
    """Width and height and Pillow's mode without decoding; (0, 0), "" where only OpenCV knows the format."""
    from PIL import Image as Pillow

    # beyond twice this Pillow raises before it tells the size
    Pillow.MAX_IMAGE_PIXELS = LARGEST
    try:
        with Pillow.open(io.BytesIO(data)) as opened:
            return opened.size, opened.mode
    except Pillow.DecompressionBombError:
        raise SightlineError(_too_large(name, "more than 400 million pixels")) from None
    except Exception:
        # whatever a damaged header makes Pillow's many readers raise: OpenCV has the last word
        return (0, 0), ""


def _with_pillow(data: bytes, name: str, alpha: bool) -> NDArray[np.uint8]:
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(data)) as opened:
            pixels = np.asarray(opened.convert("RGBA"))
    except (OSError, ValueError, SyntaxError):
        raise _no_picture(name) from None
    turned: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if alpha else cv2.COLOR_RGBA2BGR)
    return turned


def _check_size(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > LARGEST:
        raise SightlineError(_too_large(name, f"{size[0]} x {size[1]} pixels"))


def _too_large(name: str, what: str) -> str:
    return f"{name} has {what}, and {LARGEST // 1_000_000} million is the limit: cut it into smaller pictures."


def _no_picture(name: str) -> SightlineError:
    return SightlineError(f"{name} cannot be read: it is damaged or no picture; try another copy.")
