// One direction of a plan, stretched where things are open: what lies behind a cut moves by what was put in there.
class Axis {
  constructor() {
    this.places = [];
    this.moved = []; // how far what lies behind each cut has moved
  }

  // Gives what reaches from `low` to `high` the length `long`; to be called in the order of `high`.
  stretch(low, high, long) {
    const missing = long - (this.at(high) - this.at(low));
    if (missing <= 0) return;
    const last = this.places.length - 1;
    const before = last < 0 ? 0 : this.moved[last];
    if (last >= 0 && this.places[last] === high - 1) this.moved[last] = before + missing;
    else {
      this.places.push(high - 1);
      this.moved.push(before + missing);
    }
  }

  // Where a place of the plan is now.
  at(t) {
    let low = 0, high = this.places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.places[middle] < t) low = middle + 1;
      else high = middle;
    }
    return low ? t + this.moved[low - 1] : t;
  }
}
