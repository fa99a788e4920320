"""Releases, parameters and stretches of tape, each with each: what every combination would have earned."""
