# The connector's image: `docker build -t source-notion:dev .`
#
# Both base images are arguments, so that a machine without a container registry can build the same
# file on bases made locally (integration_tests/image/build.sh does that).
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=busybox:1.37-glibc

FROM ${BUILD_IMAGE} AS build
LABEL source-notion.stage=build
WORKDIR /build

# Dependencies have a layer of their own, kept until a manifest or the lock file changes. The context
# holds only the manifests of the other workspace members, so each gets an empty library.
COPY Cargo.toml Cargo.lock ./
COPY integration_tests integration_tests
RUN set -eu; \
    mkdir src; \
    echo 'fn main() {}' >src/main.rs; \
    : >src/lib.rs; \
    for manifest in integration_tests/*/Cargo.toml; do \
        member=${manifest%/Cargo.toml}; mkdir -p "$member/src"; : >"$member/src/lib.rs"; \
    done; \
    cargo build --release --locked --bin source-notion

# Copied files keep their times; touched, they are newer than what the layer above compiled.
COPY schemas schemas
COPY src src
RUN set -eu; \
    touch src/lib.rs src/main.rs; \
    cargo build --release --locked --bin source-notion; \
    mkdir /runtime; \
    cp target/release/source-notion /runtime/; \
    cp /lib/*-linux-gnu*/libgcc_s.so.1 /etc/ssl/certs/ca-certificates.crt /runtime/; \
    chmod 755 /runtime/source-notion; \
    chmod 644 /runtime/libgcc_s.so.1 /runtime/ca-certificates.crt


FROM ${RUNTIME_IMAGE}

# The platform starts the connector with `sh`, as uid 1000, and mounts files into /config and /secrets.
# A base may lack any of these names; none needs a package manager.
RUN set -eu; \
    echo 'airbyte:x:1000:' >>/etc/group; \
    echo 'airbyte:x:1000:1000:airbyte:/airbyte:/bin/sh' >>/etc/passwd; \
    mkdir -p /airbyte/integration_code /config /secrets /etc/ssl/certs /tmp; \
    chmod 755 /airbyte /airbyte/integration_code; \
    chmod 1777 /tmp; \
    chown 1000:1000 /airbyte /airbyte/integration_code /config /secrets

# The C library comes with the base; unwinding needs this one beside it.
COPY --from=build /runtime/libgcc_s.so.1 /lib/
COPY --from=build /runtime/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /runtime/source-notion /airbyte/integration_code/

USER 1000:1000
WORKDIR /airbyte/integration_code
ENV TZ=UTC

# The platform evaluates the variable, everything else uses the entry point: they must be equal.
ENV AIRBYTE_ENTRYPOINT="/airbyte/integration_code/source-notion"
ENTRYPOINT ["/airbyte/integration_code/source-notion"]

# Equal to the versions in Cargo.toml and metadata.yaml; integration_tests/image/check.sh compares them.
ARG VERSION=0.1.0
LABEL io.airbyte.name="calabi/source-notion" \
      io.airbyte.version="${VERSION}" \
      org.opencontainers.image.title="source-notion" \
      org.opencontainers.image.description="Reads a Notion workspace completely and speaks the Airbyte protocol" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="https://github.com/calabi/source-notion"
