"""What a file's name says about it."""

PICTURE_SUFFIXES = frozenset(
    {".bmp", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Files that hold one picture."""
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".gif", ".h264", ".hevc", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
)
"""Files that hold a video; one with another suffix is tried all the same."""
PLAYLIST_SUFFIXES = frozenset({".m3u8", ".mpd", ".sdp"})
"""Files that name where a video is."""
