"""What was chosen is there again next time: a TOML file that holds only what differs from the defaults."""

import tomllib
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QSettings

from engine.runtime import config_folder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """The window's own choices.

    Attributes:
        theme: "system", "dark" or "light".
        device: "auto", "cpu", "cuda" or "mps".
        page: the page that was open last.
        picture_page: the page that pictures were opened in last.
        form: whether the form is shown.
    """

    theme: str = "system"
    device: str = "auto"
    page: str = "track"
    picture_page: str = "track"
    form: bool = True


class Settings:
    """The settings file: one table a dataclass.

    Attributes:
        unknown: keys of the file that nothing knows; reported, not fatal, and kept.
        problem: a sentence if the file could not be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or config_folder() / "settings.toml"
        self.unknown: list[str] = []
        self.problem = ""
        self._tables: dict[str, dict[str, Any]] = {}
        try:
            self._tables = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            self.problem = f"The settings file {self.path} could not be read ({error}); the defaults are used."

    def load(self, name: str, defaults: T) -> T:
        """The table `name` laid over the defaults; a value of the wrong kind is left out and reported."""
        assert is_dataclass(defaults)
        table = self._tables.get(name, {})
        known: dict[str, Any] = {}
        for key, value in table.items() if isinstance(table, dict) else ():
            default = getattr(defaults, key, None)
            value = tuple(value) if isinstance(value, list) else value
            if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            fits = key in {f.name for f in fields(defaults)} and type(value) is type(default)
            if fits and _allowed(defaults, key, value):
                known[key] = value
            else:
                self.unknown.append(f"{name}.{key}")
        return replace(defaults, **known)  # type: ignore[type-var]

    def save(self, name: str, value: Any, defaults: Any) -> None:
        """Keep what differs from the defaults; written beside, then renamed."""
        kept = {
            f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != getattr(defaults, f.name)
        }
        if kept == self._tables.get(name, {}):
            return
        self._tables[name] = kept
        lines = []
        for table, values in self._tables.items():
            if isinstance(values, dict) and values:
                lines += [f"[{table}]", *(f"{key} = {_toml(v)}" for key, v in values.items()), ""]
        part = self.path.with_suffix(".part")
        part.write_text("\n".join(lines), encoding="utf-8")
        part.replace(self.path)


def _allowed(defaults: Any, key: str, value: Any) -> bool:
    info = next((f.metadata.get("knob") for f in fields(defaults) if f.name == key), None)
    if info is None or isinstance(value, str | tuple | bool):
        return info is None or not info.choices or value in info.choices
    if info.choices:
        return value in info.choices
    return (info.low is None or value >= info.low) and (info.high is None or value <= info.high)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return repr(value)


def window_state() -> QSettings:
    """Where the window's size and the splitters are kept; nothing a person would edit."""
    return QSettings(str(config_folder() / "window.ini"), QSettings.Format.IniFormat)
