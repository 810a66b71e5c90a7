# listener with a microphone of the host, by ALSA. compose.yaml runs it; docs/docker.md says more.
FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY docs/listener.1 docs/
COPY packaging packaging
COPY listener listener
RUN python -m venv /opt/listener \
    && /opt/listener/bin/pip install --no-cache-dir --only-binary=:all: --no-binary=listener -c constraints.txt \
        ".[mqtt,webhook,prometheus,web]" \
    && /opt/listener/bin/pip uninstall --yes pip

FROM python:3.13-slim-trixie AS alsa
# Its version is Debian's, which changes with each fix: a pinned one would be gone from the archive.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libportaudio2 tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 990 --user-group --groups audio --no-create-home --home-dir /var/lib/listener listener \
    && install --directory --owner listener --mode 0750 /var/lib/listener /run/listener
COPY --from=build /opt/listener /opt/listener
ENV PATH=/opt/listener/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    RUNTIME_DIRECTORY=/run/listener \
    STATE_DIRECTORY=/var/lib/listener
USER 990
VOLUME /var/lib/listener
STOPSIGNAL SIGTERM
# Deaf is unhealthy: it fails also where the daemon lives and its microphone does not.
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s CMD ["listener", "status"]
ENTRYPOINT ["listener"]
CMD ["run", "--wait", "--plain"]

# With the sound server of a desktop: `docker build --target desktop`. What ALSA needs to reach it weighs 150 MB.
FROM alsa AS desktop
USER 0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libasound2-plugins \
    && rm -rf /var/lib/apt/lists/* \
    && printf 'pcm.!default pulse\nctl.!default pulse\n' > /etc/asound.conf
USER 990

# What is built where no target is named.
FROM alsa
