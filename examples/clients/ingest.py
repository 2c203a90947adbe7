"""A client of ingestd for asyncio. Copy it; it needs the package websockets.

    async with Client("ws://127.0.0.1:7001/ws", "phone-7") as client:
        await client.send("boiler", {"celsius": 71.5})
    # all is stored now
"""

import asyncio
import contextlib
import inspect
import json
import logging
import random
import time
import urllib.parse

import websockets


class Client:
    # name says who sends: no two clients that run at once may share it.
    # refused(code, error, message) hears what the server will never store.
    def __init__(self, url, name, refused=print, window=1000, max_bytes=1 << 20, token=None):
        self.url = url + "?client=" + urllib.parse.quote(name, safe="")
        self.refused, self.window, self.max_bytes = refused, window, max_bytes
        self.options = {"ping_timeout": 120}  # a server without room reads no pings: be patient
        if token:  # websockets before 14 calls it extra_headers
            new = "additional_headers" in inspect.signature(websockets.connect.__init__).parameters
            self.options["additional_headers" if new else "extra_headers"] = {"Authorization": "Bearer " + token}
        # What is not acked: seq -> (id, text), ascending. Only an ack means stored,
        # so only an ack lets us forget. The text is kept, not the value: the server
        # compares what is sent again byte by byte.
        self.kept = {}
        self.queue = asyncio.Queue()  # texts that this connection has yet to send
        self.held = set()  # ids that wait after an error with `retry`
        self.asked = False  # for a flush, which has no answer yet
        self.news = asyncio.Event()  # for those who wait for acks
        self.last = 0  # the last seq
        self.delay = 0.1  # seconds before the next attempt to connect

    async def __aenter__(self):
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        try:
            await self.flush()
        finally:
            self.task.cancel()
            await asyncio.wait([self.task])

    # Send returns when the message is kept, which is at once unless the window is
    # full: that is the back-pressure. fields may have op, code and time; the op
    # "done" ends the stream.
    async def send(self, id, data, **fields):
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
        self.kept[seq] = id, text
        if id not in self.held:
            self.queue.put_nowait(text)

    # Flush returns when all that was sent before is stored or refused.
    async def flush(self):
        last = self.last
        while self.kept and next(iter(self.kept)) <= last:
            await self._progress()

    async def _run(self):
        while True:
            why = "closed"
            try:
                async with websockets.connect(self.url, **self.options) as ws:
                    self.queue, self.asked = asyncio.Queue(), False
                    self._send_kept()  # what was stored already is not stored twice
                    writer = asyncio.create_task(self._write(ws))
                    try:
                        async for text in ws:
                            self.delay = 0.1
                            self._answer(**json.loads(text))
                    finally:
                        writer.cancel()
            except Exception as err:  # also what refused() raises: the client goes on
                why = repr(err)
            logging.warning("ingestd: no connection (%s), trying again", why)
            await asyncio.sleep(self.delay * random.uniform(0.5, 1))  # not all at once
            self.delay = min(2 * self.delay, 30)

    async def _write(self, ws):  # alone, so that what is sent again is not overtaken
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await ws.send(await self.queue.get())

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
            self.asked = False
            if self.held:
                return  # whoever waits asks again when they are sent
        self._wake()

    # After an error with `retry` the server takes nothing more of this id until that
    # message comes again. So: wait, then send all that is kept of it, in order.
    def _hold(self, id):
        if id not in self.held:
            self.held.add(id)
            asyncio.get_running_loop().call_later(1, self._release, id)

    def _release(self, id):
        self.held.discard(id)
        self._send_kept(id)

    def _send_kept(self, id=None):
        for i, text in self.kept.values():
            if i not in self.held and id in (None, i):
                self.queue.put_nowait(text)
        self._wake()

    # The server may collect for batch_wait before it stores: ask it not to wait.
    async def _progress(self):
        if not self.asked:
            self.queue.put_nowait('{"op":"flush"}')
        self.asked = True
        await self.news.wait()

    def _wake(self):
        self.news.set()
        self.news = asyncio.Event()
