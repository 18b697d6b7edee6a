# One node in a container: the same set-up as `make run`, in an image of its own user.
#
#   docker build -t hotline .
#   docker run --rm --init -p 8080:8080 -p 5060:5060/udp -p 5060:5060 -p 20000-20199:20000-20199/udp \
#     -e HOTLINE_SIP__ADVERTISED_HOST=<address of this machine> \
#     -e HOTLINE_TRUNKS__LOCAL__NETWORKS=<network of the trunk> -v hotline:/var/lib/hotline hotline
#
# --build-arg MODEL=no leaves the recognition model out, for a city with a recogniser of its own.

FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/hotline
# First what changes seldom, so that a change to the code does not install the packages again.
COPY requirements/runtime.txt requirements/
COPY scripts/setup.sh scripts/
RUN scripts/setup.sh --no-model
COPY . .
RUN .venv/bin/python -m telephony.media.native.build --strict
ARG MODEL=yes
RUN mkdir -p var/models \
 && if [ "$MODEL" = yes ]; then scripts/setup.sh; fi \
 && mv var/models models \
 && .venv/bin/python -m compileall -q agents asr calls config eventbus hotline telephony tickets web

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libopus0 mosquitto python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --home-dir /var/lib/hotline --create-home hotline
COPY --from=build /srv/hotline /srv/hotline
WORKDIR /srv/hotline
# In a container "this machine only" is nobody: listen everywhere, behind the published ports. Two
# hundred RTP ports are fifty calls; more ports take Docker long to publish (or use --network host).
ENV HOTLINE_NODE__DATA_DIR=/var/lib/hotline \
    HOTLINE_SIP__HOST=0.0.0.0 \
    HOTLINE_MEDIA__HOST=0.0.0.0 \
    HOTLINE_MEDIA__PORT_LAST=20199 \
    HOTLINE_WEB__HOST=0.0.0.0 \
    HOTLINE_LOG__FORMAT=json \
    VOSK_MODEL_PATH=/srv/hotline/models \
    PYTHONUNBUFFERED=1 \
    PATH=/srv/hotline/.venv/bin:$PATH
USER hotline
VOLUME /var/lib/hotline
EXPOSE 8080/tcp 5060/udp 5060/tcp 20000-20199/udp
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/api/v1/health', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "hotline", "run"]
