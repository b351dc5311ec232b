#!/bin/sh
# Reads the configuration and the certificates again. Caddy then closes idle connections of clients at once, and a
# request that is just arriving on one would be lost. So for a second before, each answer ends its connection.
trap 'rm -f /tmp/closing' EXIT
touch /tmp/closing
sleep 1
caddy reload --config "$CADDYFILE" --adapter caddyfile --address unix//tmp/admin.sock --force
