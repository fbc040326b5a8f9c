"""A finished run as material for a manuscript: figures, tables, paragraphs, reporting checklists and model cards."""

from fibrolib.paper.cards import write_cards
from fibrolib.paper.manuscript import write_paper

__all__ = ["write_cards", "write_paper"]
