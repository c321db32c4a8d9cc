"""Shows what is wrong with the definitions where Airflow shows errors of DAG files; makes no DAG of its own.

A broken definition has no DAG, and the others run on. Were this check in each of the other files, one mistake in one
YAML file would take down the DAGs of a whole stage.
"""

from slipstream_airflow.generation import require_sound

require_sound()
