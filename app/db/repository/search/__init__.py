"""Full-text search: optional. It needs rapidfuzz, pg_trgm and the table `search_words`."""

from .full_text import BY_RANK, FullText
from .tables import SearchWords, search_column

__all__ = ["BY_RANK", "FullText", "SearchWords", "search_column"]
