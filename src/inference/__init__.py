"""From a photo to a verdict: the detector over ONNX Runtime and the HTTP service around it."""
