"""The data room: one typed row a photo, where its file lies, which split it is in, what is wrong."""
