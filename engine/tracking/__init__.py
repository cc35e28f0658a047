"""Track: who is where, and who moves. Detect, embed, follow, draw, score."""
