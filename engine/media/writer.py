"""Save pictures as a video that a browser plays."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Progress, drive
from engine.media.frame import Image


@dataclass(frozen=True, slots=True)
class _Codec:
    """One way to encode: FFmpeg's name of the encoder, what a person calls it, and its settings."""

    encoder: str
    name: str
    settings: tuple[tuple[str, str], ...] = ()


_H264 = (
    _Codec("libx264", "H.264", (("preset", "veryfast"), ("crf", "20"))),
    _Codec("libopenh264", "H.264 (OpenH264)"),
    _Codec("h264_videotoolbox", "H.264 (VideoToolbox)"),
    _Codec("h264_mf", "H.264 (Media Foundation)"),
)
_VP9 = (_Codec("libvpx-vp9", "VP9", (("deadline", "realtime"), ("cpu-used", "8"), ("crf", "32"), ("b", "0"))),)
_MPEG4 = (_Codec("mpeg4", "MPEG-4 Part 2, which browsers do not play", (("q", "4"),)),)
_KINDS = {
    ".mp4": ("mp4", _H264 + _VP9 + _MPEG4),
    ".m4v": ("mp4", _H264 + _VP9 + _MPEG4),
    ".mov": ("mov", _H264 + _MPEG4),
    ".mkv": ("matroska", _H264 + _VP9 + _MPEG4),
    ".webm": ("webm", _VP9),
}
_USUAL_FPS = 25.0
_LOOK_EVERY = 20
"""Frames between two events while the finished file is played back: 20 take some 20 ms."""
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_BT601 = 6
"""SMPTE 170M in ITU-T H.273: what swscale makes of BGR by itself. Named in the file, or players guess by the size."""


