"""What Airflow sees of Slipstream: hooks, operators, sensors, triggers, links and pages; thin, no ML logic."""
