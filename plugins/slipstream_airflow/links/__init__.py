"""Links beside a task: its MLflow run, the version it registered, its Evidently report."""
