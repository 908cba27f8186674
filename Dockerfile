# Dia as a server, on a CPU:     docker build -t dia .
# on a GPU with CUDA 13.0:       docker build -t dia --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
# without a network afterwards:  docker run -p 127.0.0.1:8000:8000 -e DIA_API_KEY=secret -v voices:/voices dia
# See docs/deployment.md.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
# PyTorch's own index, since the one on PyPI for x86-64 is always for CUDA. Empty: pip's configured index.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# The C kernels are compiled here, so that the image needs no compiler.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/dia
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY constraints.txt /src/
RUN /opt/dia/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' /src/constraints.txt)"
COPY . /src
RUN /opt/dia/bin/pip install --constraint /src/constraints.txt '/src[serve]'

FROM ${BASE}
# The folders exist with the right owner, so that new volumes get it, too.
RUN useradd --uid 1000 --create-home dia \
    && install --directory --owner=dia --group=dia /voices /models
COPY --from=build /opt/dia /opt/dia
ENV PATH=/opt/dia/bin:$PATH PYTHONUNBUFFERED=1 HF_HOME=/models
USER dia
WORKDIR /home/dia
VOLUME ["/voices", "/models"]
EXPOSE 8000 10200
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/ready', timeout=5)"]
ENTRYPOINT ["dia"]
# Others can reach a container, so it does not start without a key in DIA_API_KEY, or --allow-public.
CMD ["serve", "--host", "0.0.0.0", "--voices", "/voices"]
