#!/bin/sh
# One database and one role for each of Airflow, Celery's results and MLflow; none may look into another's.
# Run once, when the cluster is made: by the image of PostgreSQL, and by tests/production.
set -eu

for name in airflow celery mlflow; do
  variable=$(echo "${name}_DATABASE_PASSWORD" | tr '[:lower:]' '[:upper:]')
  # The password goes in by standard input, quoted by psql itself.
  PASSWORD=$(printenv "$variable") PGPASSWORD=${POSTGRES_PASSWORD:-} psql --quiet --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres --set=name="$name" <<'SQL'
\getenv password PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
