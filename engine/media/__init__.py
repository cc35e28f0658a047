"""Where pictures come from and where they go: files, cameras, screens, folders, streams, pages; video files."""
