# The tracking server and model registry: MLflow with a PostgreSQL driver. Build from the repository's root:
#   docker build -f docker/mlflow.Dockerfile -t ai-product-detector-mlflow:latest .
# The database's address comes as a file, /run/secrets/mlflow_backend_store_uri, since it holds a password.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements-mlflow.txt /tmp/
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements-mlflow.txt \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin detector \
    && mkdir /artifacts && chown 10001:10001 /artifacts
COPY --from=build /opt/venv /opt/venv
WORKDIR /tmp
VOLUME /artifacts
USER 10001
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:5000/health', timeout=2)"]
CMD ["sh", "-c", "MLFLOW_BACKEND_STORE_URI=\"$(cat /run/secrets/mlflow_backend_store_uri)\" exec mlflow server \
     --host 0.0.0.0 --port 5000 --workers 2 --artifacts-destination /artifacts"]
