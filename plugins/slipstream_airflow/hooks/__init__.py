"""Connections: where the lake is, and where MLflow is."""
