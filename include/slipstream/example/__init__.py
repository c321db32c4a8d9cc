"""The worked example: a year of real flights out of New York, published day by day as an airline would send them."""

from __future__ import annotations

from slipstream.example.publisher import Published, publish

__all__ = ["Published", "publish"]
