// A gate's table gradients: what the LANES lanes that share a gate have summed over a batch is added up and kept, or (ADDED)
// added to what the step's earlier micro-batches have left. A kernel calls its sums' type `Sums`, array<f32 or i32, CODES>.
// WHOLE: integers are left as they are, for ranks to add up (tables/weigh_sums.wgsl then makes gradients of them).
#import shared/codes.wgsl
#import shared/lane_sums.wgsl

#if WHOLE
var<storage, read_write> table_gradients: array<i32>; // [gates][CODES]
#else
var<storage, read_write> table_gradients: array<f32>; // [gates][CODES]
#endif

// `index` is the lane in its workgroup; `unit` is what a 1 in the sums is worth.
fn keep_table_gradients(gate: u32, index: u32, own: Sums, unit: f32) {
    let sums = over_lanes(index, own);
    if index % LANES == 0u && gate < layer.gates {
        for (var c = 0u; c < CODES; c++) {
            let at = gate * CODES + c;
#if WHOLE
            let sum = sums[c];
#else
            let sum = f32(sums[c]) * unit;
#endif
#if ADDED
            table_gradients[at] += sum;
#else
            table_gradients[at] = sum;
#endif
        }
    }
}
