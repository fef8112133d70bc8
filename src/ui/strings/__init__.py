"""Every word that people read on the page; a module for each part of it, and no other place."""
