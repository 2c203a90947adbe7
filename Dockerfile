# syntax=docker/dockerfile:1
# docker build -t ingestd .                      (deploy/README.md says how to run it)
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
      -ldflags "-s -w ${VERSION:+-X github.com/ingestd/ingestd/daemon.release=$VERSION}" \
      -o /out/ingestd ./cmd/ingestd \
 && mkdir /out/data

# It has certificates of authorities and zones of time; no shell, no libc.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/ingestd /usr/bin/ingestd
COPY --from=build --chown=65532:65532 /out/data /data
# Docker ends a container 10 s after it has asked it to end.
ENV INGESTD_DATA_DIR=/data \
    INGESTD_SHUTDOWN_TIMEOUT=8s \
    INGESTD_TRANSPORT__WEBSOCKET__LISTEN=0.0.0.0:7001 \
    INGESTD_ADMIN__LISTEN=0.0.0.0:7002 \
    INGESTD_ADMIN_URL=http://127.0.0.1:7002
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 7001 7002
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/usr/bin/ingestd", "healthcheck"]
ENTRYPOINT ["/usr/bin/ingestd"]
CMD ["run"]
