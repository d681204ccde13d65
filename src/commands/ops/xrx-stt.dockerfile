# xrx-stt ops dockerfile > Dockerfile, in the folder of a release; then: docker build -t xrx-stt .
# Nothing in the image but glibc, the C++ library, certificates and the program: no shell, no package manager, no root.
# There is no HEALTHCHECK, which would need a second program: whoever runs it asks /readyz, as Kubernetes does.
FROM debian:12-slim AS checked
# Set by BuildKit; builders without it build for this machine.
ARG TARGETARCH
WORKDIR /release
COPY SHA256SUMS xrx-stt-linux-* ./
RUN arch="${TARGETARCH:-$(dpkg --print-architecture)}" \
 && case "$arch" in amd64) name=xrx-stt-linux-x64 ;; *) name="xrx-stt-linux-$arch" ;; esac \
 && { grep "  $name\$" SHA256SUMS > wanted \
   || { echo "SHA256SUMS names no $name: this is not the folder of a release for that processor" >&2; exit 1; }; } \
 && sha256sum --check --strict wanted \
 && install -D -m 0755 "$name" /out/xrx-stt && mkdir -m 0700 /out/cache

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=checked /out/xrx-stt /usr/local/bin/xrx-stt
COPY --from=checked --chown=65532:65532 /out/cache /cache
USER 65532:65532
ENV HOST=0.0.0.0 PORT=8000 STT_CACHE_DIR=/cache
EXPOSE 8000
# Words in work are answered first: give it longer than STT_DRAIN_MS, as in docker stop --time 30.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/xrx-stt"]
