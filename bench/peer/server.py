"""The peer: FastAPI, eager PyTorch, one model at module level, as detectors on the web are usually served.

It is written with care and not slowed down: inference mode, the model in evaluation mode, torch's own number
of threads, no queue, no store, no metadata, no checks, no limits. Its network is timm's EfficientNet-Lite0 as
the released model is, with random weights, which cost the same; it looks at the same views of the photo.
`PEER_ENDPOINT` picks the two usual kinds of endpoint: `def`, which FastAPI runs in its thread pool, or
`async def`, which infers on the event loop.
"""

from __future__ import annotations

import io
import os
from typing import Annotated

import timm
import torch
from fastapi import FastAPI, File, UploadFile
from PIL import Image
from torchvision import transforms

SIZES = tuple(int(size) for size in os.environ.get("PEER_SIZES", "384,256").split(","))
"""Square root of the pixels of each view, as in the released model's plan."""
STRIDE = 32

app = FastAPI()
model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=1).eval()
to_tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])


def view(image: Image.Image, size: int) -> torch.Tensor:
    """The whole photo with about `size` x `size` pixels: float32 [1, 3, H, W]."""
    scale = size / (image.width * image.height) ** 0.5
    width, height = (max(2, round(side * scale / STRIDE)) * STRIDE for side in image.size)
    tensor: torch.Tensor = to_tensor(transforms.functional.resize(image, [height, width]))
    return tensor.unsqueeze(0)


def judge(content: bytes) -> dict[str, float | str]:
    """Decode, look, answer."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    with torch.inference_mode():
        logits = [model(view(image, size)) for size in SIZES]
    probability = float(torch.sigmoid(torch.stack(logits).mean()))
    return {"label": "ai_generated" if probability >= 0.5 else "real", "probability": probability}


@app.get("/health")
def health() -> dict[str, str]:
    """Say that it is up."""
    return {"status": "ok"}


if os.environ.get("PEER_ENDPOINT", "def") == "async":

    @app.post("/predict")
    async def predict(file: Annotated[UploadFile, File()]) -> dict[str, float | str]:
        """Judge a photo on the event loop."""
        return judge(await file.read())

else:

    @app.post("/predict")
    def predict_in_pool(file: Annotated[UploadFile, File()]) -> dict[str, float | str]:
        """Judge a photo in the thread pool."""
        return judge(file.file.read())
