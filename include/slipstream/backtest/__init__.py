"""Does the loop pay? Policies of retraining, replayed side by side over a time whose labels are all known by now.

The calls are those of the DAGs; Airflow, MLflow and the ledger are not asked and nothing in them changes.
"""

from slipstream.backtest.study import BUILTIN, Study, backtest, load_policies

__all__ = ["BUILTIN", "Study", "backtest", "load_policies"]
