# syntax=docker/dockerfile:1

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# The wheel and everything it needs, in an environment of its own.
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY deploy/requirements.txt ./
RUN python -m venv /opt/papertape \
    && /opt/papertape/bin/pip install --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
COPY migrations ./migrations
RUN /opt/papertape/bin/pip install --no-deps .

# Nothing but that environment; the file system may be read-only, /data is where the database lives.
FROM ${PYTHON_IMAGE} AS service
RUN useradd --system --uid 10001 --no-create-home papertape \
    && install --directory --owner=papertape --group=papertape /data
COPY --from=build /opt/papertape /opt/papertape
ENV PATH=/opt/papertape/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite+aiosqlite:////data/database.db \
    LOG_FORMAT=json
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('HTTP_PORT', '8080')}/healthz\", timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["papertape"]
CMD ["serve"]
