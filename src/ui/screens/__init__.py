"""One module for each page of the application; each has one function `page` that draws it."""
