"""Shared ground of every room: settings, logging, typed errors and the model card."""
