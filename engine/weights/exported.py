"""Networks that were exported: ONNX files and OpenVINO folders, and what they say about themselves. None runs code."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import SightlineError
from engine.weights.load import names_of, refuse_task


@dataclass(frozen=True, slots=True)
class Export:
    """A network that OpenVINO reads as it is.

    Attributes:
        file: the .onnx or .xml file.
        task: "detect", "segment" or "pose"; None where the file does not say.
        names: class index -> class name; None where the file does not say.
        keypoints: (how many, numbers of each) of a pose network, else None.
        stride: what the sides of its input are multiples of.
    """

    file: Path
    task: str | None
    names: dict[int, str] | None
    keypoints: tuple[int, int] | None
    stride: int


def is_export(path: Path) -> bool:
    """Whether this is the name of an ONNX file, an OpenVINO folder or its .xml file."""
    return path.is_dir() or path.suffix.lower() in (".onnx", ".xml")


def read_export(path: Path) -> Export:
    """What an exported network says about itself, as Ultralytics writes it (`metadata.yaml`, ONNX metadata).

    Raises:
        SightlineError: a part of it is missing, or it finds no boxes.
    """
    file = _xml_in(path) if path.is_dir() else path
    if file.suffix.lower() == ".xml" and not file.with_suffix(".bin").is_file():
        raise SightlineError(f"{file.with_suffix('.bin')} is missing: an OpenVINO network is an .xml and a .bin file.")
    try:
        about = _of_onnx(file) if file.suffix.lower() == ".onnx" else _of_folder(file.parent)
        task = about.get("task")
        names = about.get("names")
        points = about.get("kpt_shape")
        export = Export(
            file=file,
            task=None if task is None else str(task),
            names=names_of(names) if names else None,
            keypoints=(int(points[0]), int(points[1])) if points else None,
            stride=max(32, int(about.get("stride") or 32)),
        )
    except (OSError, ValueError, SyntaxError, TypeError, IndexError, AttributeError):
        raise SightlineError(f"What {path} says about itself cannot be read: export the network again.") from None
    if export.task is not None:
        refuse_task(path, export.task)
    return export


def _xml_in(folder: Path) -> Path:
    files = sorted(folder.glob("*.xml"))
    if len(files) == 1:
        return files[0]
    if not files:
        raise SightlineError(f"{folder} is a folder without an OpenVINO model (.xml): choose a file of weights.")
    raise SightlineError(f"{folder} holds {len(files)} OpenVINO models: choose one of its .xml files.")


def _of_folder(folder: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    file = folder / "metadata.yaml"
    if not file.is_file():
        return {}
    try:
        about = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    return about if isinstance(about, dict) else {}


def _of_onnx(file: Path) -> Mapping[str, Any]:
    """The key and value pairs that stand in an ONNX file (field 14 of `ModelProto`)."""
    about: dict[str, Any] = {}
    for number, value in _fields(memoryview(file.read_bytes())):
        if number == 14 and isinstance(value, memoryview):
            pair = dict(_fields(value))
            key, text = (bytes(pair.get(n, b"")).decode() for n in (1, 2))
            try:
                about[key] = ast.literal_eval(text)
            except (ValueError, SyntaxError):
                about[key] = text
    return about


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of one protocol buffer message: (number, bytes or integer)."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(data):
        key = varint()
        number, wire = key >> 3, key & 7
        if wire == 0:
            yield number, varint()
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        elif wire == 2:
            length = varint()
            if place + length > len(data):
                raise ValueError("a field is cut off")
            yield number, data[place : place + length]
            place += length
        else:
            raise ValueError(f"no protocol buffer: wire type {wire}")
