"""Several processes as threads of one, for what they tell each other about a table."""

import threading


class Thread:
    """One of several: what it collects is what all have."""

    def __init__(self, rank, size, box, barrier):
        self.rank, self.size, self.box, self.barrier = rank, size, box, barrier

    def collect(self, thing):
        self.box[self.rank] = thing
        self.barrier.wait()
        found = list(self.box)
        self.barrier.wait()
        return found

    def sum(self, x):
        return sum(self.collect(x))


def several(size, work):
    """Return what `work(world)` gives in each of so many threads; what one raises is raised."""
    box, barrier = [None] * size, threading.Barrier(size, timeout=30)
    found = [None] * size

    def run(rank):
        try:
            found[rank] = work(Thread(rank, size, box, barrier))
        except BaseException as error:
            found[rank] = error
            barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [f for f in found if isinstance(f, BaseException)]
    if errors:
        raise next((e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0])
    return found
