"""A generator that gets past the detector: from the labels to a better model, and the rehearsal of all of it."""
