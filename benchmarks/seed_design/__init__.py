"""The design that raymal's seed describes, rebuilt as a server that runs: what raymal is compared with.

One asyncio process holds the sockets, the speech detection and the models. The models run in the event
loop's thread executor, behind two asyncio semaphores that a `ResourceManager` sizes by the hardware in three
tiers. An answer is made whole, then sent by a task that writes 20 ms, drains and sleeps 20 ms; between
answers nothing is sent. With `--throttle` the manager looks before each answer whether the machine is
overloaded, and then the sleep is one and a half times as long.

The design is what is compared, so where a program of this design would rather have slipped, this one does
not: the semaphores have the size that the tiers give, the CPU's load is read without blocking the event
loop, the caller is read while the models work, an utterance keeps its unvoiced frames and what came just
before it, no time after an answer is deaf, and the silence that ends an utterance is raymal's. Stock
faster-whisper gets int8 weights, a thread per core and the language.
"""
