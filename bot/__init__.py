"""The core of firsttoken: turns, streaming to the reader, pacing and durability. Knows no platform."""
