"""A server as such projects usually are, to measure against; see `server.py`."""
