# The command line and the Python package, for amd64 and arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 -t litepose-edge .
#   docker run --rm -v "$PWD:/photos:ro" litepose-edge predict /photos/photo.jpg --json
#   docker run --rm --device /dev/video0 --group-add video litepose-edge predict 0 --json
#   docker run --rm --device /dev/video0 --group-add video -p 8080:8080 -e LITEPOSE_EDGE_TOKEN \
#     litepose-edge serve 0 --host 0.0.0.0
# Sizes and how it is tested: docs/guides/boards.md.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY litepose_edge litepose_edge
COPY export/litepose_export export/litepose_export
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/litepose \
    && /opt/litepose/bin/python -m pip install --no-cache-dir "$(echo /wheels/*.whl)[serve]" \
    # Nothing of pip is needed at run time.
    && /opt/litepose/bin/python -m pip uninstall --yes pip

FROM python:${PYTHON}-slim
RUN useradd --create-home --uid 10001 litepose
COPY --from=build /opt/litepose /opt/litepose
ENV PATH=/opt/litepose/bin:$PATH PYTHONUNBUFFERED=1
USER litepose
WORKDIR /home/litepose
ENTRYPOINT ["litepose-edge"]
CMD ["doctor"]
