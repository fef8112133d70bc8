"""What the service says about itself to those who run it."""
