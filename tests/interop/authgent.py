"""authgent-server, in memory, on a free port of this machine.

Says `{"issuer": ".."}` once it listens. Ends when its input does. Arguments: the issuers whose ID tokens it exchanges
for tokens of its own, when they are for the client `gateway`, and whose grants it takes.
"""

import json
import os
import socket
import sys
import threading

# What others print, their log, is no answer of ours.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

listener = socket.create_server(("127.0.0.1", 0))
issuer = "http://127.0.0.1:%d" % listener.getsockname()[1]
os.environ.update(
    AUTHGENT_SERVER_URL=issuer,
    AUTHGENT_DATABASE_URL="sqlite+aiosqlite://",
    AUTHGENT_TRUSTED_OIDC_ISSUERS=json.dumps(sys.argv[1:]),
    AUTHGENT_TRUSTED_OIDC_AUDIENCE="gateway",
    AUTHGENT_TRUSTED_CHAINING_ISSUERS=json.dumps(sys.argv[1:]),
    # So many in a minute, from one machine.
    AUTHGENT_TOKEN_RATE_LIMIT="100000",
)

import bcrypt  # noqa: E402
import uvicorn  # noqa: E402
from authgent_server.app import create_app  # noqa: E402

# What makes a secret slow to guess makes each request for a token slow, too.
gensalt = bcrypt.gensalt
bcrypt.gensalt = lambda rounds=4: gensalt(rounds=4)


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(json.dumps({"issuer": issuer}), file=answers)


def end_with_input():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
# A connection that is closed while a request is on its way would be an outage that no test ordered.
Server(uvicorn.Config(create_app(), log_level="warning", timeout_keep_alive=3600)).run(sockets=[listener])
