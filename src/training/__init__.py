"""Photos → a trained network → one ONNX file with its card."""
