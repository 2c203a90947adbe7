"""Sends readings until SIGINT or SIGTERM; then it waits until all are stored.

python3 send.py [URL [NAME [SECONDS BETWEEN READINGS]]]

INGEST_TOKEN is the token, where the server asks for one.
"""

import asyncio
import os
import signal
import sys

from ingest import Client


async def main(url="ws://127.0.0.1:7001/ws", name="demo-python", pause="0.1"):
    ids = ["boiler", "boiler", "pump", "boiler", "boiler", "valve"]
    refused = []

    def refuse(code, error, message):
        refused.append(message)
        print(f"refused: {code}: {error}: {message}", file=sys.stderr)

    # The first signal ends the loop; a second one ends the wait for the acks.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asyncio.current_task().cancel)
    sent = 0
    client = Client(url, name, refuse, token=os.environ.get("INGEST_TOKEN"))
    try:
        async with client:
            while True:
                await client.send(ids[sent % len(ids)], {"reading": sent})
                sent += 1
                await asyncio.sleep(float(pause))
    except asyncio.CancelledError:
        pass
    print(f"{sent} sent, {len(refused)} refused, {len(client.kept)} unknown, the others stored")
    return 1 if refused or client.kept else 0


sys.exit(asyncio.run(main(*sys.argv[1:])))
