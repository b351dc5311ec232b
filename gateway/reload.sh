#!/bin/sh
# Reads the configuration and the certificates again. Caddy then closes every connection whose request it has not read
# yet, and a request that is just arriving on one would be lost. So for a second before, each answer ends its connection.
# Then new requests wait in Caddy while it reloads: whoever waits for an answer sends nothing.
set -e
trap 'rm -f /tmp/closing /tmp/waiting' EXIT
trap 'exit 1' HUP INT TERM
caddy adapt --config "$CADDYFILE" --adapter caddyfile >/tmp/configuration.json
touch /tmp/closing
sleep 1
touch /tmp/waiting
sleep 0.3
caddy reload --config /tmp/configuration.json --address unix//tmp/admin.sock --force
