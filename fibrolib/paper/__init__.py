"""A finished run as material for a manuscript: figures at a journal's size, with captions."""

from fibrolib.paper.manuscript import write_paper

__all__ = ["write_paper"]
