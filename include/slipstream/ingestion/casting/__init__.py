"""From values as they stood to values of the declared types, each failure with its reason."""

from slipstream.ingestion.casting.columns import Cast, cast_column, check_types

__all__ = ["Cast", "cast_column", "check_types"]
