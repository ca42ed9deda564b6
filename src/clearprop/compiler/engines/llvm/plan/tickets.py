"""The native code that deals out the tasks of a step to threads that wait for them.

Each thread has a line of memory with a ticket: the first and the last task of its share that nobody took,
the function and its data. A step publishes a region by writing these lines. The owner of a share takes from
one end of it, and who has no more of his own takes from the other end of somebody else's: a thread that the
system has taken off its core, or that sleeps still, costs its help and the one task that it is in. Shares lie
in the order of the tasks, so a thread has the same rows from region to region, step after step, as long as
all keep up: they stay in its cache. The step's own thread is number 0, and has its first task from the start.

Each line of memory that goes from one core to another takes a tenth of a microsecond, and a thread that needs
it stands still. So what a thread must know comes in one line, the step's thread waits for nothing before its
first task, and how many tasks the others have done, ever, is a number that the step's thread only reads.

A thread that is taken off its core in the middle of a task is waited for, and that may take longer than the
whole region takes alone. So a balance is kept of the time that the others' help has saved and has cost. Where
it falls below nothing, the step's thread goes on alone for some times as long as it lost, and tries again.
"""

from __future__ import annotations

PATIENCE = 3_000  # turns of waiting for the others' last tasks before sleeping: about 50 microseconds
SPINS = 20_000  # turns of waiting for tasks before sleeping: about half a millisecond
REGRET = 8  # how many times as long as a region has lost the step's thread goes on alone
LONGEST = 1 << 31  # cycles that this lasts at most, about a second
RICH = 1 << 25  # cycles that the balance holds at most, about 15 ms: what was saved long ago does not count
OFTEN = 1 << 19  # cycles, about 0.2 ms: a small region wakes a sleeping thread only if it came so soon again

# Where the shared numbers are, in units of 8 bytes; what one core writes and another reads lies on lines of
# its own, two lines apart, since processors fetch them in pairs.
BUSY, LAST, THREADS, STOP, UNTIL, BALANCE = 0, 1, 2, 3, 4, 5
DONE, WAITING, LINES = 16, 32, 48
TICKET, FUNCTION, DATA, ASLEEP, LINE = 0, 1, 2, 16, 32  # of each thread's line

ALONE = """
define void @share(ptr %control, ptr %function, ptr %data, i64 %count, i1 %small) {
  br label %each
each:
  %task = phi i64 [0, %0], [%task.next, %each]
  call void %function(ptr %data, i64 %task)
  %task.next = add i64 %task, 1
  %more = icmp ult i64 %task.next, %count
  br i1 %more, label %each, label %over
over:
  ret void
}
"""
"""`share(control, function, data, count, small)` where there is no other thread: all in their order."""