class VideoWriter:
    """Writes a video beside its name and renames it once it was played back: there is never half a file.

    The pictures are coded as yuv420p with the index in front, which every browser plays. An odd width or height gets
    one more column or row, a copy of the last.

    Args:
        path: where to save; the suffix says how: .mp4, .m4v, .mov, .mkv (H.264) or .webm (VP9).
        width, height: pixels of the pictures.
        fps: frames a second; 25 where it is 0.

    Attributes:
        codec: what a person calls the codec that is used, e.g. "H.264".
        note: one sentence where something is not as one would think (another codec, a size made even), or "".
        frames: how many were written.

    Raises:
        SightlineError: the folder cannot be written, or the suffix is unknown.
    """

    def __init__(self, path: str | Path, width: int, height: int, fps: float) -> None:
        self.path = Path(path)
        kind = _KINDS.get(self.path.suffix.lower())
        if kind is None:
            known = ", ".join(_KINDS)
            raise SightlineError(f"{self.path.name} cannot be saved as a video: let its name end in one of {known}.")
        if self.path.is_dir():
            raise SightlineError(f"{self.path} is a folder: give the video another name.")
        self._size = (width, height)
        self._even = (width + width % 2, height + height % 2)
        self._fps = Fraction(fps if fps > 0 else _USUAL_FPS).limit_denominator(1001)
        self.frames = 0
        self.codec, self.note = "", ""
        self._container: Any = None
        self._done = self._gone = False
        # the process and the object tell two writers of one file apart
        self._partial = self.path.with_name(f".{self.path.stem}.{os.getpid()}-{id(self):x}.part{self.path.suffix}")
        try:
            self._open(*kind)
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError):
                raise self._failed(error) from error
            raise

    def _open(self, container: str, codecs: tuple[_Codec, ...]) -> None:
        import av

        if not self.path.parent.is_dir():
            raise SightlineError(f"There is no folder {self.path.parent}: make it, or save {self.path.name} elsewhere.")
        # PyAV opens the file with the first packet, which is late to hear that it cannot be written
        self._partial.touch()
        index_in_front = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
        for codec in codecs:
            self._container = av.open(str(self._partial), "w", format=container, options=index_in_front)
            try:
                stream = self._container.add_stream(codec.encoder, rate=self._fps, options=dict(codec.settings))
                stream.width, stream.height = self._even
                stream.pix_fmt = "yuv420p"
                context = stream.codec_context
                context.thread_type = "AUTO"
                context.colorspace = context.color_primaries = context.color_trc = _BT601
                context.color_range = 1
                context.open()
            except (av.error.FFmpegError, ValueError) as error:
                # not in this build, or not on this machine: the next one
                self._abandon()
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise
                continue
            self._stream, self.codec = stream, codec.name
            break
        else:
            raise SightlineError(f"No encoder for {self.path.suffix} is installed: save as .mp4 or .webm.")
        notes = [f"The video is coded in {self.codec}"] if codec is not codecs[0] else []
        if self._even != self._size:
            notes.append(f"{'its' if notes else 'The video'} size is made even: {self._even[0]} x {self._even[1]}")
        self.note = f"{'; '.join(notes)}." if notes else ""

    def write(self, image: Image) -> None:
        """Add one picture.

        Args:
            image: (height, width, 3) uint8, BGR; may be written again as soon as this returns.

        Raises:
            SightlineError: there is no space left, or the folder is gone.
        """
        import av

        if self._container is None:
            raise ValueError(f"{self.path} is closed")
        width, height = self._size
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise ValueError(f"a picture of {image.shape} {image.dtype}, expected {(height, width, 3)} uint8")
        if self._even != self._size:
            image = np.pad(image, ((0, self._even[1] - height), (0, self._even[0] - width), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        frame.pts = self.frames
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except OSError as error:
            self.discard()
            raise self._failed(error) from error
        self.frames += 1

    def finishing(self) -> Job[Path]:
        """Close the file, play it back, give it its name; what had that name before is replaced only now.

        Yields:
            `Progress` in frames.

        Returns:
            The path.

        Raises:
            SightlineError: nothing was written, there is no space left, or the file does not play back whole.
        """
        if self._done:
            return self.path
        if self._gone:
            raise ValueError(f"{self.path} was given up")
        try:
            if not self.frames:
                raise SightlineError(f"{self.path.name} was not saved: no picture was written to it.")
            self._close()
            yield from self._play_back()
            self._partial.replace(self.path)
            self._done = True
        except OSError as error:
            raise self._failed(error) from error
        finally:
            if not self._done:
                self.discard()
        return self.path

    def discard(self) -> None:
        """Give the video up: the half file goes, what had its name before stays."""
        self._gone = True
        self._abandon()
        self._partial.unlink(missing_ok=True)

    def _close(self) -> None:
        for packet in self._stream.encode():
            self._container.mux(packet)
        container, self._container = self._container, None
        container.close()

    def _abandon(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            try:
                container.close()
            except OSError:
                # the index of a file that is thrown away may fail to be written
                return

    def _play_back(self) -> Iterator[Progress]:
        import av

        what = f"Checking {self.path.name}"
        seen = 0
        try:
            with av.open(str(self._partial)) as container:
                container.streams.video[0].thread_type = "AUTO"
                for _frame in container.decode(video=0):
                    seen += 1
                    if seen % _LOOK_EVERY == 0:
                        yield Progress(what, seen, self.frames, "frames")
        except (av.error.FFmpegError, IndexError) as error:
            if isinstance(error, OSError):
                raise
            seen = -1
        if seen != self.frames:
            raise SightlineError(
                f"{self.path.name} was not saved: played back, the new file showed {max(0, seen)} of {self.frames} "
                "frames; try another format."
            )

    def _failed(self, error: OSError) -> SightlineError:
        if error.errno in _FULL:
            return SightlineError(
                f"There is no space left for {self.path.name} in {self.path.parent}: free some, or save it elsewhere."
            )
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return SightlineError(f"{self.path.parent} cannot be written to: save {self.path.name} elsewhere.")
        reason = (error.strerror or "the system refused").lower()
        return SightlineError(f"{self.path.name} cannot be written in {self.path.parent}: {reason}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if self._done or self._gone:
            return
        if kind is None:
            drive(self.finishing())
        else:
            self.discard()
