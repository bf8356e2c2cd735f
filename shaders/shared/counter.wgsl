// Counts of bits, bit-sliced: plane p of a counter holds bit p of 32 samples' counts.
#needs PLANES

alias Counter = array<u32, PLANES>;

// Add 2^first to the counts of the samples that have a bit.
fn add_bits(counter: ptr<function, Counter>, first: u32, bits: u32) {
    var carry = bits;
    for (var p = first; p < PLANES; p++) {
        let plane = (*counter)[p];
        (*counter)[p] = plane ^ carry;
        carry &= plane;
    }
}
