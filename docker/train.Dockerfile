# Data, training, evaluation and the registry's client: everything that `detector` and `make` do away from traffic.
#   docker build -f docker/train.Dockerfile -t ai-product-detector-train:latest .
#   docker run --rm -v detector-data:/app/data/raw -v detector-runs:/app/outputs ai-product-detector-train:latest \
#     python -m src.training.train --config configs/train_config.yaml

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/
RUN /opt/venv/bin/pip install --require-hashes --prefer-binary -r /tmp/requirements.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
# git: the commit of a run and the repositories that hold photos.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin detector
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY src ./src
COPY configs ./configs
# Near duplicates stay on one side of the splits: without the ties these would not be the released ones.
COPY data/manifest.csv data/ties.csv data/files.csv ./data/
COPY models ./models
RUN mkdir -p data/raw data/processed outputs reports var \
    && chown -R 10001:10001 data outputs reports var \
    && printf '#!/bin/sh\nexec python -m src.cli "$@"\n' > /usr/local/bin/detector && chmod 755 /usr/local/bin/detector
USER 10001
CMD ["detector", "--help"]
