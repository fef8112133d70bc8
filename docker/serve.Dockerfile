# The service alone: slim, torch-free, without root. Build from the repository's root:
#   docker build -f docker/serve.Dockerfile -t ai-product-detector:latest .
#   docker run -p 8000:8000 ai-product-detector:latest
# Without API keys other machines may only send photos, with a warning in the log; docs/DEPLOYMENT.md has the rest:
# keys, a read-only file system, PostgreSQL, TLS.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements-serve.txt /tmp/
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements-serve.txt \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin detector
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY src ./src
COPY models ./models
# All that is written lies in /app/var, so that the rest of the file system may be read-only.
RUN mkdir var && chown 10001:10001 var \
    && printf '#!/bin/sh\nexec python -m src.cli "$@"\n' > /usr/local/bin/detector && chmod 755 /usr/local/bin/detector
VOLUME /app/var
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
# Idle connections stay longer than balancers keep them (60 s): who closes first must not be this side, just when the
# balancer sends the next photo.
CMD ["uvicorn", "src.inference.api:app", "--host", "0.0.0.0", "--port", "8000", "--no-proxy-headers", \
     "--timeout-keep-alive", "75"]
