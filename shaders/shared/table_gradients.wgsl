// A gate's table gradients: what the LANES lanes that share a gate have summed over a batch is added up and kept, or (ADDED)
// added to what the step's earlier micro-batches have left. A kernel calls its sums' type `Sums`, array<f32 or i32, CODES>.
#import shared/codes.wgsl
#import shared/lane_sums.wgsl

var<storage, read_write> table_gradients: array<f32>; // [gates][CODES]

// `index` is the lane in its workgroup; `unit` is what a 1 in the sums is worth.
fn keep_table_gradients(gate: u32, index: u32, own: Sums, unit: f32) {
    let sums = over_lanes(index, own);
    if index % LANES == 0u && gate < layer.gates {
        for (var c = 0u; c < CODES; c++) {
            let at = gate * CODES + c;
#if ADDED
            table_gradients[at] += f32(sums[c]) * unit;
#else
            table_gradients[at] = f32(sums[c]) * unit;
#endif
        }
    }
}
