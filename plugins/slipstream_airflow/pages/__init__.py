"""Pages below ``/slipstream`` on Airflow's own address; every one wants a signed-in user."""
