"""What is known of each file of weights: where it comes from, what it may be used for, how large it is."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath

from engine import runtime


@dataclass(frozen=True, slots=True)
class Card:
    """One known file of weights.

    Attributes:
        name: the short name that a person types ("yolo11n").
        title: the name shown ("YOLO11n segmentation").
        address: where it is downloaded from.
        files: the file names it answers to; a download is kept under the first.
        licence: SPDX identifier.
        task: "detect", "segment", "pose", "classify" or "features".
        size: bytes, to within a thousandth of a MiB, or None where no package states it.
        sha256: the hash in hexadecimal digits, or as many of its first digits as a package states, or None.
        note: one sentence about it.
    """

    name: str
    title: str
    address: str
    files: tuple[str, ...]
    licence: str
    task: str
    size: int | None = None
    sha256: str | None = None
    note: str = ""

    @property
    def file(self) -> str:
        """The file name that a download is kept under."""
        return self.files[0]


@cache
def cards() -> tuple[Card, ...]:
    """Every card of `resources/weights.toml`, in its order."""
    with (runtime.resources_folder() / "weights.toml").open("rb") as file:
        rows = tomllib.load(file)["card"]
    return tuple(
        Card(
            name=row["name"],
            title=row["title"],
            address=row["address"],
            files=tuple(row["files"]),
            licence=row["licence"],
            task=row["task"],
            size=round(row["size_mib"] * 2**20) if "size_mib" in row else None,
            sha256=row.get("sha256"),
            note=row.get("note", ""),
        )
        for row in rows
    )


def find_card(name: str) -> Card | None:
    """The card that answers to this name, file name or path; None where there is none."""
    wanted = PurePath(name).name.casefold()
    for card in cards():
        if wanted == card.name.casefold() or wanted in (file.casefold() for file in card.files):
            return card
    return None