_TAKING = f"""
declare i64 @syscall(i64, ...)
declare void @llvm.x86.sse2.pause()
declare i64 @llvm.readcyclecounter()

define internal ptr @line(ptr %control, i64 %thread) {{
  %lines = mul i64 %thread, {LINE}
  %at = add i64 %lines, {LINES}
  %line = getelementptr i64, ptr %control, i64 %at
  ret ptr %line
}}

define internal i1 @some(i64 %ticket) {{
  %low = and i64 %ticket, 16777215
  %high = lshr i64 %ticket, 24
  %some = icmp ult i64 %low, %high
  ret i1 %some
}}

define internal i64 @take(ptr %line, i1 %last) {{
  %first.seen = load atomic i64, ptr %line seq_cst, align 8
  br label %look
look:
  %seen = phi i64 [%first.seen, %0], [%found, %try]
  %some = call i1 @some(i64 %seen)
  br i1 %some, label %try, label %none
try:
  %step = select i1 %last, i64 -16777216, i64 1
  %less = add i64 %seen, %step
  %pair = cmpxchg ptr %line, i64 %seen, i64 %less seq_cst seq_cst
  %found = extractvalue {{i64, i1}} %pair, 0
  %mine = extractvalue {{i64, i1}} %pair, 1
  br i1 %mine, label %got, label %look
got:
  %low = and i64 %seen, 16777215
  %high = lshr i64 %seen, 24
  %top = sub i64 %high, 1
  %task = select i1 %last, i64 %top, i64 %low
  ret i64 %task
none:
  ret i64 -1
}}

define internal i1 @work(ptr %control, i64 %self) {{
  %threads.at = getelementptr i64, ptr %control, i64 {THREADS}
  %threads = load i64, ptr %threads.at
  br label %each
each:
  %k = phi i64 [0, %0], [%k.next, %nothing]
  %after = add i64 %self, %k
  %wraps = icmp uge i64 %after, %threads
  %before = sub i64 %after, %threads
  %thread = select i1 %wraps, i64 %before, i64 %after
  %line = call ptr @line(ptr %control, i64 %thread)
  %twice = shl i64 %thread, 1
  %backwards = icmp uge i64 %twice, %threads
  %foreign = icmp ne i64 %k, 0
  %last = xor i1 %backwards, %foreign
  %task = call i64 @take(ptr %line, i1 %last)
  %got = icmp ne i64 %task, -1
  br i1 %got, label %run, label %nothing
run:
  %function.at = getelementptr i64, ptr %line, i64 {FUNCTION}
  %function = load ptr, ptr %function.at
  %data.at = getelementptr i64, ptr %line, i64 {DATA}
  %data = load ptr, ptr %data.at
  call void %function(ptr %data, i64 %task)
  ret i1 true
nothing:
  %k.next = add i64 %k, 1
  %more = icmp ult i64 %k.next, %threads
  br i1 %more, label %each, label %end
end:
  ret i1 false
}}

define internal i1 @help(ptr %control, i64 %self) {{
  %got = call i1 @work(ptr %control, i64 %self)
  br i1 %got, label %count, label %end
count:
  %done = getelementptr i64, ptr %control, i64 {DONE}
  %before = atomicrmw add ptr %done, i64 1 seq_cst
  %waiting = getelementptr i64, ptr %control, i64 {WAITING}
  %waits = load atomic i64, ptr %waiting seq_cst, align 8
  %somebody = icmp ne i64 %waits, 0
  br i1 %somebody, label %tell, label %end
tell:
  store atomic i64 0, ptr %waiting seq_cst, align 8
  call void @wake(ptr %waiting)
  br label %end
end:
  ret i1 %got
}}

define internal void @wake(ptr %word) {{
  %told = call i64 (i64, ...) @syscall(i64 202, ptr %word, i64 129, i64 1, i64 0, i64 0, i64 0)
  ret void
}}

define internal void @doze(ptr %word) {{
  %slept = call i64 (i64, ...) @syscall(i64 202, ptr %word, i64 128, i64 1, i64 0, i64 0, i64 0)
  ret void
}}
"""

