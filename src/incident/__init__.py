"""From labels to a better model when a generator gets past the detector, and the rehearsal of all of it."""
