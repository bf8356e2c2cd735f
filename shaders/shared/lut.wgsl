// Look-up gates on packed bits: every bit of a word is a sample. A table's bit c is the output for code c, and the
// first pin is the code's highest bit. `Bits` is u32 or vec4<u32>, and LUT_ARITY the
// gate's inputs, as the page says.

#import shared/pins.wgsl

// All ones where `bit` is 1.
fn spread(bit: u32) -> Bits {
    return Bits(0u - (bit & 1u));
}

fn lut1(t: u32, x0: Bits) -> Bits {
    return (x0 & spread(t >> 1u)) | (~x0 & spread(t));
}

fn lut2(t: u32, x0: Bits, x1: Bits) -> Bits {
    return (x0 & lut1(t >> 2u, x1)) | (~x0 & lut1(t, x1));
}

fn lut3(t: u32, x0: Bits, x1: Bits, x2: Bits) -> Bits {
    return (x0 & lut2(t >> 4u, x1, x2)) | (~x0 & lut2(t, x1, x2));
}

fn lut4(t: u32, x0: Bits, x1: Bits, x2: Bits, x3: Bits) -> Bits {
    return (x0 & lut3(t >> 8u, x1, x2, x3)) | (~x0 & lut3(t, x1, x2, x3));
}

fn lut5(t: u32, x0: Bits, x1: Bits, x2: Bits, x3: Bits, x4: Bits) -> Bits {
    return (x0 & lut4(t >> 16u, x1, x2, x3, x4)) | (~x0 & lut4(t, x1, x2, x3, x4));
}

// The output of a gate of LUT_ARITY pins; pins past those are not looked at.
fn lut(table: vec2<u32>, x: Pins) -> Bits {
    switch LUT_ARITY {
        case 1u: { return lut1(table.x, x[0]); }
        case 2u: { return lut2(table.x, x[0], x[1]); }
        case 3u: { return lut3(table.x, x[0], x[1], x[2]); }
        case 4u: { return lut4(table.x, x[0], x[1], x[2], x[3]); }
        case 5u: { return lut5(table.x, x[0], x[1], x[2], x[3], x[4]); }
        default: {
            let when_set = lut5(table.y, x[1], x[2], x[3], x[4], x[5]);
            return (x[0] & when_set) | (~x[0] & lut5(table.x, x[1], x[2], x[3], x[4], x[5]));
        }
    }
}
