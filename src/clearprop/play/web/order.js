// NumPy's Generator(Philox(key=[seed, 0])): the order of the batches, and noise. The same counters, the same numbers.
class Chance {
  constructor(seed) { this.key = BigInt(seed), this.block = 0, this.next = 8, this.words = new Uint32Array(8), this.held = -1; }
  word() { // the next 64 bits as (low, high)
    if (this.next >= 8) this.words.set(philox(++this.block, 0n, this.key)), this.next = 0;
    const k = this.next;
    this.next += 2;
    return [this.words[k], this.words[k + 1]];
  }
  half() { // the next 32 bits: the lower half of a word first
    if (this.held >= 0) { const kept = this.held; this.held = -1; return kept; }
    const [low, high] = this.word();
    this.held = high;
    return low;
  }
  below(most) { // a whole number from 0 to most
    if (most === 0) return 0;
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    for (;;) { const found = (this.half() & mask) >>> 0; if (found <= most) return found; }
  }
  permutation(n) {
    const order = Uint32Array.from({length: n}, (_, i) => i);
    for (let i = n - 1; i > 0; i--) { const j = this.below(i), kept = order[i]; order[i] = order[j], order[j] = kept; }
    return order;
  }
  uniform() { const [low, high] = this.word(); return (high * 2097152 + (low >>> 11)) / 9007199254740992; }
  normal() { return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform()); }
}
