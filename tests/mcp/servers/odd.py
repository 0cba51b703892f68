"""An MCP server over stdio that does what servers should not, written without the SDK. Its argument says how it begins:

well     as it should
silent   never answers
broken   ends at once, with a word on stderr
babbles  says what is no message before and between
slow     answers the handshake after two seconds
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

TOOLS = ["echo", "nothing", "nonsense", "half", "unknown_id", "error", "large", "flood", "babble", "pid"]
TOOLS += ["twin.name", "twin_name"]


def say(document: Any) -> None:
    os.write(1, json.dumps(document).encode() + b"\n")


def answer(id: Any, result: Any) -> None:
    say({"jsonrpc": "2.0", "id": id, "result": result})


def text(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


def called(id: Any, name: str, arguments: dict[str, Any]) -> None:
    if name == "nonsense":
        answer(id, {"content": "not a list"})
    elif name == "half":
        os.write(1, b'{"jsonrpc": "2.0", "id": ')
        os._exit(1)
    elif name == "unknown_id":
        answer(987654, text("for nobody"))
    elif name == "error":
        say({"jsonrpc": "2.0", "id": id, "error": {"code": -32050, "message": "no such thing as it was"}})
    elif name == "large":
        answer(id, text("x" * int(arguments["size"])))
    elif name == "flood":
        for _ in range(1000):
            os.write(2, b"to stderr with hush-hush\n")
        answer(id, text("flooded"))
    elif name == "babble":
        for _ in range(1000):
            os.write(1, b"no message\n")
        answer(id, text("babbled"))
    elif name == "pid":
        answer(id, text(str(os.getpid())))
    elif name.startswith("twin"):
        answer(id, text(name))
    elif name == "echo":
        answer(id, text(str(arguments)))


def main(how: str) -> None:
    if how == "broken":
        os.write(2, b"I cannot begin: hush-hush is no key\n")
        sys.exit(3)
    if how == "babbles":
        os.write(1, b"Welcome to this server!\n\n{}\n")
    for line in sys.stdin:
        message = json.loads(line)
        method, id = message["method"], message.get("id")
        if how == "silent":
            continue
        if how == "babbles":
            os.write(1, b"a line that is no message\n")
        if method == "initialize":
            if how == "slow":
                time.sleep(2)
            version = message["params"]["protocolVersion"]
            info = {"name": "odd", "version": "1"}
            answer(id, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
        elif method == "tools/list":
            answer(id, {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]})
        elif method == "tools/call":
            called(id, message["params"]["name"], message["params"].get("arguments", {}))
        elif method == "ping":
            answer(id, {})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "well")
