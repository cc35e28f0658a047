"""Pictures as a source: one, or a folder of them in natural order."""

import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import SightlineError
from engine.job import Notice
from engine.media.ahead import AheadSource, past_end
from engine.media.frame import Frame, Image, SourceInfo
from engine.media.pixels import decode_raw, to_image
from engine.media.suffixes import PICTURE_SUFFIXES

_FOLDER_FPS = 25.0
"""A folder has no rate of its own; this is what most sequences of the tracking benchmarks were taken at."""
_LARGEST_FILE = 2 << 30


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sorts "frame2.png" before "frame10.png", whatever the case of the letters."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def decode(data: bytes, name: str, white: float | None = None) -> Image:
    """Decode a picture: 8 bits, BGR, upright (EXIF), without transparency.

    Args:
        data: the file.
        name: what the file is called in a sentence.
        white: the number that becomes 255 where there are more than 8 bits, see `engine.media.pixels.white_of`.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        SightlineError: it is empty, damaged, no picture, or has more than 200 million pixels.
    """
    return to_image(decode_raw(data, name), white)


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture file.

    Raises:
        SightlineError: it is missing, cannot be read, or is larger than any picture.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            # a pipe or a device would be read for ever
            raise SightlineError(f"{path} cannot be read: it is no picture file; choose another.")
        size = found.st_size
        if size > _LARGEST_FILE:
            raise SightlineError(f"{path} has {size / 2**30:.1f} GiB, too much for one picture: choose another file.")
        # not cv2.imread: it cannot open every name on Windows
        return path.read_bytes()
    except FileNotFoundError:
        raise SightlineError(f"There is no file {path}: check the name and the folder.") from None
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def read_picture(path: Path) -> Image:
    """Read a picture file, see `decode`.

    Raises:
        SightlineError: it is missing, empty, damaged, no picture, or too large.
    """
    return decode(read_bytes(path), path.name)


class PictureSource(AheadSource):
    """One picture: a source of one frame.

    Args:
        image: (H, W, 3) uint8, BGR.
        text: what the person typed.
        name: shown in the bar.
    """

    def __init__(self, image: Image, text: str, name: str) -> None:
        height, width = image.shape[:2]
        info = SourceInfo(text, name, "image", width, height, 0.0, 1, live=False)
        super().__init__(info, lambda _stop: _PictureReader(info, image))


class _PictureReader:
    def __init__(self, info: SourceInfo, image: Image) -> None:
        self.info, self._image = info, image

    def events(self, start: int) -> Iterator[Frame]:
        yield self.frame(start)

    def frame(self, index: int) -> Frame:
        if index > 0:
            raise past_end(self.info, index)
        return Frame(self._image, 0, 0.0, time.monotonic())

    def close(self) -> None:
        pass


class FolderSource(AheadSource):
    """A folder of pictures in natural order, each in its own size; the folder's size is that of its first good one.

    A frame's number is the picture's place in the sorted folder, whether or not those before it could be read: so a
    damaged one leaves a gap, and the numbers go on fitting a ground truth. The rate is the `frameRate` of a
    `seqinfo.ini` in the folder or above it (MOTChallenge), else 25.

    Args:
        folder: where the pictures are; what is below it is not looked at.
        text: what the person typed.

    Raises:
        SightlineError: it holds no picture, or none that can be read.
    """

    def __init__(self, folder: Path, text: str) -> None:
        try:
            files = sorted((f for f in folder.iterdir() if f.suffix.lower() in PICTURE_SUFFIXES), key=natural_key)
        except OSError as error:
            raise SightlineError(f"{folder} cannot be read: {(error.strerror or str(error)).lower()}.") from None
        files = [file for file in files if not file.name.startswith(".") and file.is_file()]
        if not files:
            raise SightlineError(f"There is no picture in {folder}: choose a folder with PNG, JPEG or other pictures.")
        first = next((image for file in files if (image := _read_or_none(file)) is not None), None)
        if first is None:
            raise SightlineError(f"None of the {len(files)} pictures in {folder} can be read: try another copy.")
        height, width = first.shape[:2]
        name = folder.resolve().name or str(folder)
        info = SourceInfo(text, name, "folder", width, height, _rate(folder), len(files), live=False)
        super().__init__(info, lambda _stop: _FolderReader(info, files))


class _FolderReader:
    def __init__(self, info: SourceInfo, files: list[Path]) -> None:
        self.info, self._files = info, files

    def events(self, start: int) -> Iterator[Frame | Notice]:
        if start >= len(self._files):
            raise past_end(self.info, start)
        for index in range(start, len(self._files)):
            try:
                yield self.frame(index)
            except SightlineError as error:
                yield Notice(f"Skipped: {error}")

    def frame(self, index: int) -> Frame:
        if index >= len(self._files):
            raise past_end(self.info, index)
        image = read_picture(self._files[index])
        return Frame(image, index, index / self.info.fps, time.monotonic())

    def close(self) -> None:
        pass


def _read_or_none(file: Path) -> Image | None:
    try:
        return read_picture(file)
    except SightlineError:
        return None


def _rate(folder: Path) -> float:
    for file in (folder / "seqinfo.ini", folder.parent / "seqinfo.ini"):
        try:
            found = re.search(r"^\s*frameRate\s*=\s*([\d.]+)", file.read_text(errors="replace"), re.MULTILINE)
            if found and (rate := float(found[1])) > 0:
                return rate
        except (OSError, ValueError):
            continue
    return _FOLDER_FPS
