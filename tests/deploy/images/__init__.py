"""`make images-test`: builds the images without a Docker engine, runs them, and writes what it saw."""
