"""From bytes to safe RGB and on to the network's input, with NumPy and Pillow only: the one preprocessing."""
