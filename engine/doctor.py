"""What this machine has and lacks, check by check; works offline."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine import runtime

LEAST_FREE = 2e9
_PACKAGES = (
    "numpy",
    "opencv-python",
    "torch",
    "torchvision",
    "ultralytics",
    "openvino",
    "av",
    "yt-dlp",
    "pyside6-essentials",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, whether it is as it should be, and a sentence."""

    name: str
    ok: bool
    say: str


def examine() -> Iterator[Check]:
    """Look at everything in turn; a check that breaks is itself a finding."""
    for name, look in _CHECKS.items():
        try:
            ok, say = look()
        except Exception as error:
            ok, say = False, f"this check broke: {type(error).__name__}: {error}"
        yield Check(name, ok, say)


def _python() -> tuple[bool, str]:
    ok = (3, 11) <= sys.version_info[:2] < (3, 14)
    return ok, f"Python {platform.python_version()} on {platform.platform()}"


def _packages() -> tuple[bool, str]:
    found, lacking = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lacking.append(name)
    if lacking:
        return False, f"{', '.join(lacking)} not installed; run `uv sync`"
    return True, ", ".join(found)


def _one_opencv() -> tuple[bool, str]:
    names = {
        d.metadata["Name"].lower()
        for d in importlib.metadata.distributions()
        if (d.metadata["Name"] or "").lower().startswith("opencv")
    }
    ok = names == {"opencv-python"}
    return (
        ok,
        "one OpenCV wheel" if ok else f"{', '.join(sorted(names)) or 'no OpenCV'}: exactly opencv-python is wanted",
    )


def _qt() -> tuple[bool, str]:
    import importlib.util

    spec = importlib.util.find_spec("PySide6")
    if spec is None or spec.origin is None:
        return False, "PySide6 is not installed; run `uv sync`"
    plugin = Path(spec.origin).parent / "Qt" / "plugins" / "platforms" / "libqxcb.so"
    if not plugin.exists() or shutil.which("ldd") is None:
        return True, "Qt is installed"
    listed = subprocess.run(["ldd", str(plugin)], capture_output=True, text=True, check=False, timeout=20).stdout
    missing = sorted({line.split()[0] for line in listed.splitlines() if "not found" in line})
    if missing:
        return False, f"a real window needs {', '.join(missing)}; the README names the Debian packages"
    return True, "Qt has all it needs for a window"


def _processor() -> tuple[bool, str]:
    features = ", ".join(runtime.cpu_features()) or "unknown"
    return True, f"{runtime.cores()} cores; vector extensions: {features}"


def _accelerator() -> tuple[bool, str]:
    import torch

    if torch.cuda.is_available():
        return True, f"CUDA: {torch.cuda.get_device_name(0)}"
    if torch.backends.mps.is_available():
        return True, "Apple MPS"
    return True, "none: networks run on the processor, through OpenVINO"


def _openvino() -> tuple[bool, str]:
    import openvino

    devices = openvino.Core().available_devices
    return "CPU" in devices, f"OpenVINO {openvino.__version__.partition('-')[0]} on {', '.join(devices) or 'nothing'}"


def _video() -> tuple[bool, str]:
    import av

    ok = "libx264" in av.codecs_available
    return ok, "H.264 can be written" if ok else "H.264 cannot be written here; another codec is used and named"


def _pages() -> tuple[bool, str]:
    beside = Path(sys.executable).parent / ("deno.exe" if sys.platform == "win32" else "deno")
    found = beside if beside.exists() else shutil.which("deno") or shutil.which("node")
    return bool(found), f"YouTube's JavaScript runs in {found}" if found else "YouTube needs deno; run `uv sync`"


def _weights() -> tuple[bool, str]:
    from engine.weights.cards import cards
    from engine.weights.fetch import locate

    here = [card.title for card in cards() if locate(card.name)]
    say = f"at hand: {', '.join(here)}" if here else "none at hand: they are fetched when first wanted"
    return True, f"{say}; folder {runtime.weights_folder()}"


def _example() -> tuple[bool, str]:
    from engine.job import drive
    from engine.tracking.detector import load_detector
    from engine.tracking.example import EXAMPLE_WEIGHTS, open_example
    from engine.tracking.knobs import TrackKnobs

    detector = drive(load_detector(EXAMPLE_WEIGHTS, "cpu"))
    try:
        with open_example() as source:
            found = detector.detect(source.at(30).image, TrackKnobs())
    finally:
        detector.close()
    return len(found) > 0, f"the shipped detector finds {len(found)} things in the drawn example ({detector.runtime})"


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(runtime.data_folder()).free
    return free > LEAST_FREE, f"{free / 1e9:.1f} GB free in {runtime.data_folder()}"


_CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "python": _python,
    "packages": _packages,
    "opencv": _one_opencv,
    "window": _qt,
    "processor": _processor,
    "accelerator": _accelerator,
    "openvino": _openvino,
    "video": _video,
    "pages": _pages,
    "weights": _weights,
    "example": _example,
    "disk": _disk,
}
