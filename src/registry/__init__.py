"""The registry of models: versions in MLflow, who is champion and challenger, and a URI's way to a file."""
