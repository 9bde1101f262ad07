# One image for web, workers, beat, migrate and the stand-ins; which of them it is, docker-compose.yml says.
# It holds no secrets: every setting comes from the environment (see .env.example).
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /srv/tuppence

COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY billing billing
COPY workers workers
COPY templates templates
RUN pip install --no-index --no-deps --no-build-isolation -e . \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tuppence \
    && install --directory --owner=tuppence /srv/standins

USER tuppence
EXPOSE 8000

HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

CMD ["granian", "--interface=wsgi", "--host=0.0.0.0", "--port=8000", "--workers=2", "--blocking-threads=8", "--backpressure=64", "--no-ws", "--respawn-failed-workers", "billing.wsgi:app"]
