"""One module for each change of the tables, oldest first by number; a released one is never edited."""
