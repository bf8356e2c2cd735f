// Whether wires that learn are scored, and moved, by the step after `done` steps, by the constants in `training`.
fn wires_are_due(done: u32) -> bool {
    return done < training.wire_until && done % training.wire_every == 0u;
}
