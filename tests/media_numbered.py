"""Videos whose frames carry their own number, readable after any codec."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

_BITS = 10
FPS = 25


def numbered(index, width=160, height=96):
    """A picture that shows `index` as black and white columns, the lowest bit at the left."""
    image = np.zeros((height, width, 3), np.uint8)
    edges = np.linspace(0, width, _BITS + 1).astype(int)
    for bit in range(_BITS):
        if index >> bit & 1:
            image[:, edges[bit] : edges[bit + 1]] = 255
    return image


def number_in(image):
    """The number that a picture shows."""
    height, width = image.shape[:2]
    edges = np.linspace(0, width, _BITS + 1).astype(int)
    rows = image[height // 4 : 3 * height // 4]
    means = [rows[:, edges[bit] : edges[bit + 1]].mean() for bit in range(_BITS)]
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 127)


def make_video(
    path,
    frames=60,
    *,
    size=(160, 96),
    fps=FPS,
    codec="libx264",
    pixels="yuv420p",
    options=None,
    container=None,
    muxing=None,
    shown_ms=None,
):
    """Write a numbered video with PyAV; `shown_ms` gives each frame its own time. Returns the path."""
    import av

    path = Path(path)
    defaults = {"bf": "3", "g": "20", "preset": "veryfast"} if codec == "libx264" else {}
    with av.open(str(path), "w", format=container, options=muxing or {}) as target:
        stream = target.add_stream(
            codec, rate=Fraction(fps).limit_denominator(1001), options={**defaults, **(options or {})}
        )
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.thread_count = 1
        if shown_ms:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(index, *size), format="bgr24")
            if shown_ms:
                frame.pts, frame.time_base = shown_ms[index], Fraction(1, 1000)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return path


def make_hls(folder, frames=60, *, each=20):
    """Write a numbered video as an HLS playlist with pieces of `each` frames; returns the playlist's path."""
    return make_video(
        folder / "list.m3u8",
        frames,
        options={"g": str(each), "keyint_min": str(each), "sc_threshold": "0"},
        container="hls",
        muxing={"hls_time": str(each / FPS), "hls_list_size": "0", "hls_segment_filename": str(folder / "piece%d.ts")},
    )


def turned(path, to):
    """Copy an MP4 and mark it as taken with the camera turned by 90 degrees clockwise (a matrix in `tkhd`)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    matrix = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    to.write_bytes(data)
    return to


def save_picture(path, image):
    """Write a picture under any name; the suffix says how."""
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path
