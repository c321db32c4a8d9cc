"""The whole life of two models on six weeks of real flights, in a real Airflow, as one command."""
