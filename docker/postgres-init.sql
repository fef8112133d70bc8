-- Runs once, when the server's volume is new. POSTGRES_DB makes `detector`; this is MLflow's.
CREATE DATABASE mlflow OWNER detector;
