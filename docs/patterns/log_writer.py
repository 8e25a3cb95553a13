"""A log that delays no request: with a reader that has stopped, `put` returns at once, and a line counts the losses."""

import os
import threading
import time

from app.observability.writer import LineWriter

reading, writing = os.pipe()
os.set_blocking(writing, False)
writer = LineWriter(lambda count: b"lost %d lines" % count, writing)
begun = time.perf_counter()
for number in range(20_000):
    writer.put(b"line %d " % number + b"x" * 1000)
seconds = time.perf_counter() - begun

assert seconds < 10, seconds  # a direct write would wait for the reader for ever

text = bytearray()
reader = threading.Thread(target=lambda: [text.extend(part) for part in iter(lambda: os.read(reading, 1_000_000), b"")])
reader.start()
assert writer.flush(30)
os.close(writing)
reader.join()
assert b"\nlost " in text
