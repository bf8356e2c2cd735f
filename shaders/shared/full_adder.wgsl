// One plane of a full adder, 32 numbers at once: returns the sum and leaves the carry.
fn add_plane(a: u32, b: u32, carry: ptr<function, u32>) -> u32 {
    let either = a ^ b;
    let sum = either ^ *carry;
    *carry = (a & b) | (*carry & either);
    return sum;
}
