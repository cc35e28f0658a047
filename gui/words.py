"""How numbers are said in the window."""

from engine.job import Progress


def clock(seconds: float) -> str:
    """Seconds as "0:07" or "1:02:03"."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def size(count: float) -> str:
    """Bytes as "5.4 MB"."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def progress(now: Progress) -> str:
    """How far and how long still: "62 % · 4.1 of 6.6 MB · 0:09 left"."""
    parts = []
    if now.share is not None:
        parts.append(f"{now.share * 100:.0f} %")
    if now.unit == "bytes" and now.done:
        parts.append(size(now.done) + (f" of {size(now.total)}" if now.total else ""))
    elif now.unit and now.done:
        parts.append(f"{now.done:,.0f}" + (f" of {now.total:,.0f}" if now.total else "") + f" {now.unit}")
    rate = getattr(now, "rate", None)
    if rate:
        parts.append(f"{size(rate)}/s" if now.unit == "bytes" else f"{rate:.1f} {now.unit}/s")
    if now.left_s is not None:
        parts.append(f"{clock(now.left_s + 0.5)} left")
    return " · ".join(parts)
