# docker build -t sidecar .
# docker run -v $PWD/sidecar.toml:/etc/sidecar/sidecar.toml:ro -v sidecar:/var/lib/sidecar sidecar

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    apt-get update && apt-get install -y --no-install-recommends make \
    && make dist && cp target/dist/sidecar target/dist/sidecar.debug /

# The debug information of the image's binary: docker build --target debug --output . .
FROM scratch AS debug
COPY --from=build /sidecar.debug /

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin sidecar \
    && install -d -o sidecar -g sidecar -m 0700 /var/lib/sidecar \
    && install -d /etc/sidecar
COPY --from=build /sidecar /usr/local/bin/sidecar

USER sidecar
WORKDIR /etc/sidecar
# What is here must survive a restart: without it a first start follows.
VOLUME /var/lib/sidecar
ENV SIDECAR_SPOOL__PATH=/var/lib/sidecar/spool
EXPOSE 9187
# Speaks to the sidecar by the socket in its spool: no port, no token. A first start may take its time.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["sidecar", "healthcheck"]
ENTRYPOINT ["sidecar"]
CMD ["run"]
