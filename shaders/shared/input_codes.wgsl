// Which of a word's samples have each input code of a gate, the bits of whose pins are `x`.
#import shared/codes.wgsl
#import shared/pins.wgsl

fn input_codes(x: Pins) -> array<u32, CODES> {
    var bits = x;
    var with_code: array<u32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        with_code[c] = 0xffffffffu;
    }
    for (var pin = 0u; pin < ARITY; pin++) {
        for (var c = 0u; c < CODES; c++) {
            with_code[c] &= select(~bits[pin], bits[pin], ((c >> (ARITY - 1u - pin)) & 1u) == 1u);
        }
    }
    return with_code;
}
