# A static binary on an empty image: nothing in it but promptcron, CA certificates and two folders.
#
#   docker build -t promptcron .
#   docker run -v "$PWD/config:/etc/promptcron:ro" -v ledger:/data promptcron

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The builder's own triple, so that it builds natively on arm64 too. It has to be named for
# crt-static: without --target the flag would also reach procedural macros, which cannot be static.
RUN rustc -vV | sed -n 's/^host: //p' > /triple
ENV RUSTFLAGS="-C target-feature=+crt-static"
# Another one of Cargo.toml's for a quick trial build such as .ci/docker's.
ARG PROFILE=release

# Dependencies in a layer of their own: a change of src does not build them again.
COPY Cargo.toml Cargo.lock ./
# Tests, examples and benches stay outside: the manifest must not look for them.
RUN sed -i '/^\[\[/,/^$/d' Cargo.toml \
    && mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --profile "$PROFILE" --locked --target "$(cat /triple)" \
    && rm -r src

COPY . .
# The stand-ins above are newer than the sources that were checked out before.
RUN sed -i '/^\[\[/,/^$/d' Cargo.toml \
    && find src -name '*.rs' -exec touch {} + \
    && cargo build --profile "$PROFILE" --locked --target "$(cat /triple)" \
    && install -D "target/$(cat /triple)/$PROFILE/promptcron" /root-fs/usr/bin/promptcron

# What an empty image lacks: certificates, the order of name lookups, a name for the user, a folder
# for the ledger that this user owns (a new volume takes the owner over), and one for `demo`.
RUN install -D /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ca-certificates.crt \
    && echo 'hosts: files dns' > /root-fs/etc/nsswitch.conf \
    && echo 'promptcron:x:65532:65532::/data:/sbin/nologin' > /root-fs/etc/passwd \
    && install -d -m 0755 /root-fs/etc/promptcron \
    && install -d -m 0700 -o 65532 -g 65532 /root-fs/data \
    && install -d -m 1777 /root-fs/tmp

FROM scratch
LABEL org.opencontainers.image.title="promptcron" \
      org.opencontainers.image.description="Cron for prompts: asks an AI on a schedule and pushes the answer to your phone" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /root-fs/ /
ENV PATH=/usr/bin STATE_DIRECTORY=/data
WORKDIR /data
VOLUME /data
USER 65532:65532
# The default, and named all the same: where it is not, Docker takes a HUP for a stop, and does not
# start a container anew that crashes after a reload.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=5s --start-period=10s --retries=3 CMD ["promptcron", "health"]
ENTRYPOINT ["promptcron"]
CMD ["run"]
