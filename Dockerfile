# A small image of the server: no compiler, no package manager of Python, a numeric user, one folder that is written to.
# docs/operating/containers.md tells how to build and run it, and what of this was tried.

FROM python:3.13-slim-bookworm AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# The locked libraries first: this layer stays as long as the lock does.
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv --without-pip /opt/opengiro \
    && python -m pip --python /opt/opengiro/bin/python install -q --require-hashes --only-binary :all: -r requirements/run.txt \
    && python -m venv tools \
    && tools/bin/python -m pip install -q --require-hashes --only-binary :all: -r requirements/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN tools/bin/hatchling build -t wheel \
    && python -m pip --python /opt/opengiro/bin/python install -q --no-index --no-deps dist/opengiro-*.whl


FROM python:3.13-slim-bookworm
ARG REVISION=unknown
LABEL org.opencontainers.image.title="OpenGiro" \
      org.opencontainers.image.description="A self-hosted pay-by-bank server" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN groupadd --gid 10001 opengiro \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin opengiro \
    && install --directory --owner 10001 --group 10001 --mode 700 /data \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +

COPY --from=build /opt/opengiro /opt/opengiro
COPY deploy/container/healthcheck.py /opt/opengiro/healthcheck.py

# pip compiled everything already, and nothing but /data is written to.
ENV PATH=/opt/opengiro/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OPENGIRO_DATA=/data \
    OPENGIRO_HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "/opt/opengiro/healthcheck.py"]
ENTRYPOINT ["opengiro"]
CMD ["serve"]
