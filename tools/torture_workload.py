"""What a system is busy with while `tools/torture --tasks` kills it; the module `workload` of its image.

    front, ring -> relay -> stumble -> sink     ways on which numbers go, 1, 2, 3, ...; front is whoever torments it
    ring                                        as many tasks as tokens hand these round, and feed the relay
    stumble                                     fails often, is tried again, and now and then fails for good
    hear                                        hears a signal that sink gives each time
    answered                                    takes the answer of an errand that stumble has sent to the host
    skip, once, catch_up                        timers that tick, one for each way to treat what was missed
    shoot                                       timers that are due once, each of which makes the next
    mend                                        tries again what has failed for good
    rest, aside                                 a timer that is far away, and a task that is suspended

What must not happen is noted by the turn that sees it, in `Ledger.wrong`; the rest can be told by `torture_tasks.py`
from the ledger and the tables of the tasks.
"""

import os
import random
import time

from BTrees.IOBTree import IOBTree
from persistent import Persistent

from piety import (
    Retry,
    Transcript,
    after,
    effect_id,
    every,
    failures,
    host,
    message,
    notify,
    on_resume,
    on_stop,
    send,
    signal,
    spawn,
)

PERIOD = 0.02  # seconds between two ticks
SHOTS = 5
RING = 12
WAITING = 50  # so many messages or errands may wait; else there would be ever more


class Ledger(Persistent):
    """All tasks, and what they have done."""

    def __init__(self, log):
        self.log = log  # the path of a file, in which errands are noted when they are done on the host
        self.wrong = []
        self.is_over = False  # nothing new is begun then
        self.pages = Transcript(kept=3_000)
        self.errands = IOBTree()  # the numbers of those that are not answered
        self.asked = self.heard = self.shots = self.resumed = self.stopped = 0
        trying = Retry(3, seconds=0.001, factor=1)
        self.relay = spawn(message, self.pass_on, name="relay")
        self.stumble = spawn(message, self.fail_or_not, name="stumble", out=self.pages, retry=trying)
        self.sink = spawn(message, self.take_and_say, name="sink", out=self.pages)
        self.hearer = spawn(signal("sink"), self.hear, name="hear")
        self.from_front, self.from_ring = Way(self.relay), Way(self.relay)
        self.to_stumble, self.to_sink = Way(self.stumble), Way(self.sink)
        self.ways = [self.from_front, self.from_ring, self.to_stumble, self.to_sink]
        self.ring = [spawn(message, self.hand_on, name="ring", enabled=self.goes_on) for _ in range(RING)]
        self.tokens = [Token(place) for place in range(RING)]
        for token in self.tokens:
            send(self.ring[token.place], token)
        self.beats = [Beat(missed, self.wrong_if) for missed in ("skip", "once", "catch_up")]
        for _ in range(SHOTS):
            spawn(after(0.01), self.shoot, name="shoot")
        spawn(every(0.05), self.mend, name="mend")
        spawn(after(10**6), self.mend, name="rest")
        spawn(every(0.01), self.must_not, name="aside").suspend()
        on_resume(self.count_resume)
        on_stop(self.count_stop)

    def wrong_if(self, is_wrong, what):
        if is_wrong:
            self.wrong = [*self.wrong[-20:], what]

    def report(self):
        """What only grows: none of it may get less when the plug is pulled."""
        ways = ("front", "ring", "stumble", "sink")
        return {
            **{f"sent, {name}": way.sent for name, way in zip(ways, self.ways, strict=True)},
            **{f"taken, {name}": way.taken for name, way in zip(ways, self.ways, strict=True)},
            **{f"ticks, {beat.missed}": beat.ticks for beat in self.beats},
            "sent, tokens": sum(token.hops for token in self.tokens),
            "errands asked": self.asked,
            "errands answered": self.asked - len(self.errands),
            "signals heard": self.heard,
            "shots": self.shots,
            "hooks at starts": self.resumed,
            "hooks at stops": self.stopped,
        }

    def front(self):
        """A turn of whoever torments the system."""
        if self.waiting() < 2 * WAITING:
            self.from_front.send()
        return self.report()

    def waiting(self):
        """How many messages were not taken yet."""
        return sum(way.sent - way.taken for way in self.ways)

    def end(self):
        """Begin nothing new, and note which timers must have ticked before all is over."""
        self.is_over = True
        self.at_end = [beat.ticks for beat in self.beats], self.shots

    def left(self):
        """How much is still to be done at the end."""
        ticks, shots = self.at_end
        still = [ticks[each] == beat.ticks for each, beat in enumerate(self.beats)] + [shots == self.shots]
        return self.waiting() + len(self.hearer.happened) + len(self.errands) + len(failures()) + sum(still)

    # -- what the tasks do

    def hand_on(self, token):
        token.hops += 1
        if self.waiting() < WAITING:
            for _ in range(random.randrange(4)):
                self.from_ring.send()
        token.place = (token.place + 1) % RING
        send(self.ring[token.place], token)

    def goes_on(self):
        return not self.is_over

    def pass_on(self, sent):
        self.take(*sent)
        self.to_stumble.send()

    def fail_or_not(self, sent):
        number = self.take(*sent)
        self.to_sink.send()
        say("stumble", number)
        if random.random() < 0.2 and len(self.errands) < WAITING:
            self.asked += 1
            self.errands[self.asked] = None
            host(run_errand, self.log, self.asked, then=self.answered, retry=Retry(1, seconds=0.01), out=None)
        fail_at_times()

    def take_and_say(self, sent):
        say("sink", self.take(*sent))
        notify("sink")

    def hear(self):
        self.heard += 1

    def take(self, way, number):
        self.wrong_if(number != way.taken + 1, f"{way.task.name} took {number} after {way.taken}")
        way.taken = number
        return number

    def answered(self, effect):
        number = effect.call[1][1]
        self.wrong_if(number not in self.errands, f"errand {number} was answered twice")
        self.errands.pop(number, None)
        answer = number if effect.error is None else effect.error.args[0]
        self.wrong_if(answer != number, f"errand {number} was answered with {answer}")
        fail_at_times()

    def shoot(self):
        self.shots += 1
        spawn(after(random.random() / 30), self.shoot, name="shoot")

    def mend(self):
        for failure in failures():
            failure.retry()

    def must_not(self):
        self.wrong_if(True, "a task that is suspended had a turn")

    def count_resume(self):
        self.resumed += 1

    def count_stop(self):
        self.stopped += 1