_SHARING = f"""
define internal void @publish(ptr %control, ptr %function, ptr %data, i64 %count, i64 %takers) {{
  br label %each
each:
  %thread = phi i64 [0, %0], [%next, %each]
  %low = phi i64 [0, %0], [%high, %each]
  %next = add i64 %thread, 1
  %part = mul i64 %next, %count
  %high = udiv i64 %part, %takers
  %own = icmp eq i64 %thread, 0
  %first = select i1 %own, i64 1, i64 %low
  %line = call ptr @line(ptr %control, i64 %thread)
  %function.at = getelementptr i64, ptr %line, i64 {FUNCTION}
  store ptr %function, ptr %function.at
  %data.at = getelementptr i64, ptr %line, i64 {DATA}
  store ptr %data, ptr %data.at
  %top = shl i64 %high, 24
  %ticket = or i64 %top, %first
  store atomic i64 %ticket, ptr %line release, align 8
  %more = icmp ult i64 %next, %takers
  br i1 %more, label %each, label %over
over:
  ret void
}}

define internal void @rouse.takers(ptr %control, i64 %takers) {{
  br label %each
each:
  %thread = phi i64 [1, %0], [%next, %on]
  %line = call ptr @line(ptr %control, i64 %thread)
  %asleep = getelementptr i64, ptr %line, i64 {ASLEEP}
  %sleeping = load atomic i64, ptr %asleep seq_cst, align 8
  %sleeps = icmp ne i64 %sleeping, 0
  br i1 %sleeps, label %rouse, label %on
rouse:
  call void @rouse(ptr %control, i64 %thread)
  br label %on
on:
  %next = add i64 %thread, 1
  %more = icmp ult i64 %next, %takers
  br i1 %more, label %each, label %over
over:
  ret void
}}

define void @share(ptr %control, ptr %function, ptr %data, i64 %count, i1 %small) {{
  %nobody = icmp eq ptr %control, null
  br i1 %nobody, label %alone, label %look
look:
  %second = call ptr @line(ptr %control, i64 1)
  %asleep = getelementptr i64, ptr %second, i64 {ASLEEP}
  %sleeping = load atomic i64, ptr %asleep seq_cst, align 8
  %wake = icmp ne i64 %sleeping, 0
  %doubt = and i1 %small, %wake
  br i1 %doubt, label %ask, label %enter
ask:
  %last.at = getelementptr i64, ptr %control, i64 {LAST}
  %last = load i64, ptr %last.at
  %now = call i64 @llvm.readcyclecounter()
  store i64 %now, ptr %last.at
  %since = sub i64 %now, %last
  %often = icmp ult i64 %since, {OFTEN}
  br i1 %often, label %enter, label %alone
enter:
  %began = call i64 @llvm.readcyclecounter()
  %until.at = getelementptr i64, ptr %control, i64 {UNTIL}
  %until = load i64, ptr %until.at
  %left = sub i64 %until, %began
  %more.left = sub i64 %left, 1
  %regrets = icmp ult i64 %more.left, {LONGEST}
  br i1 %regrets, label %alone, label %claim
claim:
  %busy = getelementptr i64, ptr %control, i64 {BUSY}
  %pair = cmpxchg ptr %busy, i64 0, i64 1 seq_cst seq_cst
  %free = extractvalue {{i64, i1}} %pair, 1
  br i1 %free, label %deal, label %alone
alone:
  br label %each
each:
  %task = phi i64 [0, %alone], [%task.next, %each]
  call void %function(ptr %data, i64 %task)
  %task.next = add i64 %task, 1
  %more = icmp ult i64 %task.next, %count
  br i1 %more, label %each, label %over
deal:
  %done = getelementptr i64, ptr %control, i64 {DONE}
  %before = load atomic i64, ptr %done monotonic, align 8
  %threads.at = getelementptr i64, ptr %control, i64 {THREADS}
  %threads = load i64, ptr %threads.at
  %few = icmp ult i64 %count, %threads
  %takers = select i1 %few, i64 %count, i64 %threads
  call void @publish(ptr %control, ptr %function, ptr %data, i64 %count, i64 %takers)
  %others = icmp ugt i64 %takers, 1
  br i1 %others, label %call.them, label %first
call.them:
  call void @rouse.takers(ptr %control, i64 %takers)
  br label %first
first:
  call void %function(ptr %data, i64 0)
  br label %next
next:
  %mine = phi i64 [1, %first], [%mine.next, %more.tasks]
  %theirs = sub i64 %count, %mine
  %target = add i64 %before, %theirs
  %so.far = load atomic i64, ptr %done acquire, align 8
  %through = icmp eq i64 %so.far, %target
  br i1 %through, label %rest, label %try
try:
  %got = call i1 @work(ptr %control, i64 0)
  br i1 %got, label %more.tasks, label %rest
more.tasks:
  %mine.next = add i64 %mine, 1
  br label %next
rest:
  %waited = call i64 @llvm.readcyclecounter()
  call void @wait.until(ptr %control, i64 %target)
  call void @weigh(ptr %control, i64 %began, i64 %waited, i64 %mine, i64 %count)
  store atomic i64 0, ptr %busy release, align 8
  br label %over
over:
  ret void
}}
"""

