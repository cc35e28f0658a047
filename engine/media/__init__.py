"""Where frames come from and where they are saved: files, cameras, screens, pictures, streams, pages."""

import os

# The decoders write their complaints on standard error, from threads of their own, and say nothing there that a
# reader does not find out by itself. Both variables are read when cv2 loads, so they are set before any module of
# this room can import it; a value that is already there (somebody is looking for a defect) is kept.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# seconds that a camera which was pulled out may hold up one read; the default is 10
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
