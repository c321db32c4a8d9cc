"""Slipstream: the loop that keeps the best model in production.

The library of the project: definitions, lake, stages and ledger. It never imports Airflow, so the same calls serve a
task, a notebook and a training container.
"""

__version__ = "0.1.0"
