"""Watches live traffic against a reference window of photos that the model never saw."""
