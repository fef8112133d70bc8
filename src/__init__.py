"""AI Product Photo Detector: tells photographed products from generated ones."""