class Way(Persistent):
    """What one sender sends to a task: the numbers 1, 2, 3, ..., each with its way."""

    def __init__(self, task):
        self.task = task
        self.sent = self.taken = 0

    def send(self):
        self.sent += 1
        send(self.task, (self, self.sent))


class Token(Persistent):
    """What goes round the ring."""

    def __init__(self, place):
        self.place, self.hops = place, 0


class Beat(Persistent):
    """A timer that ticks."""

    def __init__(self, missed, wrong_if):
        self.missed, self.wrong_if = missed, wrong_if
        self.ticks, self.last = 0, 0.0
        spawn(every(PERIOD, missed=missed), self.tick, name=missed)

    def tick(self, due):
        step = due - self.last
        is_wrong = abs(step - PERIOD) > PERIOD / 100 if self.missed == "catch_up" else step <= 0
        self.wrong_if(self.ticks and is_wrong, f"{self.missed} ticked {step} s after the tick before it")
        self.ticks, self.last = self.ticks + 1, due


def say(name, number):
    """Print in two steps, which belong together."""
    print(f"<{name} {number} ", end="")
    print(f"{number}>")


def fail_at_times():
    """Fail, as the last thing in a turn: nothing that it did may stay."""
    if random.random() < 0.25:
        raise ValueError("this happens")


def run_errand(log, number):
    """On the host: note the errand's number and name in a file; every fifth fails."""
    time.sleep(random.random() / 200)  # so that kills come before it is done,
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{number} {effect_id()}\n".encode())
    os.close(file)
    time.sleep(random.random() / 200)  # and before it is answered
    if number % 5 == 0:
        raise ValueError(number)
    return number
