# The one image of docker-compose.yml: the wheel with what requirements.lock names, the DAG files and the definitions.
# Everything in it belongs to root and runs as a user who may write below /var/lib/slipstream and /tmp only.
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
# Another package index: --build-arg UV_DEFAULT_INDEX=https://…/simple --build-arg PIP_INDEX_URL=https://…/simple
ARG UV_DEFAULT_INDEX
ARG PIP_INDEX_URL
RUN pip install --no-cache-dir --disable-pip-version-check 'uv>=0.8'
WORKDIR /src
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY include/slipstream include/slipstream
COPY plugins/slipstream_airflow plugins/slipstream_airflow
RUN uv build --quiet --wheel --out-dir /wheels
# The lock holds the tools of development too: as constraints it gives versions and hashes, and only what is needed comes in.
RUN uv venv --quiet /opt/venv \
 && uv pip install --quiet --python /opt/venv --no-cache --compile-bytecode \
      --constraints requirements.lock --verify-hashes /wheels/*.whl

FROM python:${PYTHON}
RUN groupadd --gid 50000 slipstream \
 && useradd --uid 50000 --gid 50000 --no-create-home --home-dir /var/lib/slipstream --shell /usr/sbin/nologin slipstream \
 && install --directory --owner=50000 --group=50000 --mode=0750 /var/lib/slipstream
COPY --from=build /opt/venv /opt/venv
COPY dags /opt/slipstream/dags
COPY include/sources /opt/slipstream/include/sources
COPY include/features /opt/slipstream/include/features
COPY include/models /opt/slipstream/include/models
COPY deploy /opt/slipstream/deploy
# Airflow wants the folder; our plugin is registered by the installed package.
RUN mkdir /opt/slipstream/plugins
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /opt/slipstream
VOLUME /var/lib/slipstream
USER 50000:50000
CMD ["slipstream", "--help"]
