#!/bin/sh
# Exit code 0 if a server answers through this gateway. Caddy's own image has wget; one on Debian has bash.
wget -q -O /dev/null http://127.0.0.1:2020/livez ||
	bash -c 'exec 3<>/dev/tcp/127.0.0.1/2020 && printf "GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n" >&3 &&
		head -n 1 <&3 | grep -q " 200 "'
