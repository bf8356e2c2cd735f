// One word, or number, for each of a gate's pins, of which there are 6 at most. One type for all of them: HLSL would be given the
// same helper function twice for two types of the same shape.
alias Pins = array<Bits, 6>;
