"""What stands behind an address: something that plays at once, or a page that has to be asked."""

from engine.job import Job, Progress
from engine.media.address import ask
from engine.media.aside import aside
from engine.media.patience import PATIENCE, Patience
from engine.media.source import cleaned
from engine.media.youtube import Page, looking_up


def page_at(text: str, *, entry: int | None = None, patience: Patience = PATIENCE) -> Job[Page | None]:
    """Ask an address what it is.

    Args:
        text: an http(s) or rtsp address.
        entry: which video of a list, from 0; None for the list itself.
        patience: how long the site may take.

    Returns:
        What the page holds; None for a stream, a file or a picture, which `open_source` opens directly.

    Raises:
        SightlineError: there is no video, or the site refuses or is silent.
    """
    address = cleaned(text)
    if "://" not in address:
        address = f"https://{address}"
    if entry is None:
        answer = yield from aside(lambda _line: ask(address, patience), Progress(f"Asking {address}"), "ask")
        if answer.kind != "page":
            return None
    return (yield from looking_up(address, entry=entry, patience=patience))