_WAITING = f"""
define internal void @weigh(ptr %control, i64 %began, i64 %waited, i64 %mine, i64 %count) {{
  %now = call i64 @llvm.readcyclecounter()
  %work = sub i64 %waited, %began
  %product = mul i64 %work, %count
  %alone = udiv i64 %product, %mine
  %took = sub i64 %now, %began
  %gain = sub i64 %alone, %took
  %balance.at = getelementptr i64, ptr %control, i64 {BALANCE}
  %balance = load i64, ptr %balance.at
  %sum = add i64 %balance, %gain
  %rich = icmp sgt i64 %sum, {RICH}
  %kept = select i1 %rich, i64 {RICH}, i64 %sum
  %poor = icmp slt i64 %kept, 0
  br i1 %poor, label %regret, label %keep
keep:
  store i64 %kept, ptr %balance.at
  ret void
regret:
  store i64 0, ptr %balance.at
  %long = mul i64 %gain, -{REGRET}
  %longer = icmp ugt i64 %long, {LONGEST}
  %time = select i1 %longer, i64 {LONGEST}, i64 %long
  %until = add i64 %now, %time
  %until.at = getelementptr i64, ptr %control, i64 {UNTIL}
  store i64 %until, ptr %until.at
  ret void
}}

define internal void @wait.until(ptr %control, i64 %target) {{
  %done = getelementptr i64, ptr %control, i64 {DONE}
  %waiting = getelementptr i64, ptr %control, i64 {WAITING}
  br label %wait
wait:
  %turns = phi i64 [0, %0], [%turns.next, %pausing], [0, %doze]
  %finished = load atomic i64, ptr %done acquire, align 8
  %all = icmp eq i64 %finished, %target
  br i1 %all, label %end, label %pausing
pausing:
  call void @llvm.x86.sse2.pause()
  %turns.next = add i64 %turns, 1
  %long = icmp ugt i64 %turns.next, {PATIENCE}
  br i1 %long, label %settle, label %wait
settle:
  %told = atomicrmw xchg ptr %waiting, i64 1 seq_cst
  %late = load atomic i64, ptr %done seq_cst, align 8
  %late.all = icmp eq i64 %late, %target
  br i1 %late.all, label %clear, label %doze
doze:
  call void @doze(ptr %waiting)
  br label %wait
clear:
  store atomic i64 0, ptr %waiting seq_cst, align 8
  br label %end
end:
  ret void
}}

define void @serve(ptr %control, i64 %self) {{
  %line = call ptr @line(ptr %control, i64 %self)
  %asleep = getelementptr i64, ptr %line, i64 {ASLEEP}
  %stop = getelementptr i64, ptr %control, i64 {STOP}
  br label %sleep
spin:
  %turns = phi i64 [0, %worked], [%turns.next, %pausing]
  %ticket = load atomic i64, ptr %line acquire, align 8
  %some = call i1 @some(i64 %ticket)
  br i1 %some, label %worked, label %pausing
worked:
  %more = call i1 @help(ptr %control, i64 %self)
  br i1 %more, label %worked, label %spin
pausing:
  call void @llvm.x86.sse2.pause()
  %turns.next = add i64 %turns, 1
  %tired = icmp ugt i64 %turns.next, {SPINS}
  br i1 %tired, label %sleep, label %spin
sleep:
  %marked = atomicrmw xchg ptr %asleep, i64 1 seq_cst
  %last = call i1 @help(ptr %control, i64 %self)
  br i1 %last, label %slept, label %check
check:
  %stopping = load atomic i64, ptr %stop seq_cst, align 8
  %over = icmp ne i64 %stopping, 0
  br i1 %over, label %end, label %doze
doze:
  call void @doze(ptr %asleep)
  br label %slept
slept:
  store atomic i64 0, ptr %asleep seq_cst, align 8
  br label %worked
end:
  ret void
}}

define void @rouse(ptr %control, i64 %thread) {{
  %line = call ptr @line(ptr %control, i64 %thread)
  %asleep = getelementptr i64, ptr %line, i64 {ASLEEP}
  store atomic i64 0, ptr %asleep seq_cst, align 8
  call void @wake(ptr %asleep)
  ret void
}}
"""

TOGETHER = _TAKING + _SHARING + _WAITING
"""`share` among threads, `serve(control, thread)` for those that wait, and `rouse(control, thread)`: Linux on
x86-64, whose system call 202 is a futex."""
