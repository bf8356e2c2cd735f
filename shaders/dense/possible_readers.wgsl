// A layer whose wires have moved, and who may read its inputs.

var<uniform> layer: Layer;
var<uniform> training: Training;
var<uniform> step: Step;
var<storage, read> wiring: array<u32>; // [gates][ARITY]
// [inputs + 1] where each input's begin in this same array, then the pins that have it among their candidates, gate * ARITY + pin: all
// first pins first, gate by gate. Which of them read it is a list in the same order.
var<storage, read> possible: array<u32>;
