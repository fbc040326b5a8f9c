"""Files that may leave the hospital: names, ids, dates and all that is written around the picture taken out."""

from fibrolib.deidentify.deidentify import deidentify

__all__ = ["deidentify"]
