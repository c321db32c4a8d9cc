"""The small, real examples that ``slipstream new`` starts a definition from."""

from slipstream.templates.scaffold import new_model, new_source, new_view

__all__ = ["new_model", "new_source", "new_view"]
