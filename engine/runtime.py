"""What must be settled before torch, cv2 and Qt load: variables, threads, folders. Imports nothing heavy."""

import os
import sys
from pathlib import Path

import platformdirs

_VARIABLES = {
    "PYQTGRAPH_QT_LIB": "PySide6",
    # a .pt file is a pickle: Ultralytics loads it with weights_only and an allow-list, or not at all
    "ULTRALYTICS_SAFE_LOAD": "1",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
    "KMP_BLOCKTIME": "0",
    # threads that wait in turns for each other spin otherwise: a coreset took 50 times as long on a busy machine
    "OMP_WAIT_POLICY": "PASSIVE",
    # numpy's products are small here; its threads spin for milliseconds beside those of OpenVINO and torch
    "OPENBLAS_NUM_THREADS": "1",
}
_QT_VARIABLES_OF_CV2 = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")


def prepare() -> None:
    """Set the variables that the libraries read when they are imported. Call it first; twice is harmless."""
    for name, value in _VARIABLES.items():
        os.environ[name] = value
    os.environ.setdefault("YOLO_CONFIG_DIR", str(data_folder() / "ultralytics"))
    Path(os.environ["YOLO_CONFIG_DIR"]).mkdir(parents=True, exist_ok=True)
    # one Python-heavy worker must not keep the event loop waiting for 5 ms at a time
    sys.setswitchinterval(0.0005)


def drop_qt_variables_of_cv2() -> None:
    """Undo what `import cv2` does to Qt's plug-in search; child processes inherit it otherwise."""
    for name in _QT_VARIABLES_OF_CV2:
        if "cv2" in os.environ.get(name, ""):
            os.environ.pop(name)


def cores() -> int:
    """The number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_features() -> list[str]:
    """The vector extensions of this CPU that decide how fast a network runs (Linux only), e.g. ["avx2", "amx_bf16"]."""
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return []
    return [name for name in wanted if name in words]


def _folder(kind: str, fallback: str) -> Path:
    home = os.environ.get("SIGHTLINE_HOME")
    path = Path(home) / kind if home else Path(fallback)
    path.mkdir(parents=True, exist_ok=True)
    return path


def data_folder() -> Path:
    """Where weights, downloads and galleries are kept. `SIGHTLINE_HOME` moves it (tests do)."""
    return _folder("data", platformdirs.user_data_dir("sightline", appauthor=False))


def config_folder() -> Path:
    """Where the settings file is kept."""
    return _folder("config", platformdirs.user_config_dir("sightline", appauthor=False))


def weights_folder() -> Path:
    """Where downloaded weights and their exports are kept."""
    path = data_folder() / "weights"
    path.mkdir(exist_ok=True)
    return path


def downloads_folder() -> Path:
    """Where downloaded videos are kept."""
    path = data_folder() / "downloads"
    path.mkdir(exist_ok=True)
    return path


def models_folder() -> Path:
    """Where fitted models are kept."""
    path = data_folder() / "models"
    path.mkdir(exist_ok=True)
    return path


def resources_folder() -> Path:
    """The folder `resources/` of this checkout."""
    return Path(__file__).resolve().parent.parent / "resources"
