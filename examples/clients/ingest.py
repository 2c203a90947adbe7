"""A client of ingestd for asyncio. Copy it; it needs the package websockets.

    async with Client("ws://127.0.0.1:7001/ws", "phone-7") as client:
        await client.send("boiler", {"celsius": 71.5})
    # all is stored now
"""

import asyncio
import collections
import json
import logging
import random
import time
import urllib.parse

import websockets


class Client:
    """Sends messages, and keeps each until the server says that it is stored.

    name says who sends: no two clients that run at once may share it.
    refused(code, error, message) hears what the server will never store.
    """

    def __init__(self, url, name, refused=print, window=1000, max_bytes=1 << 20):
        self.url = url + "?client=" + urllib.parse.quote(name, safe="")
        self.refused, self.window, self.max_bytes = refused, window, max_bytes
        # What is not acked: seq -> (id, text), ascending. Only an ack means stored,
        # so only an ack lets us forget. The text is kept, not the value: the server
        # compares what is sent again byte by byte.
        self.kept = {}
        self.unsent = collections.deque()  # seqs that this connection has yet to send
        self.held = set()  # ids that wait after an error with `retry`
        self.flushing = None  # "wanted", or "sent" and not answered
        self.last = 0  # seq
        self.work = asyncio.Event()  # for the writer
        self.news = asyncio.Event()  # for those who wait for acks

    async def __aenter__(self):
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda _: self._wake())
        return self

    async def __aexit__(self, *_):
        try:
            await self.flush()
        finally:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def send(self, id, data, **fields):
        """Returns when the message is kept: at once, unless the window is full.

        That is the back-pressure. fields may have op, code and time; the op "done"
        ends the stream.
        """
        while len(self.kept) >= self.window:
            await self._progress()
        # Numbers must ascend, after a restart too. Unix microseconds do without a
        # file to remember the last one, and say when it happened.
        seq = max(self.last + 1, time.time_ns() // 1000)
        id = str(id)  # 17 and "17" are one stream
        message = {"time": seq, **fields, "id": id, "seq": seq, "data": data}
        text = json.dumps(message, allow_nan=False)  # NaN is not JSON
        # A larger frame would close the connection, each time that it is sent again.
        if len(text) > self.max_bytes:  # it is ASCII
            raise ValueError("the message is too large")
        self.last = seq
        self.kept[seq] = (id, text)
        if id not in self.held:
            self.unsent.append(seq)
            self.work.set()

    async def flush(self):
        """Returns when all that was sent before is stored or refused."""
        last = self.last
        while self.kept and next(iter(self.kept)) <= last:
            await self._progress()

    async def _run(self):
        self.delay = 0.1  # seconds before the next attempt to connect
        while True:
            try:
                # A server that has no room reads nothing, pings neither: be patient.
                async with websockets.connect(self.url, ping_timeout=120) as ws:
                    await self._serve(ws)
                    why = f"closed: {ws.close_code} {ws.close_reason}"
            except (OSError, asyncio.TimeoutError, websockets.WebSocketException) as err:
                why = err
            logging.warning("ingestd: no connection (%s), trying again", why)
            await asyncio.sleep(self.delay * random.uniform(0.5, 1))  # not all at once
            self.delay = min(2 * self.delay, 30)

    async def _serve(self, ws):
        # What was stored already is acked again, and not stored twice.
        self.unsent = collections.deque(self.kept)
        self.flushing = None
        self._wake()
        writer = asyncio.create_task(self._write(ws))
        try:
            async for text in ws:
                self.delay = 0.1
                self._answer(**json.loads(text))
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self, ws):
        # The only one who sends, so that what is sent again is never overtaken.
        while True:
            if self.unsent:
                seq = self.unsent.popleft()
                id, text = self.kept.get(seq, (None, None))
                if text and id not in self.held:
                    await ws.send(text)
            elif self.flushing == "wanted":
                self.flushing = "sent"
                await ws.send('{"op":"flush"}')
            else:
                self.work.clear()
                await self.work.wait()

    def _answer(self, op, id=None, seq=0, code="", error="", retry=False, **_):
        if op == "ack":  # for this message, and for those of its id before it
            for n in [n for n, (i, _) in self.kept.items() if i == id and n <= seq]:
                del self.kept[n]
        elif op == "error" and retry:
            return self._hold(id)
        elif op == "error":  # no ack need follow
            _, text = self.kept.pop(seq, (None, "null"))
            self.refused(code, error, json.loads(text))
        elif op == "flush":
            self.flushing = None
            if self.held:
                return  # whoever waits asks again when they are sent
        self._wake()

    def _hold(self, id):
        # After an error with `retry` the server takes nothing more of this id until
        # that message comes again. So: wait, then send all that is kept of it.
        if id not in self.held:
            self.held.add(id)
            asyncio.get_running_loop().call_later(1, self._release, id)

    def _release(self, id):
        self.held.discard(id)
        again = {seq for seq, (i, _) in self.kept.items() if i == id}
        self.unsent = collections.deque(sorted(again.union(self.unsent)))
        self.work.set()
        self._wake()

    async def _progress(self):
        # The server may collect for batch_wait before it stores: ask it not to wait.
        if self.flushing is None:
            self.flushing = "wanted"
            self.work.set()
        if not self.task.done():
            await self.news.wait()
        if self.task.done():  # only where refused() raised
            self.task.result()

    def _wake(self):
        self.news.set()
        self.news = asyncio.Event()
