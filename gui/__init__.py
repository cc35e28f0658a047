"""The window: knows Qt, decides nothing about vision. Each page faces its own room of `engine`."""
